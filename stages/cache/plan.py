"""`erclap cache plan`: what `erclap extract` would compute, and why."""

from __future__ import annotations

import json
import os
from pathlib import Path
from textwrap import shorten

import click
import numpy as np

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
    needed_team_root,
    packed,
    plan,
    sentence_key,
)
from pipeline.manifest import MANIFEST_FILE, Manifest
from pipeline.recipe import Recipe
from pipeline.sentences import SENTENCE_FILES, all_sentences
from pipeline.support import Part, read_column, write_csv
from stages.cache.places import describe, folders_of_team, local_folders, wanted_recipes

EXAMPLES, LOOKED_AT = 3, 1000
"""So many rows are named, of so many: sentences that begin alike are one example."""


@click.command("plan")
@click.option(
    "--csv", "file", type=click.Path(path_type=Path), help="List every row to compute in this file."
)
@click.option("--json", "as_json", is_flag=True, help="Print counts as JSON, and nothing else.")
@click.option("--part", metavar="I/N", help="Of what `erclap extract --part` would do alone.")
def command(file: Path | None, as_json: bool, part: str | None) -> None:
    """Say what extract would find in the cache, what in the team's store, and what it would compute, with reasons.

    A file is new where its utterance was not in the manifest that features were last extracted for, and changed
    where it was with another hash. That manifest is the one which stage extract read as dvc.lock has it, out of
    DVC's cache. A recipe is changed where the row is there under another one; the fields that differ are named.

    With --part it is a part's share, and the cache does not count: parts look into the team's store alone.
    """
    params = load_params()
    share = None if part is None else Part.parse(part, os.environ)
    if share:
        needed_team_root(params.runtime.store, "--part")
    speech, text = wanted_recipes(params.extract)
    clips, sentences = _clips(), _sentences()
    team = [shard for folder in folders_of_team(params) for shard in folder.refresh()]
    plans: list[Plan] = []
    known: dict[str, list[str]] = {}
    for recipe, wanted, files, folder in zip(
        (speech, text),
        (clips, sentences),
        ([MANIFEST_FILE], list(SENTENCE_FILES)),
        local_folders(),
        strict=True,
    ):
        if share:
            wanted = _of_part(wanted, share)
        earlier, how = _earlier(wanted, files)
        planned = plan(wanted, recipe, [] if share else _shards(folder, recipe), team, earlier)
        plans.append(planned)
        if planned.to_compute:
            known.setdefault(how, []).append(recipe.modality)
        if not as_json:
            _print(planned)
    if as_json:
        told = {planned.recipe.modality: _counts(planned) for planned in plans}
        click.echo(json.dumps({"part": str(share) if share else None, **told}, indent=2, ensure_ascii=False))
    else:
        for how, modalities in known.items():
            click.echo(f"what was there before, of {' and '.join(modalities)}: {how}")
    if file is not None:
        _list(plans, file)
        click.echo(f"{file}: every row to compute, with its reason", err=as_json)


def _clips() -> Wanted:
    table = Manifest.read_clips().table
    first: dict[str, str] = {}
    for key, name in zip(table.column("sha256").to_pylist(), table.column("id").to_pylist(), strict=True):
        first.setdefault(key, name)
    return Wanted(packed(list(first)), list(first.values()))


def _sentences() -> Wanted:
    sentences = all_sentences()
    return Wanted(packed([sentence_key(sentence) for sentence in sentences]), sentences)


def _of_part(wanted: Wanted, part: Part) -> Wanted:
    rows = np.flatnonzero(part.holds(wanted.keys))
    return Wanted(wanted.keys[rows], [wanted.names[row] for row in rows.tolist()])


def _shards(folder: ShardFolder, recipe: Recipe) -> list[Shard]:
    return [shard for shard in folder.refresh() if shard.recipe.modality == recipe.modality]


def _earlier(wanted: Wanted, files: list[Path]) -> tuple[dict[str, Mask] | None, str]:
    found, known = last_extracted(files)
    if not found:
        return None, known
    keys = set[str]().union(*(keys_of(file) for file in found))
    # An utterance has an id to be known by when its file changes; a sentence is itself.
    ids = read_column(found[0], "id").to_pylist() if files == [MANIFEST_FILE] else []
    return earlier_reasons(wanted, ids, packed(keys)), known


def _counts(planned: Plan) -> dict[str, object]:
    return {
        "recipe": planned.recipe.digest,
        "wanted": len(planned.wanted.keys),
        "in_cache": int(planned.local.sum()),
        "in_team_store": int(planned.team.sum()),
        "to_take": planned.to_take,
        "to_compute": planned.to_compute,
        "reasons": {reason: len(rows) for reason, rows in planned.reasons.items()},
    }


def _print(planned: Plan) -> None:
    what = "clips" if planned.recipe.modality == "speech" else "sentences"
    click.echo(describe(planned.recipe))
    click.echo(
        f"  {len(planned.wanted.keys)} {what}: {int(planned.local.sum())} in the cache, "
        f"{planned.to_take} to take from the team's store, {planned.to_compute} to compute"
    )
    for reason, rows in planned.reasons.items():
        names = (shorten(planned.wanted.names[row], 60, placeholder=" …") for row in rows[:LOOKED_AT])
        examples = [*dict.fromkeys(names)][:EXAMPLES]
        more = ", …" if len(rows) > len(examples) else ""
        click.echo(f"    {len(rows)} {reason} ({', '.join(examples)}{more})")


def _list(plans: list[Plan], file: Path) -> None:
    rows = [
        {"modality": planned.recipe.modality, "name": planned.wanted.names[row], "reason": reason}
        for planned in plans
        for reason, positions in planned.reasons.items()
        for row in positions.tolist()
    ]
    write_csv(rows, file, ["modality", "name", "reason"])
