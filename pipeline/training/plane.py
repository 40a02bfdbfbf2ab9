"""Which captions of the plane a batch learns from beside its pairs, and how they are drawn."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline.config import Train
from pipeline.features import PlaneTexts
from pipeline.training.density import cells_of, smoothed_counts
from pipeline.training.feeding import VALIDATION_ORDER

Doubles = npt.NDArray[np.float64]

DRAWN_AFTER = 1 << 32
"""Added to a seed: what draws captions is another generator than what draws the order of the pairs."""


LEAST_SHARE = 0.01
"""Of the level: no caption is left out."""


class Plane:
    """The captions of no clip on the device that learns from them; `count` of them beside each batch."""

    def __init__(
        self, texts: PlaneTexts, labels: Doubles, settings: Train, device: torch.device | str = "cpu"
    ) -> None:
        """`labels` (N, 2) are those of the training split. Raises ValueError for fewer texts than a batch
        takes."""
        if len(texts) < settings.plane_captions:
            raise ValueError(
                f"data/plane.parquet must have at least as many captions as a batch takes, "
                f"{settings.plane_captions}, found {len(texts)}: name a method that learns from them in "
                f"train.methods, raise caption.plane.draws where they are too few, and run `erclap caption` and "
                f"`erclap extract`"
            )
        self.count = settings.plane_captions
        self.text = torch.from_numpy(texts.text).to(device)
        self.labels = torch.from_numpy(texts.labels).to(device)
        share = np.ones(len(texts))
        if settings.plane_drawn == "filling":
            share = filling_shares(labels, texts.labels, settings.batch_size, self.count)
        self._share = torch.from_numpy(share)

    def draw(self, batches: int, shuffle: torch.Generator) -> Tensor:
        """Rows of the captions of so many batches, (K, P); none twice in a batch."""
        drawn = torch.multinomial(self._share.expand(batches, -1), self.count, generator=shuffle)
        return drawn.to(self.text.device)

    def fixed(self, batches: int) -> Tensor:
        """Those that validation goes through, (K, P), the same for every seed and epoch."""
        return self.draw(batches, torch.Generator().manual_seed(VALIDATION_ORDER + DRAWN_AFTER))


def filling_shares(labels: Doubles, plane: Doubles, batch_size: int, count: int) -> Doubles:
    """How often each caption of the plane (M, 2) is drawn, so that a batch is as even over it as it can be.

    A batch has `batch_size` labels as common as `labels` (N, 2) and `count` of the plane's: those fill it up to
    one level wherever clips are fewer. Returns (M,), where clips are most common a little all the same.
    """
    lowest, highest = float(plane.min()), float(plane.max())
    spots, spot_of, captions = np.unique(plane, axis=0, return_inverse=True, return_counts=True)
    cells = cells_of(torch.from_numpy(spots), lowest, highest).numpy()
    have = smoothed_counts(labels, lowest, highest)[cells[:, 0], cells[:, 1]]
    have *= batch_size / have.sum()
    low, high = 0.0, float(have.max()) + count
    for _ in range(60):  # by bisection: what fills up to a level grows with it
        level = (low + high) / 2
        low, high = (level, high) if np.clip(level - have, 0, None).sum() < count else (low, level)
    shares: Doubles = (np.clip(level - have, LEAST_SHARE * level, None) / captions)[spot_of]
    return shares
