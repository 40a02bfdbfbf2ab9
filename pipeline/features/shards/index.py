"""Where each key's row lies, made from the shards themselves, so that it can neither be lost nor disagree.

It is two columns of numbers, 16 bytes a key beside the keys that the shards hold, with no object a key. No copy of
it is on disk: the keys of 250 shards, a million rows, are read in a few tenths of a second.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from pipeline.features.shards.keys import NO_KEYS, Keys, beginnings
from pipeline.features.shards.provenance import Positions
from pipeline.features.shards.shard import Shard

KEYS_AT_ONCE = 1 << 20
"""That are looked up, or a sixteenth of the index where that is more, as each time all shards are gone through."""


class Index:
    """The rows that shards serve: of rows under one key, that of the first shard."""

    def __init__(self, shards: Sequence[Shard]) -> None:
        self.shards = shards
        self._starts = np.cumsum([0, *map(len, shards)])
        first = np.concatenate([beginnings(NO_KEYS), *(beginnings(shard.keys) for shard in shards)])
        self._where = np.argsort(first)
        """In the order of the keys: where each is among the rows of all shards, one shard after the other."""
        self._beginnings = first[self._where]
        del first
        alike = self._beginnings[1:] == self._beginnings[:-1]
        if alike.any():  # rows that several shards have, as a rule
            self._keep_the_first(np.flatnonzero(np.append(alike, False) | np.append(False, alike)))

    def __len__(self) -> int:
        return len(self._where)

    @property
    def keys(self) -> Keys:
        """All of them, in order, (N,)."""
        return self._keys_at(np.arange(len(self)))

    def same_as(self, other: Index) -> bool:
        """Whether both are of the same shards."""
        return [(s.path, s.stamp) for s in self.shards] == [(s.path, s.stamp) for s in other.shards]

    def find(self, keys: Keys) -> Positions:
        """For each key its place in `self.keys`, or -1, (N,)."""
        places = np.full(len(keys), -1)
        at_once = max(KEYS_AT_ONCE, len(self) // 16)
        for start in range(0, len(keys) if len(self) else 0, at_once):
            part = slice(start, start + at_once)
            places[part] = self._find(keys[part])
        return places

    def _find(self, keys: Keys) -> Positions:
        wanted = beginnings(keys)
        order = np.argsort(wanted)  # as neighbours are then looked up together, much faster than without
        places = np.empty(len(keys), np.intp)
        places[order] = np.searchsorted(self._beginnings, wanted[order])
        unsure = np.arange(len(keys))
        while len(unsure):
            # The first with the same beginning, and where that is another key, the one after it.
            inside = places[unsure] < len(self)
            alike = inside.copy()
            alike[inside] = self._beginnings[places[unsure[inside]]] == wanted[unsure[inside]]
            places[unsure[~alike]] = -1
            unsure = unsure[alike]
            unsure = unsure[self._keys_at(places[unsure]) != keys[unsure]]
            places[unsure] += 1
        return places

    def _keys_at(self, places: Positions) -> Keys:
        """The keys of places, (N,)."""
        keys = np.empty(len(places), NO_KEYS.dtype)
        for shard, rows, at in self.by_shard(places):
            keys[at] = shard.keys[rows]
        return keys

    def _keep_the_first(self, places: Positions) -> None:
        """Sort those places of the index whose beginnings are alike by whole keys, and drop repeated ones."""
        keys, where = self._keys_at(places), self._where[places]
        order = np.lexsort((where, keys))
        self._where[places], keys = where[order], keys[order]
        repeated = places[1:][keys[1:] == keys[:-1]]
        self._where, self._beginnings = (
            np.delete(self._where, repeated),
            np.delete(self._beginnings, repeated),
        )

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
