"""`erclap cache status`: what there is."""

from __future__ import annotations

import click

from pipeline.config import load_params
from pipeline.features import ShardFolder, summarise, team_root
from pipeline.support import counted, shown
from stages.cache.places import describe, folders_of_team, in_bytes, local_folders


@click.command("status")
def command() -> None:
    """Print rows, bytes, shards and recipes of the cache and of the team's store, and who computed them.

    Headers are read, not features: `erclap cache verify` compares the checksums.
    """
    params = load_params()
    for folder in local_folders():
        _print(folder)
    root = team_root(params.runtime.store)
    if root is None:
        click.echo("no team's store: set ERCLAP_STORE, or runtime.store in params.yaml, to a shared folder")
        return
    folders = folders_of_team(params)
    click.echo(f"the team's store {root}: {counted(len(folders), 'recipe')}")
    for folder in folders:
        _print(folder)


def _print(folder: ShardFolder) -> None:
    summaries = summarise(folder.refresh())
    if not summaries:
        click.echo(f"{folder.root}: no rows")
    for summary in summaries:
        click.echo(
            f"{folder.root}: {summary.rows} rows of {summary.recipe.feature_size} "
            f"{summary.recipe.stored_dtype}, {in_bytes(summary.size)} in {counted(summary.shards, 'shard')}"
        )
        click.echo(f"  recipe {summary.recipe.digest}: {describe(summary.recipe)}")
        for contribution in summary.contributions:
            click.echo(f"  {contribution}")
    if damaged := folder.damaged():
        click.echo(f"  {counted(len(damaged), 'damaged file')} set aside: see `erclap cache gc`")
    if left := [finding for finding in folder.findings if not finding.set_aside]:
        click.echo(f"  {counted(len(left), 'file')} not served: {', '.join(shown(f.name) for f in left)}")
    if strangers := folder.strangers():
        click.echo(f"  not the store's: {', '.join(map(shown, strangers))}")
