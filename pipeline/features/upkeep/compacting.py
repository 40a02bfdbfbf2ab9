"""Upkeep of a folder of shards: many small ones become few, and rows that nothing asks for go.

Both write first and remove afterwards, and remove no row that they have not themselves written again, so that they
may be killed at any moment, and run beside readers, writers and each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from pipeline.features.shards.folder import ShardFolder
from pipeline.features.shards.header import DamagedShardError
from pipeline.features.shards.provenance import Positions
from pipeline.features.shards.rows import SHARD_ROWS, Rows
from pipeline.features.shards.shard import UNREADABLE, Shard, UnreadableShardError


@dataclass(frozen=True)
class Compacted:
    """What became of a folder."""

    before: int
    after: int
    """Shards."""
    rows: int
    """That were written again."""


def small_groups(shards: list[Shard]) -> list[list[Shard]]:
    """Shards of one recipe that go into one, in their order; those that stay as they are are in none.

    A shard that has a row in common with one outside its group stays: under another name it could come before
    the other, or after it, and another copy of the row would be served.
    """
    staying = {shard.path for shard in shards if len(shard) == SHARD_ROWS}
    while True:
        groups = _groups([shard for shard in shards if shard.path not in staying])
        group_of = {shard.path: number for number, group in enumerate(groups) for shard in group}
        numbers = [group_of.get(shard.path, len(groups) + i) for i, shard in enumerate(shards)]
        apart = {shards[i].path for i in _overlapping(shards, numbers)} & group_of.keys()
        if not apart:
            return groups
        staying |= apart


def _groups(shards: list[Shard]) -> list[list[Shard]]:
    groups: list[list[Shard]] = []

    def recipe(shard: Shard) -> str:
        return shard.recipe.digest

    for _, of_recipe in groupby(sorted(shards, key=lambda s: (recipe(s), s.path.name)), recipe):
        groups.append([])
        for shard in of_recipe:
            if sum(map(len, groups[-1])) + len(shard) > SHARD_ROWS:
                groups.append([])
            groups[-1].append(shard)
    return [group for group in groups if len(group) > 1]


def _overlapping(shards: list[Shard], numbers: list[int]) -> set[int]:
    """Which shards have a row, of the same recipe, in common with one of another number."""
    overlapping = set[int]()
    for digest in {shard.recipe.digest for shard in shards}:
        ours = [i for i, shard in enumerate(shards) if shard.recipe.digest == digest]
        keys = np.concatenate([shards[i].keys for i in ours])
        owner = np.repeat(ours, [len(shards[i]) for i in ours])
        number = np.asarray(numbers)[owner]
        _, key = np.unique(keys, return_inverse=True)
        lowest, highest = np.full(len(keys), len(numbers) * 2), np.full(len(keys), -1)
        np.minimum.at(lowest, key, number)
        np.maximum.at(highest, key, number)
        overlapping |= set(owner[(lowest != highest)[key]].tolist())
    return overlapping


def compact(folder: ShardFolder, advance: Callable[[int], None] = lambda rows: None) -> Compacted:
    """Join small shards into as few as hold their rows. The rows stay as they are, bit for bit."""
    shards = folder.refresh()
    written = 0
    for group in small_groups(shards):
        read = _read(folder, group)
        if len(read) > 1:
            rows = _distinct(Rows.joined([*read.values()]))
            _replace(folder, [shard for shard in group if shard.path in read], rows)
            written += len(rows)
        advance(sum(map(len, group)))
    return Compacted(len(shards), len(folder.refresh()), written)


def _read(folder: ShardFolder, group: list[Shard]) -> dict[Path, Rows]:
    """The rows of those that are whole, the others set aside; none where another has changed one meanwhile."""
    read = {}
    for shard in group:
        try:
            read[shard.path] = shard.rows(np.arange(len(shard)))
        except (DamagedShardError, UnreadableShardError) as error:
            folder.note(shard, error)
        except UNREADABLE:
            return {}
    return read


def drop(
    folder: ShardFolder,
    keep: Iterable[tuple[Shard, Positions]],
    advance: Callable[[int], None] = lambda shards: None,
) -> int:
    """Of each shard keep the rows that are given, in ascending order. Returns how many rows went."""
    dropped = 0
    for shard, rows in keep:
        if len(rows) < len(shard):
            try:
                _replace(folder, [shard], shard.rows(rows))
                dropped += len(shard) - len(rows)
            except UNREADABLE as error:
                folder.note(shard, error)
        advance(1)
    return dropped


def _replace(folder: ShardFolder, shards: list[Shard], rows: Rows) -> None:
    """Put rows in the place of shards; what has the new shard's name is the new shard."""
    written = folder.write(rows, shards[0].recipe).path if len(rows) else None
    folder.forget([shard for shard in shards if shard.path != written])


def _distinct(rows: Rows) -> Rows:
    """Each key's first row."""
    _, first = np.unique(rows.keys, return_index=True)
    return rows if len(first) == len(rows) else rows.of(np.sort(first))
