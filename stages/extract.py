"""`erclap extract`: stage one, clips and sentences to frozen features in the cache."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pyarrow as pa

from pipeline.config import Params, load_params
from pipeline.features import (
    SPEECH_FEATURES,
    TEXT_FEATURES,
    FeatureStore,
    Keys,
    TeamStore,
    asked_for,
    needed_team_root,
    packed_column,
    sentence_keys,
    team_root,
    values,
)
from pipeline.manifest import Manifest
from pipeline.sentences import sentence_column
from pipeline.support import Part, check_writable, counted
from stages.engine import Engine, on_engine

if TYPE_CHECKING:
    from pipeline.encoders import SpeechEncoder, TextEncoder
    from pipeline.scale import RayCluster

FAILURES_FILE = Path("cache/failures.csv")

FAILURES_OF_PARTS = Path("cache/failures")
"""With a file of each part that had some."""

MUST = "every clip of the manifest must be encoded"


@click.command("extract")
@click.option(
    "--part",
    metavar="I/N",
    help="A part alone, into the team's store; slurm: as many as a job array has tasks.",
)
@on_engine
def command(part: str | None, engine: Engine) -> None:
    """Run both frozen encoders over every clip and sentence that has no feature yet.

    An interrupted run resumes where it was. Clips that fail are listed in cache/failures.csv, and the command
    then ends with exit code 1; the others are stored all the same. Where there is a team's store (ERCLAP_STORE, or
    runtime.store in params.yaml), rows are looked up there before they are computed, and offered to it.

    --part 3/10 computes what that store lacks of a tenth of all clips and sentences, told by their hashes, and
    leaves cache/features alone; clips that fail are listed in cache/failures/3-of-10.csv. Parts may run anywhere,
    at once and in any order. The extract without --part that follows takes all of it from the store, and computes
    what is left.

    --engine ray computes on all nodes of a Ray cluster, and on one of this machine's own where no address is
    given. The nodes write to the team's store where there is one, and to cache/features otherwise; both, and the
    clips, must lie under the same path on all of them.
    """
    if part is not None and engine.ray:
        raise ValueError(
            "--part is for machines of which none knows the others: leave it out with --engine ray"
        )
    params = load_params()
    for foreign in params.foreign_encoders:
        click.echo(f"warning: {foreign}", err=True)
    manifest = Manifest.read_clips()
    sentences = sentence_column()
    if part is not None:
        _extract_part(params, Part.parse(part, os.environ), manifest, sentences)
        return
    for folder in (FAILURES_FILE.parent, SPEECH_FEATURES, TEXT_FEATURES):
        check_writable(folder)  # rather than after hours of computing
    if not engine.ray:
        _extract(params, manifest, sentences)
        return

    from pipeline.scale import on_ray_cluster

    if team_root(params.runtime.store):
        needed_team_root(params.runtime.store, "--engine ray")
    with on_ray_cluster(params, engine.address) as cluster:
        click.echo(cluster)
        _extract(params, manifest, sentences, cluster)


def _extract(
    params: Params, manifest: Manifest, sentences: pa.ChunkedArray, cluster: RayCluster | None = None
) -> None:
    from pipeline.audio import refuse_unusable
    from pipeline.encoders import load_speech_encoder, load_text_encoder
    from pipeline.features import extract, extract_speech, extract_text, missing_clips, missing_sentences
    from pipeline.support import slow_dtype

    here = params if cluster is None else cluster.driver_params
    speech, text = load_speech_encoder(here), load_text_encoder(here)
    for line in remarks(manifest, sentences, speech, text):
        click.echo(line)
    if cluster is None and (slow := slow_dtype(speech.device, speech.dtype)):
        click.echo(f"warning: extract.compute_dtype is {speech.recipe.compute_dtype}, and {slow}")
    team_folder = team_root(params.runtime.store)
    team = TeamStore(team_folder) if team_folder else None
    asked_speech, asked_text = asked_for(params.extract)
    speech_store = _open(SPEECH_FEATURES, speech, asked_speech, team)
    text_store = _open(TEXT_FEATURES, text, asked_text, team)
    wanted = (
        (speech_store, packed_column(manifest.table.column("sha256").unique())),
        (text_store, sentence_keys(values(sentences))),
    )
    for store, keys in wanted:
        store.verify()  # what is damaged is set aside and computed again
        _take(store, keys, team)
    if cluster is None:
        threads = params.runtime.threads
        failures = extract(
            extract_speech(manifest, params.prepare.folder, speech, speech_store, workers=threads),
            extract_text(sentences, text, text_store),
        )
    else:
        failures = cluster.extract(
            (speech_store, missing_clips(manifest, speech_store.lacks)),
            (text_store, missing_sentences(sentences, text_store.lacks)),
            team_folder,
        )
        for store, keys in wanted:
            store.refresh()
            _take(store, keys, team)
    for store, keys in wanted:
        if team and (offered := team.offer_missing(store, keys)):
            click.echo(f"{store.root}: {offered} older rows offered to the team's store {team.root}")
    for listing in FAILURES_OF_PARTS.glob("*.csv"):
        listing.unlink(missing_ok=True)  # what failed in a part was tried again
    refuse_unusable(failures, FAILURES_FILE, must=MUST, among=len(manifest), others="stored")
    for store, keys in wanted:
        pruned = store.prune(keys)
        store.publish()
        click.echo(
            f"{store.root}: {len(keys)} rows of {store.recipe.feature_size}"
            + (f", {pruned} rows that nothing asks for removed" if pruned else "")
        )


def _extract_part(params: Params, part: Part, manifest: Manifest, sentences: pa.Array) -> None:
    check_writable(FAILURES_OF_PARTS)

    from pipeline.audio import refuse_unusable
    from pipeline.scale import extract_part, plan_part

    planned = plan_part(params, part, manifest, sentences)
    lacking, (clips, texts) = (len(planned.clips), len(planned.sentences)), planned.shares
    click.echo(
        f"part {part}: {counted(clips, 'clip')} and {counted(texts, 'sentence')}, of which the team's store "
        f"{planned.root} lacks {lacking[0]} and {lacking[1]}"
    )
    failures = extract_part(params, planned)
    listing = FAILURES_OF_PARTS / f"{part.name}.csv"
    refuse_unusable(failures, listing, must=MUST, among=clips, others="stored")
    click.echo(f"part {part}: all of it is in {planned.root}")


def remarks(
    manifest: Manifest, sentences: pa.ChunkedArray, speech: SpeechEncoder, text: TextEncoder
) -> list[str]:
    """What is heard or read in part only, and ids that are not the published ones."""
    lines = []
    seconds = speech.crop_seconds
    if longer := int((manifest.table.column("duration").to_numpy() > seconds).sum()):
        lines.append(
            f"{longer} of {counted(len(manifest), 'clip')} last longer than {seconds:g} s: no more is heard"
        )
    if longer := text.cut_short(values(sentences)):
        lines.append(
            f"{longer} of {counted(len(sentences), 'sentence')} have more than {text.max_tokens} tokens: "
            f"no more is read"
        )
    if text.recipe.tokens:
        lines.append(
            f"warning: the text encoder's tokenizer gives other ids than RoBERTa's published one would from its "
            f"files: its features are kept apart, in a recipe with tokens {text.recipe.tokens}"
        )
    return lines


def _take(store: FeatureStore, keys: Keys, team: TeamStore | None) -> None:
    """Take what a store lacks of its keys from the team's, where there is one, and say how much."""
    if team and (fetched := team.fetch(store, keys)):
        click.echo(f"{store.root}: {fetched} rows taken from the team's store {team.root}")


def _open(
    root: Path, encoder: SpeechEncoder | TextEncoder, asked: dict[str, object], team: TeamStore | None
) -> FeatureStore:
    from pipeline.support import device_name

    device = device_name(encoder.device)
    return FeatureStore(root, encoder.recipe, asked=asked, device=device, share=team.offer if team else None)
