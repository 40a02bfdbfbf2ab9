"""Speech-text pairs as features: what stage two learns from and is measured with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Pairs:
    """N clips and a caption of each, as features, with the clips' labels."""

    ids: list[str]
    speech: npt.NDArray[np.float32]
    """(N, F)"""
    text: npt.NDArray[np.float32]
    """(N, F)"""
    labels: npt.NDArray[np.float64]
    """(N, 2) valence and arousal on 1..7."""
    emotions: list[str | None]

    def __len__(self) -> int:
        return len(self.ids)
