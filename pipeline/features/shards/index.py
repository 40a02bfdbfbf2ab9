"""Where each key's row lies, made from the shards themselves, so that it can neither be lost nor disagree.

It is one sorted array, with no object a key. There is no copy of it on disk: the keys of 250 shards, a million
rows, are read in a few tenths of a second.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from pipeline.features.shards.keys import NO_KEYS, Keys, beginnings
from pipeline.features.shards.provenance import Positions
from pipeline.features.shards.shard import Shard


class Index:
    """The rows that shards serve: of rows under one key, that of the first shard."""

    def __init__(self, shards: Sequence[Shard]) -> None:
        self.shards = shards
        everything: Keys = np.concatenate([NO_KEYS, *(shard.keys for shard in shards)])
        first = beginnings(everything)
        self._where = np.argsort(first)
        self._beginnings = first[self._where]
        self.keys = everything[self._where]
        """In order; `_where` says where each is among the rows of all shards, one shard after the other."""
        if (self._beginnings[1:] == self._beginnings[:-1]).any():  # rows that several shards have, as a rule
            self.keys, self._where = np.unique(everything, return_index=True)
            self._beginnings = first[self._where]
        self._starts = np.cumsum([0, *map(len, shards)])

    def __len__(self) -> int:
        return len(self.keys)

    def same_as(self, other: Index) -> bool:
        """Whether both are of the same shards."""
        return [(s.path, s.stamp) for s in self.shards] == [(s.path, s.stamp) for s in other.shards]

    def find(self, keys: Keys) -> Positions:
        """For each key its place in `self.keys`, or -1, (N,)."""
        if not len(self.keys):
            return np.full(len(keys), -1)
        wanted = beginnings(keys)
        order = np.argsort(wanted)  # as neighbours are then looked up together, much faster than without
        places = np.empty(len(keys), np.intp)
        places[order] = np.searchsorted(self._beginnings, wanted[order])
        places = np.minimum(places, len(self.keys) - 1)
        astray = np.flatnonzero(self.keys[places] != keys)
        alike = self._beginnings[places[astray]] == wanted[astray]
        places[astray[~alike]] = -1
        astray = astray[alike]  # another key is there with the same beginning, and this one may be beside it
        exact = np.minimum(np.searchsorted(self.keys, keys[astray]), len(self.keys) - 1)
        places[astray] = np.where(self.keys[exact] == keys[astray], exact, -1)
        return places

    def by_shard(self, places: Positions) -> Iterator[tuple[Shard, Positions, Positions]]:
        """What `find` found, a shard at a time: its rows in ascending order, and where in `places` each is.

        Those that were not found are left out.
        """
        found = np.flatnonzero(places >= 0)
        where = self._where[places[found]]
        order = np.argsort(where, kind="stable")
        bounds = np.searchsorted(where[order], self._starts)
        for shard, start, low, high in zip(self.shards, self._starts, bounds, bounds[1:], strict=False):
            if low < high:
                part = order[low:high]
                yield shard, where[part] - start, found[part]
