"""`erclap prepare`: a corpus on disk to data/manifest.parquet."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import click

from pipeline.config import Params, load_params
from pipeline.corpora import (
    Corpus,
    Inspection,
    check_splits,
    count_by_reason,
    inspect,
    inspect_part,
    out_of_reach,
    read_corpus,
    write_rejects,
)
from pipeline.manifest import (
    LABEL_MAX,
    LABEL_MIN,
    MANIFEST_FILE,
    Manifest,
    describe_splits,
)
from pipeline.support import Part, check_writable, counted, remove_abandoned
from stages.needs import unmet_needs

REJECTS_FILE = Path("data/rejects.csv")

INSPECTED_FILE = Path("cache/inspected.sqlite")
"""What was found of each file, so that an unchanged one is not read again."""

FOUND_BY_PARTS = Path("cache/inspected")
"""With a file of each part that is done, until the next prepare or inspect without --part."""


@click.command("prepare")
@click.option("--part", metavar="I/N", help="Inspect a part alone; slurm: as many as a job array has tasks.")
def command(part: str | None) -> None:
    """Read the corpus that params.yaml names and write its manifest.

    Every clip is hashed, decoded and checked. Clips that cannot be used are listed with the reason in
    data/rejects.csv. ERCLAP_CORPUS_ROOT overrides prepare.root, for a corpus that is mounted elsewhere.

    --part 3/10 looks at a tenth of the files, told by the hashes of their paths, and leaves what it found in
    cache/inspected; parts may run at once. The prepare without --part that follows takes all of it, and looks at
    what is left.
    """
    params = load_params()
    for foreign in params.foreign_encoders:
        click.echo(f"warning: {foreign}", err=True)
    if part is not None:
        _inspect_part(params, Part.parse(part, os.environ))
        return
    corpus, (manifest, rejects, cancelling) = look_at_corpus(params)
    remove_abandoned(MANIFEST_FILE.parent)
    write_rejects(rejects, REJECTS_FILE)
    check_splits(manifest, rejects, REJECTS_FILE)
    if refused := out_of_reach(rejects, len(corpus.utterances), params.prepare.unreachable):
        raise ValueError(f"{refused}; the manifest stays as it was, {REJECTS_FILE} lists them")
    manifest.write(MANIFEST_FILE)
    hours = sum(manifest.table.column("duration").to_pylist()) / 3600
    click.echo(f"{MANIFEST_FILE}: {describe_splits(manifest.strings('split'))}; {hours:.2f} hours of speech")
    for line in _ranges(manifest):
        click.echo(line)
    for warning in (*corpus.notes, *_warnings(manifest, params)):
        click.echo(f"warning: {warning}")
    if cancelling:
        several = counted(len(cancelling), "clip has sides", "clips have sides")
        click.echo(
            f"warning: {several} that cancel each other out when they are averaged, to less than 40 dB below "
            f"themselves (the first: {cancelling[0]}): one side is inverted, mend it or leave one out"
        )
    for reason, count in corpus.left_out.items():
        click.echo(f"{counted(count, 'clip', 'clips')} left out: {reason}")
    if rejects:
        click.echo(
            f"warning: {len(rejects)} of {counted(len(corpus.utterances), 'clip', 'clips')} left out: "
            f"see {REJECTS_FILE} ({count_by_reason(rejects)}; the first: {rejects[0].path})"
        )


def look_at_corpus(params: Params) -> tuple[Corpus, Inspection]:
    """The corpus as its labels have it, and what was found of its clips.

    What was looked at before and has not changed is not read again.
    """
    root = params.prepare.folder
    corpus = read_corpus(params.prepare, root)
    return corpus, inspect(
        corpus.utterances,
        root,
        heard_seconds=params.extract.speech.crop_seconds,
        workers=params.runtime.threads,
        patience=params.runtime.clip_seconds,
        memory=INSPECTED_FILE,
        parts=FOUND_BY_PARTS,
    )


def _inspect_part(params: Params, part: Part) -> None:
    check_writable(FOUND_BY_PARTS)
    root = params.prepare.folder
    clips, rejects = inspect_part(
        read_corpus(params.prepare, root).utterances,
        root,
        part,
        FOUND_BY_PARTS,
        heard_seconds=params.extract.speech.crop_seconds,
        workers=params.runtime.threads,
        patience=params.runtime.clip_seconds,
    )
    if refused := out_of_reach(rejects, clips, params.prepare.unreachable):
        raise ValueError(f"part {part}: {refused}")
    unusable = f", {len(rejects)} of which cannot be used ({count_by_reason(rejects)})" if rejects else ""
    click.echo(f"part {part}: {counted(clips, 'clip')} inspected{unusable}")


def _ranges(manifest: Manifest) -> Iterator[str]:
    """The lowest, mean and highest of each kind of label, on the manifest's scale."""
    for name in ("valence", "arousal", "dominance"):
        values = [value for value in manifest.table.column(name).to_pylist() if value is not None]
        if values:
            known = "" if len(values) == len(manifest) else f", of {counted(len(values), 'clip')}"
            yield (
                f"{name} from {min(values):.2f} to {max(values):.2f} on {LABEL_MIN:g}..{LABEL_MAX:g}, mean "
                f"{sum(values) / len(values):.2f}{known}"
            )


def _warnings(manifest: Manifest, params: Params) -> Iterator[str]:
    """What later stages will not be able to use, or had better not."""
    splits = manifest.strings("split")
    yield from unmet_needs(splits, manifest.strings("emotion"), params)
    first_split: dict[str, str] = {}
    hashes, ids = manifest.strings("sha256"), manifest.strings("id")
    leaks = [
        name
        for key, split, name in zip(hashes, splits, ids, strict=True)
        if first_split.setdefault(key, split) != split
    ]
    if leaks:
        several = counted(len(leaks), "clip is", "clips are")
        yield f"{several} in more than one split (the first: {leaks[0]})"
