"""`erclap cache merge`: another's features into ours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from pipeline.config import load_params
from pipeline.features import SPEECH_FEATURES, ShardFolder, merge, shards_below, shared_folder
from pipeline.recipe import Recipe
from pipeline.support import Progress
from stages.cache.places import local_folders, needed_team, wanted_recipes


@click.command("merge")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--team", is_flag=True, help="Into the team's store, rows of any recipe, and not into the cache."
)
def command(folder: Path, team: bool) -> None:
    """Copy the rows that FOLDER has and the cache lacks: a teammate's cache/features, or another store.

    Every row's checksum is compared on the way, and nothing in FOLDER changes. Links in it are not followed, but
    for your own cache's. The cache takes rows of the recipes that params.yaml asks for. After a conflict in
    dvc.lock, where two branches have added features, this is the way out: take one side's dvc.lock, merge the
    other side's features, and `dvc repro`.
    """
    params = load_params()
    folder_for = _team(needed_team(params)) if team else _local(wanted_recipes(params.extract))
    own = folder.resolve().is_relative_to(SPEECH_FEATURES.parent.resolve())
    shards, unreadable = shards_below(folder, links=own)  # which DVC may have made
    if not shards and not unreadable:
        raise ValueError(f"what to merge must hold shards, found no .h5 file in {folder}")
    with Progress("merge", sum(map(len, shards)), "rows") as progress:
        merged = merge(shards, folder_for, progress.advance)
    click.echo(f"{merged.taken} rows taken, {merged.already} were there")
    if merged.other_recipe:
        click.echo(f"{merged.other_recipe} rows left, as params.yaml asks for another recipe than theirs")
    unreadable += merged.unreadable
    for line in unreadable:
        click.echo(f"  left: {line}")
    if unreadable:
        raise RuntimeError(
            f"every file to merge must be a whole shard, found {len(unreadable)} that are not; the rows of the "
            f"others are taken"
        )


def _team(root: Path) -> Callable[[Recipe], ShardFolder]:
    return lambda recipe: shared_folder(root, recipe)


def _local(recipes: tuple[Recipe, Recipe]) -> Callable[[Recipe], ShardFolder | None]:
    ours = dict(zip((recipe.digest for recipe in recipes), local_folders(), strict=True))
    return lambda recipe: ours.get(recipe.digest)
