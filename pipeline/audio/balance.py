"""Whether the channels of a recording cancel each other out when they are averaged, as with one side inverted."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

CANCELLED = 1e-4
"""Of the channels' power, 40 dB below it: so little is left in their mean where one is the other inverted."""


class Balance:
    """The power of channels and of their mean, summed up block by block."""

    def __init__(self) -> None:
        self._channels = self._mean = 0.0

    def add(self, block: npt.NDArray[np.float32], mean: npt.NDArray[np.float32]) -> None:
        """Take in samples (frames, channels) and their mean (frames,)."""
        flat = block.reshape(-1)
        self._channels += float(np.dot(flat, flat)) / block.shape[1]
        self._mean += float(np.dot(mean, mean))

    @property
    def cancels(self) -> bool:
        """Whether all but nothing is left; not where there is nothing to cancel."""
        return self._mean < CANCELLED * self._channels
