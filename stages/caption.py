"""`erclap caption`: labels to sentences."""

from __future__ import annotations

import click
import pyarrow as pa

from pipeline.captions.captioning import caption_prompts, caption_utterances
from pipeline.captions.tables import CAPTIONS_FILE, PROMPTS_FILE
from pipeline.config import load_params
from pipeline.files import write_parquet
from pipeline.manifest import Manifest
from pipeline.methods import MEASURED_CAPTIONS, METHODS


@click.command("caption")
def command() -> None:
    """Write a caption of every utterance for every method, and the ordinality test's prompts.

    data/captions.parquet has a row for each utterance and variant, data/prompts.parquet the lists of 14
    sentences that the test retrieves with. No sentence of the test is a caption.
    """
    params = load_params()
    utterances = Manifest.read().utterances()
    variants = sorted({MEASURED_CAPTIONS} | {METHODS[name].captions for name in params.train.methods})
    captions = pa.concat_tables(
        caption_utterances(utterances, variant, params.caption.seed) for variant in variants
    )
    prompts = caption_prompts(
        params.caption.prompt_lists, params.caption.seed, exclude=set(captions.column("text").to_pylist())
    )
    write_parquet(captions, CAPTIONS_FILE)
    write_parquet(prompts, PROMPTS_FILE)
    distinct = len(set(captions.column("text").to_pylist()))
    click.echo(f"{CAPTIONS_FILE}: {captions.num_rows} captions ({', '.join(variants)}), {distinct} distinct")
    click.echo(f"{PROMPTS_FILE}: {prompts.num_rows} prompts")
