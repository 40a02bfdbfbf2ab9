"""`erclap cache verify`: every checksum of every row."""

from __future__ import annotations

import click

from pipeline.config import load_params
from pipeline.features import ShardFolder
from pipeline.support import Progress, counted, shown
from stages.cache.places import folders_of_team, local_folders, published


@click.command("verify")
def command() -> None:
    """Read every shard of the cache and of the team's store whole, and compare its checksums.

    Damaged shards are set aside as NAME.damaged, where the folder can be written, and their rows are computed
    again by the next `erclap extract`. Files that are not the store's are named and left alone. Ends with exit
    code 1 where anything was damaged or could not be read.
    """
    params = load_params()
    folders = [*local_folders(), *folders_of_team(params)]
    with Progress("verify", sum(len(s) for folder in folders for s in folder.refresh()), "rows") as progress:
        for folder in folders:
            folder.verify(progress.advance)
    found = 0
    for folder in folders:
        found += len(folder.findings)
        shards = folder.refresh()
        click.echo(f"{folder.root}: {sum(map(len, shards))} rows in {counted(len(shards), 'whole shard')}")
        for finding in folder.findings:
            click.echo(f"  {'damaged' if finding.set_aside else 'not served'}: {finding}")
        for line in _misplaced(folder):
            click.echo(f"  {line}")
        for name in folder.strangers():
            click.echo(f"  not the store's, left alone: {shown(name)}")
    if found:
        raise RuntimeError(
            f"every shard must be whole, found {found} that are not: `erclap extract` computes their rows again"
        )


def _misplaced(folder: ShardFolder) -> list[str]:
    """Shards that are whole and of another recipe than the folder's own."""
    if folder.shared:
        ours = folder.root.name
    elif store := published(folder.root):
        ours = store.recipe.digest
    else:
        return []  # no extract has ended here yet
    return [
        f"of another recipe, serves nothing here: {shown(shard.path.name)}"
        for shard in folder.refresh()
        if shard.recipe.digest != ours
    ]
