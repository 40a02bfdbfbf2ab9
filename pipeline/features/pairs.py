"""Speech-text pairs as features: what stage two learns from and is measured with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from pipeline.features.shards.keys import Keys
from pipeline.support import WHOLE, Share


class PairSource(Protocol):
    """A split's pairs, in memory or read a block at a time."""

    @property
    def share(self) -> Share:
        """Of the rows of each block, those that come with their features."""

    @property
    def emotions(self) -> list[str | None]:
        """(N,)"""

    @property
    def labels(self) -> npt.NDArray[np.float64]:
        """(N, 2) valence and arousal on 1..7."""

    @property
    def feature_sizes(self) -> tuple[int, int]:
        """Of speech and of text."""

    def __len__(self) -> int:
        """N"""

    def blocks(self, order: int) -> Iterator[Pairs]:
        """All pairs, each once; where they come in several blocks, `order` decides which come together."""


@dataclass(frozen=True)
class PlaneTexts:
    """M captions that belong to no clip, as features, with the labels that they were written for."""

    text: npt.NDArray[np.float32]
    """(M, F)"""
    labels: npt.NDArray[np.float64]
    """(M, 2) valence and arousal on 0.5..7."""

    def __len__(self) -> int:
        return len(self.text)


@dataclass(frozen=True)
class Pairs:
    """N clips and a caption of each, as features, with the clips' labels.

    Where others have the features of other rows, n of them are here: those of `share`.
    """

    ids: list[str]
    speech: npt.NDArray[np.float32]
    """(N, F), or (n, F)"""
    text: npt.NDArray[np.float32]
    """(N, F), or (n, F)"""
    labels: npt.NDArray[np.float64]
    """(N, 2) valence and arousal on 1..7."""
    emotions: list[str | None]
    recordings: Keys | None = None
    """(N,) what was recorded, where that is known: one clip may have several ids."""
    share: Share = WHOLE

    def __len__(self) -> int:
        return len(self.ids)

    def distinct(self) -> npt.NDArray[np.intp]:
        """The rows of distinct recordings, ascending: of those that share one the first, whose labels count."""
        if self.recordings is None:
            return np.arange(len(self))
        return np.sort(np.unique(self.recordings, return_index=True)[1])

    @property
    def feature_sizes(self) -> tuple[int, int]:
        """Of speech and of text."""
        return self.speech.shape[1], self.text.shape[1]

    def blocks(self, order: int) -> Iterator[Pairs]:
        """The one block that they are."""
        yield self
