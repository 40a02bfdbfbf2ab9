"""`erclap caption`: labels to sentences."""

from __future__ import annotations

from collections.abc import Sequence

import click
import pyarrow as pa

from pipeline.captions.captioning import (
    VARIANTS,
    Captioner,
    acoustic_variants,
    caption_prompts,
    caption_utterances,
)
from pipeline.captions.measuring import keep_memory, measure_clips
from pipeline.captions.tables import CAPTIONS_FILE, PROMPTS_FILE
from pipeline.config import Params, load_params
from pipeline.files import write_parquet
from pipeline.manifest import Manifest
from pipeline.methods import MEASURED_CAPTIONS, METHODS


@click.command("caption")
def command() -> None:
    """Write a caption of every utterance for every method, and the ordinality test's prompts.

    data/captions.parquet has a row for each utterance and variant, data/prompts.parquet the lists of 14
    sentences that the test retrieves with. No sentence of the test is a caption. For the captions `paraclap` every
    clip is measured once; cache/acoustics.parquet keeps the measures, which then take the place of the audio.
    """
    params = load_params()
    manifest = Manifest.read()
    utterances = manifest.utterances()
    variants = sorted({MEASURED_CAPTIONS} | {METHODS[name].captions for name in params.train.methods})
    captioners = VARIANTS | _acoustic_variants(variants, manifest, params)
    captions = pa.concat_tables(
        caption_utterances(utterances, variant, params.caption.seed, captioners) for variant in variants
    )
    prompts = caption_prompts(
        params.caption.prompt_lists, params.caption.seed, exclude=set(captions.column("text").to_pylist())
    )
    write_parquet(captions, CAPTIONS_FILE)
    write_parquet(prompts, PROMPTS_FILE)
    distinct = len(set(captions.column("text").to_pylist()))
    click.echo(f"{CAPTIONS_FILE}: {captions.num_rows} captions ({', '.join(variants)}), {distinct} distinct")
    click.echo(f"{PROMPTS_FILE}: {prompts.num_rows} prompts")


def _acoustic_variants(variants: Sequence[str], manifest: Manifest, params: Params) -> dict[str, Captioner]:
    """The captioners that need measures, where one of the variants is theirs."""
    if "paraclap" not in variants:
        keep_memory()
        return {}
    measured = measure_clips(
        manifest,
        params.prepare.folder,
        params.extract.speech.crop_seconds,
        workers=params.runtime.threads,
    )
    return acoustic_variants(measured, params.caption.paraclap.features)
