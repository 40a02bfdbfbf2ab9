"""`erclap cache plan`: what `erclap extract` would compute, and why."""

from __future__ import annotations

from pathlib import Path
from textwrap import shorten

import click
import pyarrow.parquet as pq

from pipeline.config import load_params
from pipeline.features import (
    Mask,
    Plan,
    Shard,
    ShardFolder,
    Wanted,
    earlier_reasons,
    keys_of,
    last_extracted,
    packed,
    plan,
    sentence_key,
)
from pipeline.manifest import MANIFEST_FILE, Manifest
from pipeline.recipe import Recipe
from pipeline.sentences import SENTENCE_FILES, all_sentences
from pipeline.support import write_csv
from stages.cache.places import describe, folders_of_team, local_folders, wanted_recipes

EXAMPLES = 3


@click.command("plan")
@click.option(
    "--csv", "file", type=click.Path(path_type=Path), help="List every row to compute in this file."
)
def command(file: Path | None) -> None:
    """Say what extract would find in the cache, what in the team's store, and what it would compute, with reasons.

    A file is new where its utterance was not in the manifest that features were last extracted for, and changed
    where it was with another hash. That manifest is the one which stage extract read as dvc.lock has it, out of
    DVC's cache. A recipe is changed where the row is there under another one; the fields that differ are named.
    """
    params = load_params()
    speech, text = wanted_recipes(params.extract)
    clips, sentences = _clips(), _sentences()
    team = [shard for folder in folders_of_team(params) for shard in folder.refresh()]
    plans = []
    for recipe, wanted, files, folder in zip(
        (speech, text),
        (clips, sentences),
        ([MANIFEST_FILE], list(SENTENCE_FILES)),
        local_folders(),
        strict=True,
    ):
        earlier, known = _earlier(wanted, files)
        planned = plan(wanted, recipe, _shards(folder, recipe), team, earlier)
        plans.append(planned)
        _print(planned, known)
    if file is not None:
        _list(plans, file)
        click.echo(f"{file}: every row to compute, with its reason")


def _clips() -> Wanted:
    table = Manifest.read_clips().table
    first: dict[str, str] = {}
    for key, name in zip(table.column("sha256").to_pylist(), table.column("id").to_pylist(), strict=True):
        first.setdefault(key, name)
    return Wanted(packed(list(first)), list(first.values()))


def _sentences() -> Wanted:
    sentences = all_sentences()
    return Wanted(packed([sentence_key(sentence) for sentence in sentences]), sentences)


def _shards(folder: ShardFolder, recipe: Recipe) -> list[Shard]:
    return [shard for shard in folder.refresh() if shard.recipe.modality == recipe.modality]


def _earlier(wanted: Wanted, files: list[Path]) -> tuple[dict[str, Mask] | None, str]:
    found, known = last_extracted(files)
    if not found:
        return None, known
    keys = set[str]().union(*(keys_of(file) for file in found))
    # An utterance has an id to be known by when its file changes; a sentence is itself.
    ids = pq.read_table(found[0], columns=["id"]).column("id").to_pylist() if files == [MANIFEST_FILE] else []
    return earlier_reasons(wanted, ids, packed(keys)), known


def _print(planned: Plan, known: str) -> None:
    what = "clips" if planned.recipe.modality == "speech" else "sentences"
    click.echo(describe(planned.recipe))
    click.echo(
        f"  {len(planned.wanted.keys)} {what}: {int(planned.local.sum())} in the cache, "
        f"{int(planned.team.sum())} in the team's store, {planned.to_compute} to compute"
    )
    for reason, rows in planned.reasons.items():
        examples = [shorten(planned.wanted.names[row], 60, placeholder=" …") for row in rows[:EXAMPLES]]
        more = ", …" if len(rows) > len(examples) else ""
        click.echo(f"    {len(rows)} {reason} ({', '.join(examples)}{more})")
    if planned.to_compute:
        click.echo(f"    what was there before: {known}")


def _list(plans: list[Plan], file: Path) -> None:
    rows = [
        {"modality": planned.recipe.modality, "name": planned.wanted.names[row], "reason": reason}
        for planned in plans
        for reason, positions in planned.reasons.items()
        for row in positions.tolist()
    ]
    write_csv(rows, file, ["modality", "name", "reason"])
