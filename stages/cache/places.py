"""Where features are kept, as the cache commands look at it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from pipeline.config import Extract, Params
from pipeline.encoders import planned_recipes
from pipeline.features import (
    PATIENCE,
    SPEECH_FEATURES,
    TEXT_FEATURES,
    FeatureStore,
    ShardFolder,
    asked_for,
    needed_team_root,
    team_folders,
    team_root,
)
from pipeline.recipe import Recipe
from pipeline.support import patiently, shown


def local_folders() -> list[ShardFolder]:
    """The two that DVC tracks, that of speech and that of text."""
    return [ShardFolder(SPEECH_FEATURES), ShardFolder(TEXT_FEATURES)]


def folders_of_team(params: Params) -> list[ShardFolder]:
    """The team's folders, looked into; none, and a warning, where there is a store that cannot be read."""
    root = team_root(params.runtime.store)
    if root is None:
        return []
    try:
        return list(patiently(looked_into(root), PATIENCE))
    except OSError as error:
        reason = error.strerror or error
        print(f"warning: the team's store {root} is left out, it cannot be read: {reason}", file=sys.stderr)
        return []


def looked_into(root: Path) -> Iterator[ShardFolder]:
    """The folders in a team's store, each looked into; of one that cannot be read that is its finding."""
    for folder in team_folders(root):
        folder.look()
        yield folder


def needed_team(params: Params) -> Path:
    """The team's store where a command asks for it. Raises ValueError for none."""
    return needed_team_root(params.runtime.store, "--team")


def wanted_recipes(settings: Extract) -> tuple[Recipe, Recipe]:
    """The recipes that `erclap extract` would use.

    Where a model is not on this machine, those of the features at hand, if they are what the params ask for.
    Raises RuntimeError otherwise.
    """
    try:
        return planned_recipes(settings)
    except RuntimeError:
        speech, text = (published(root) for root in (SPEECH_FEATURES, TEXT_FEATURES))
        if speech and text and (speech.asked, text.asked) == asked_for(settings):
            return speech.recipe, text.recipe
        raise


def describe(recipe: Recipe) -> str:
    """A recipe in a line."""
    heard = f"{recipe.max_length:g} {'s' if recipe.modality == 'speech' else 'tokens'}"
    revision = recipe.revision.removeprefix("sha256:")[:12]
    model, revision, pooling, padding = (
        shown(text, 100) for text in (recipe.model, revision, recipe.pooling, recipe.padding)
    )
    return (
        f"{recipe.modality}, {model} at {revision}, {pooling}, {padding}, {heard}, "
        f"{recipe.compute_dtype}, forward pass {recipe.forward_version}"
    )


def in_bytes(size: int) -> str:
    """A size for people."""
    amount, unit = float(size), "bytes"
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if amount < 1000 or unit == "TB":
            break
        amount /= 1000
    return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"


def published(root: Path) -> FeatureStore | None:
    """The store that was last extracted in a folder, or None where there is none of today's forward pass."""
    try:
        return FeatureStore.open(root)
    except RuntimeError:
        return None
