"""`erclap cache compact`: many small shards into few."""

from __future__ import annotations

import click

from pipeline.config import load_params
from pipeline.features import compact, small_groups
from pipeline.support import Progress, counted
from stages.cache.places import local_folders, looked_into, needed_team


@click.command("compact")
@click.option("--team", is_flag=True, help="The shards of the team's store, and not of the cache.")
def command(team: bool) -> None:
    """Join small shards into as few as hold their rows, which stay as they are, bit for bit, provenance included.

    It may be interrupted at any moment, and run while others read and write. Of the cache it changes what DVC
    tracks: the stages after extract run again, and `dvc push` sends the new shards.
    """
    folders = list(looked_into(needed_team(load_params()))) if team else local_folders()
    small = sum(len(s) for folder in folders for group in small_groups(folder.refresh()) for s in group)
    with Progress("compact", small, "rows") as progress:
        results = [compact(folder, progress.advance) for folder in folders]
    for folder, result in zip(folders, results, strict=True):
        before = counted(result.before, "shard")
        click.echo(f"{folder.root}: {before} before, {result.after} now, {result.rows} rows written")
