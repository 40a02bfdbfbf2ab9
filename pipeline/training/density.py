"""How common the labels around a label are, so that the sparse corners of the plane are learnt as well."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

LOWEST, HIGHEST = 1.0, 7.0
CELLS_A_UNIT = 4
WIDTH = 0.5
"""Standard deviation of the smoothing, in units of the labels."""


class LabelDensity:
    """Label distribution smoothing (Yang et al. 2021) over valence and arousal.

    Labels are counted on a grid of quarters of a unit, and the counts smoothed by a Gaussian, mirrored at the
    ends of the scale, so that a label's density comes from those around it as well.
    """

    def __init__(self, labels: NDArray[np.floating[Any]], device: torch.device | str = "cpu") -> None:
        """Count labels (N, 2) on 1..7, N at least 1."""
        if labels.ndim != 2 or labels.shape[1] != 2 or not len(labels):
            raise ValueError(f"labels must be (N, 2), N at least 1, found {labels.shape}")
        density = smoothed_counts(labels, LOWEST, HIGHEST)
        cells = cells_of(torch.from_numpy(labels), LOWEST, HIGHEST).numpy()
        # Where nobody is near, as where somebody counted is loneliest.
        density = density.clip(min=density[cells[:, 0], cells[:, 1]].min())
        self._inverse = torch.from_numpy(1 / density).to(device)

    def weights(self, labels: Tensor) -> Tensor:
        """What anchors of a batch weigh: one over the density, scaled to mean 1 within the batch.

        Args:
            labels: (..., N, 2) on 1..7.

        Returns: float64 (..., N), positive.

        >>> labels = torch.tensor([[4.0, 4.0], [4.0, 4.0], [4.0, 4.0], [6.0, 2.0]])
        >>> LabelDensity(labels.numpy()).weights(labels).round(decimals=2)  # the rare one, as three together
        tensor([0.6700, 0.6700, 0.6700, 2.0000], dtype=torch.float64)
        """
        cells = cells_of(labels, LOWEST, HIGHEST)
        weights = self._inverse[cells[..., 0], cells[..., 1]]
        return weights / weights.mean(-1, keepdim=True)


def smoothed_counts(labels: NDArray[np.floating[Any]], lowest: float, highest: float) -> NDArray[np.float64]:
    """Labels (N, 2) counted on a grid of quarters of a unit between two bounds, and smoothed: (C, C)."""
    from scipy.ndimage import gaussian_filter  # half a second to import, for what few trainings ask for

    size = round((highest - lowest) * CELLS_A_UNIT) + 1
    counts = np.zeros((size, size))
    cells = cells_of(torch.from_numpy(labels), lowest, highest).numpy()
    np.add.at(counts, (cells[:, 0], cells[:, 1]), 1)
    smoothed: NDArray[np.float64] = gaussian_filter(counts, WIDTH * CELLS_A_UNIT)
    return smoothed


def cells_of(labels: Tensor, lowest: float, highest: float) -> Tensor:
    """Where labels (..., 2) lie on that grid: int64 (..., 2), those beyond a bound at it."""
    bounded = labels.double().clamp(lowest, highest)
    return ((bounded - lowest) * CELLS_A_UNIT).round().long()
