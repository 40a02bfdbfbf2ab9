"""Another's shards into a store of ours: a teammate's cache, another store, or what a merge of branches left."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import numpy as np

from pipeline.features.shards.folder import LINK, SUFFIX, ShardFolder
from pipeline.features.shards.header import LaterFormatError
from pipeline.features.shards.index import Index
from pipeline.features.shards.rows import Piece, portions
from pipeline.features.shards.shard import UNREADABLE, Shard, of_recipe, read_shard
from pipeline.recipe import Recipe
from pipeline.support import shown

LINE_AT_MOST = 400
"""Characters of a name, or of what is wrong with it."""


@dataclass
class Merged:
    """What came of it, in rows."""

    taken: int = 0
    already: int = 0
    """That ours had, or that several of theirs have."""
    other_recipe: int = 0
    """Left, as ours is for another recipe."""
    unreadable: list[str] = field(default_factory=list)
    """Files, with the reason; they stay as they are."""


def shards_below(root: Path, *, links: bool = False) -> tuple[list[Shard], list[str]]:
    """Every shard in a folder and the folders in it, and what is none. Raises ValueError for no folder.

    The folder itself may be a link. What is in it is somebody else's, and no link there is followed; with `links`
    it is our own, and those to files are.
    """
    if not root.is_dir():
        raise ValueError(f"what to merge must be a folder with shards, found no folder {root}")
    shards: list[Shard] = []
    unreadable: list[str] = []
    for path in _below(root, unreadable, links):
        try:
            shards.append(read_shard(path, links=links))
        except (*UNREADABLE, LaterFormatError) as error:
            unreadable.append(_line(path, error))
    return shards, unreadable


def _below(root: Path, unreadable: list[str], links: bool) -> list[Path]:
    """The files in a folder and in its folders that are called shards; what is left out goes to `unreadable`."""
    found, folders = [], [root]
    while folders:
        folder = folders.pop()
        try:
            entries = list(os.scandir(folder))
        except OSError as error:
            unreadable.append(_line(folder, f"cannot be read: {error.strerror}"))
            continue
        for entry in entries:
            path = Path(entry.path)
            if entry.is_symlink() and not (links and path.is_file()):
                if entry.name.endswith(SUFFIX) or path.is_dir():
                    unreadable.append(_line(path, LINK))
            elif entry.is_dir(follow_symlinks=False):
                folders.append(path)
            elif entry.name.endswith(SUFFIX):
                found.append(path)
    return sorted(found)


def _line(path: Path, reason: object) -> str:
    return f"{shown(path, LINE_AT_MOST)} {shown(reason, LINE_AT_MOST)}"


def merge(
    theirs: Iterable[Shard],
    folder_for: Callable[[Recipe], ShardFolder | None],
    advance: Callable[[int], None] = lambda rows: None,
) -> Merged:
    """Copy what our folders lack, whole shards byte for byte, so that DVC knows them again.

    `folder_for` gives the folder of ours for a recipe, or None where there is none.
    """
    merged = Merged()
    for _, group in groupby(sorted(theirs, key=_digest), _digest):
        shards = list(group)
        folder = folder_for(shards[0].recipe)
        if folder is None:
            merged.other_recipe += sum(map(len, shards))
            advance(sum(map(len, shards)))
        else:
            _merge_into(folder, shards, merged, advance)
    return merged


def _merge_into(
    folder: ShardFolder, theirs: list[Shard], merged: Merged, advance: Callable[[int], None]
) -> None:
    before = of_recipe(folder.refresh(), theirs[0].recipe)
    index = Index([*before, *theirs])  # a row that several have is the first one's, and ours come first
    readable = {shard.path: shard for shard in theirs}

    def pieces() -> Iterator[Piece]:
        new_rows = {shard.path: rows for shard, rows, _ in index.by_shard(np.arange(len(index)))}
        for shard in theirs:
            advance(len(shard))
            new = new_rows.get(shard.path, NO_ROWS)
            try:
                if len(new) == len(shard):
                    folder.copy(shard)  # which checks all of it
                elif len(new):
                    yield shard.rows(new), False
            except UNREADABLE as error:
                merged.unreadable.append(_line(shard.path, error))
                del readable[shard.path]

    for rows in portions(pieces()):
        folder.write(rows, theirs[0].recipe)
    taken = len(Index(of_recipe(folder.refresh(), theirs[0].recipe))) - len(Index(before))
    merged.taken += taken
    if len(readable) < len(theirs):  # what only the damaged ones seemed to have may be in another
        if readable:
            _merge_into(folder, list(readable.values()), merged, lambda rows: None)
    else:
        merged.already += sum(map(len, theirs)) - taken


NO_ROWS = np.empty(0, np.intp)


def _digest(shard: Shard) -> str:
    return shard.recipe.digest
