"""`erclap cache gc`: what nothing asks for any more."""

from __future__ import annotations

import time
from pathlib import Path

import click
import numpy as np

from pipeline.config import load_params
from pipeline.features import (
    SECONDS_UNTIL_LEFTOVER,
    Asked,
    Positions,
    Shard,
    ShardFolder,
    asked_by_refs,
    drop,
    keys_of,
)
from pipeline.manifest import MANIFEST_FILE
from pipeline.sentences import SENTENCE_FILES
from pipeline.support import Progress, leftovers, remove, shown
from stages.cache.places import in_bytes, local_folders, looked_into, needed_team

SECONDS_A_DAY = 24 * 3600


@click.command("gc")
@click.option("--team", is_flag=True, help="Look for rows in the team's store that nothing asks for.")
@click.option(
    "--keep",
    "kept_files",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Keep what this manifest, captions or prompts file asks for too; may be repeated.",
)
@click.option(
    "--older-than", "days", type=click.IntRange(min=0), default=30, help="Days; younger shards stay. [30]"
)
@click.option("--yes", is_flag=True, help="Remove it; without this it is only listed.")
def command(team: bool, kept_files: tuple[Path, ...], days: int, yes: bool) -> None:
    """List damaged files that were set aside and what killed writers left, and with --yes remove them.

    With --team also rows of the team's store that no branch, tag, remote branch or experiment of this repository
    asks for, nor the files here, nor a --keep file. What another repository asks for is not known here: give its
    manifest and captions with --keep. Where what some branch asks for is not in DVC's cache on this machine,
    nothing is removed. The cache itself holds what was last extracted; what DVC's own cache has of other
    commits is for `dvc gc` to remove.
    """
    params = load_params()
    root = needed_team(params) if team else None
    shared = list(looked_into(root)) if root else []
    local = local_folders()
    for folder in local:
        folder.refresh()  # what is damaged is set aside
    removed, kept = _remove_debris([*local, *shared], root, yes)
    if root:
        removed += _remove_unasked(shared, kept_files, days, yes)
    if removed and not yes:
        click.echo("nothing was removed: --yes removes it")
    if not removed:
        click.echo("nothing to remove")
    if kept:
        raise RuntimeError(f"what is damaged must go, found {kept} that cannot be removed: see the warnings")
    click.echo(
        "DVC's own cache: `dvc gc --workspace --all-branches --all-tags --all-experiments --dry` lists what no "
        "commit needs (name all other projects with --projects where several share that cache)"
    )


def _remove_debris(folders: list[ShardFolder], team: Path | None, yes: bool) -> tuple[int, int]:
    """Damaged files and leftovers of killed writers; returns how many, and how many could not be removed."""
    debris = [(path, "set aside") for folder in folders for path in folder.damaged()]
    for root in [*(folder.root for folder in folders), *([team] if team else [])]:
        debris += [(path, "left by a killed writer") for path in leftovers(root, SECONDS_UNTIL_LEFTOVER)]
    found = kept = 0
    for path, kind in debris:
        name = shown(path, 400)
        try:
            click.echo(f"{name} ({kind}, {in_bytes(path.lstat().st_size)})")
            found += 1
            if yes:
                remove(path)  # a recipe's folder, too, that did not get its name any more
        except FileNotFoundError:
            continue  # another has just removed it
        except OSError as error:
            kept += 1
            click.echo(f"warning: {name} cannot be removed: {error.strerror}", err=True)
    return found, kept


def _remove_unasked(folders: list[ShardFolder], kept_files: tuple[Path, ...], days: int, yes: bool) -> int:
    """Rows of the team's that nothing asks for; returns how many."""
    asked = _asked(kept_files)
    click.echo(f"{asked.refs} branches, tags and experiments of this repository were asked")
    if asked.unknown:
        for line in asked.unknown:
            click.echo(f"  {shown(line, 400)}")
        click.echo(
            "what they ask for cannot be told, so no row is removed: `dvc fetch --all-branches --all-tags "
            "data/manifest.parquet data/captions.parquet data/prompts.parquet data/plane.parquet` brings it"
        )
        return 0
    youngest = time.time() - days * SECONDS_A_DAY
    found = 0
    for folder in folders:
        shards = folder.refresh()
        keep = _wanted_rows([shard for shard in shards if shard.stamp[2] / 1e9 < youngest], asked)
        unasked = sum(len(shard) - len(rows) for shard, rows in keep)
        if not unasked:
            continue
        found += unasked
        click.echo(f"{folder.root}: {unasked} of {sum(map(len, shards))} rows that nothing asks for")
        if yes:
            with Progress("gc", len(keep), "shards") as progress:
                drop(folder, keep, progress.advance)
    return found


def _wanted_rows(shards: list[Shard], asked: Asked) -> list[tuple[Shard, Positions]]:
    """Of each shard the rows that are asked for, in ascending order."""
    wanted: list[tuple[Shard, Positions]] = []
    for digest in sorted({shard.recipe.digest for shard in shards}):
        ours = [shard for shard in shards if shard.recipe.digest == digest]
        # All at once: each look sorts everything that is asked for.
        found = np.isin(np.concatenate([shard.keys for shard in ours]), asked.of(digest))
        parts = np.split(found, np.cumsum([len(shard) for shard in ours])[:-1])
        wanted += [(shard, np.flatnonzero(part)) for shard, part in zip(ours, parts, strict=True)]
    return wanted


def _asked(kept_files: tuple[Path, ...]) -> Asked:
    asked = asked_by_refs()
    here = [file for file in (MANIFEST_FILE, *SENTENCE_FILES) if file.exists()]
    for file in (*here, *kept_files):
        asked.add(None, keys_of(file))
    return asked
