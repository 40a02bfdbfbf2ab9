"""`erclap caption`: labels to sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pyarrow as pa

from pipeline.captions import (
    VARIANTS,
    Captioner,
    acoustic_variants,
    caption_plane,
    caption_prompts,
    caption_utterances,
    keep_memory,
    measure_clips,
    measure_overlap,
)
from pipeline.config import LlmCaptions, Params, load_params
from pipeline.manifest import Manifest, Utterance
from pipeline.methods import MEASURED_CAPTIONS, METHODS, learns_from_plane, settings_of
from pipeline.sentences import (
    CAPTIONS_FILE,
    PLANE_FILE,
    PLANE_SCHEMA,
    PROMPTS_FILE,
    write_captions,
    write_learnt,
)
from pipeline.support import counted, remove_abandoned, write_parquet

if TYPE_CHECKING:
    from pipeline.captions import LlmCaptioner


@click.command("caption")
@click.option(
    "--dry-run", is_flag=True, help="Print what would be sent to the model, and what it would cost."
)
@click.option(
    "--show", type=click.IntRange(min=1), metavar="N", help="Print N clips with all their captions."
)
@click.option("--show-prompt", is_flag=True, help="Print what the model is asked, and from which files.")
@click.option(
    "--import",
    "table",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Take in another's answers.parquet; nothing is sent.",
)
def command(dry_run: bool, show: int | None, show_prompt: bool, table: Path | None) -> None:
    """Write captions of every utterance and of the plane, and the ordinality test's prompts.

    data/captions.parquet has a row for each utterance and variant, data/prompts.parquet the lists of 14
    sentences that the test retrieves with. data/plane.parquet has captions of labels all over the plane that
    belong to no clip, where a method learns from them. No sentence of the test is a caption. For the captions
    `paraclap` every clip is measured once; cache/acoustics.parquet keeps the measures, which then take the
    place of the audio.

    With caption.captioner: llm in params.yaml a model writes them, at the endpoint in OPENAI_BASE_URL with the key
    in OPENAI_API_KEY. Every answer is kept in cache/answers (or ERCLAP_ANSWERS), so that none is paid for twice.
    """
    chosen = [name for name, given in _given(dry_run, show, show_prompt, table).items() if given]
    if len(chosen) > 1:
        raise ValueError(f"erclap caption takes one option at a time, found {' and '.join(chosen)}")
    params = load_params()
    if show_prompt:
        _show_prompts(params.caption.llm)
    elif table:
        _import(table)
    elif show:
        _show(show, params.caption.seed)
    elif dry_run:
        _estimate(params)
    else:
        _write(params)


def _given(dry_run: bool, show: int | None, show_prompt: bool, table: Path | None) -> dict[str, bool]:
    return {
        "--dry-run": dry_run,
        "--show": show is not None,
        "--show-prompt": show_prompt,
        "--import": table is not None,
    }


def _write(params: Params) -> None:
    manifest, variants = Manifest.read(), _variants(params)
    utterances = manifest.utterances()
    captioners = VARIANTS | _acoustic_variants(variants, manifest, params)
    if params.caption.captioner == "llm":
        planned = _llm(params, utterances, variants, captioners)
        captions, prompts, plane = planned.write()
        if planned.left_out:
            click.echo(
                f"{planned.left_out} of {len(planned.spots)} captions of the plane are left out: the model says "
                f"there what another sentence says"
            )
        if planned.llm.otherwise:
            for by, count in sorted(planned.written.items()):
                click.echo(f"{by.kind}: {counted(count, 'answer')} of {by.model}, prompt {by.prompt_hash}")
    else:
        captions = pa.concat_tables(
            caption_utterances(utterances, variant, params.caption.seed, captioners) for variant in variants
        )
        texts = set(captions.column("text").to_pylist())
        prompts = caption_prompts(params.caption.prompt_lists, params.caption.seed, exclude=texts)
        plane = PLANE_SCHEMA.empty_table()
        if _learners(params):
            others = texts | set(prompts.column("text").to_pylist())
            plane = caption_plane(params.caption.plane, params.caption.seed, exclude=others)
    needed = max((settings_of(params.train, name).plane_captions for name in _learners(params)), default=0)
    if plane.num_rows < needed:
        raise ValueError(
            f"the plane must have at least as many captions as a batch takes, {needed}, found {plane.num_rows}: "
            f"lower caption.plane.step, or raise caption.plane.draws or the temperature of caption.llm"
        )
    remove_abandoned(CAPTIONS_FILE.parent)
    write_captions(captions, manifest.labels_digest())
    write_parquet(prompts, PROMPTS_FILE)
    write_parquet(plane, PLANE_FILE)
    learnt = {
        name: (METHODS[name].captions, learns_from_plane(params.train, name)) for name in params.train.methods
    }
    write_learnt(learnt, captions, plane)
    texts = set(captions.column("text").to_pylist())
    click.echo(
        f"{CAPTIONS_FILE}: {captions.num_rows} captions ({', '.join(variants)}), {len(texts)} distinct"
    )
    click.echo(f"{PROMPTS_FILE}: {prompts.num_rows} prompts")
    if _learners(params):
        click.echo(f"{PLANE_FILE}: {plane.num_rows} captions that belong to no clip")
    click.echo(f"overlap: {measure_overlap(prompts.column('text').to_pylist(), texts)}")


def _variants(params: Params) -> list[str]:
    return sorted({MEASURED_CAPTIONS} | {METHODS[name].captions for name in params.train.methods})


def _learners(params: Params) -> list[str]:
    """The methods that learn from the plane."""
    return [name for name in params.train.methods if learns_from_plane(params.train, name)]


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
        patience=params.runtime.clip_seconds,
    )
    return acoustic_variants(measured, params.caption.paraclap.features)


def _llm(
    params: Params,
    utterances: Sequence[Utterance],
    variants: Sequence[str],
    offline: Mapping[str, Captioner] = VARIANTS,
) -> LlmCaptioner:
    from pipeline.captions import LlmCaptioner

    return LlmCaptioner(
        utterances, variants, params.caption, params.runtime.llm, offline, plane=bool(_learners(params))
    )


def _estimate(params: Params) -> None:
    if params.caption.captioner != "llm":
        click.echo(f"nothing to send: caption.captioner is {params.caption.captioner}, which works offline")
        return
    planned = _llm(params, Manifest.read().utterances(), _variants(params))
    from pipeline.captions import words_come_from

    if "clap4emo" in planned.variants:
        nrc = planned.llm.nrc_file
        click.echo(f"clap4emo's words: {words_come_from(Path(nrc) if nrc else None)}")
    for line in planned.estimate().lines():
        click.echo(line)
    click.echo(f"answers: {planned.folder}/; nothing was sent")


def _show_prompts(settings: LlmCaptions | None) -> None:
    from pipeline.captions import templates_in_use

    for heading, text in templates_in_use(settings or LlmCaptions(model="none")).items():
        click.echo(f"{heading}:\n{text}\n")


def _import(table: Path) -> None:
    from pipeline.captions import answers_folder, read_table, writing_answers

    if not table.is_file():
        raise ValueError(f"--import must be a table of answers, found no file {table}")
    rows = read_table(table)
    with writing_answers(answers_folder()) as answers:
        new = answers.merge(rows)
        click.echo(f"{answers.folder}: {new} of {len(rows)} answers are new, {len(answers.known)} in all")


def _show(count: int, seed: int) -> None:
    from pipeline.captions import side_by_side

    for block in side_by_side(count, seed):
        click.echo(block)
