"""Rows of features apart from any file, with their keys and where they come from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.features.shards.keys import Keys
from pipeline.features.shards.provenance import Positions, Provenance

SHARD_ROWS = 4096
"""At most so many rows are in a shard."""

Matrix = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Rows:
    """Rows apart from any file."""

    keys: Keys
    features: Matrix
    """(N, F), of the recipe's stored dtype."""
    provenance: Provenance

    def __len__(self) -> int:
        return len(self.keys)

    @classmethod
    def joined(cls, parts: list[Rows]) -> Rows:
        """The rows of several, one after the other; of at least one."""
        return cls(
            np.concatenate([part.keys for part in parts]),
            np.concatenate([part.features for part in parts]),
            Provenance.joined(part.provenance for part in parts),
        )

    def of(self, rows: Positions) -> Rows:
        """Some of the rows, in the order given."""
        return Rows(self.keys[rows], self.features[rows], self.provenance.of(rows))


Piece = tuple[Rows, bool]
"""Rows that a shard serves, and whether they are all that it has."""


def portions(pieces: Iterable[Piece]) -> Iterator[Rows]:
    """The same rows as shards to write: whole shards as they are, and the others joined, as many as one takes.

    A whole shard that is written again has the bytes of the first, so that nobody stores or sends it twice.
    """
    waiting: list[Rows] = []
    for rows, whole in pieces:
        if whole:
            yield rows
            continue
        waiting.append(rows)
        while sum(map(len, waiting)) >= SHARD_ROWS:
            joined = Rows.joined(waiting)
            everything = np.arange(len(joined))
            waiting = [joined.of(everything[SHARD_ROWS:])]
            yield joined.of(everything[:SHARD_ROWS])
    if any(map(len, waiting)):
        yield Rows.joined(waiting)
