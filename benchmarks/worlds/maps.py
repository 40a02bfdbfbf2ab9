"""Random layers from what was meant to features.

A part of the simulated worlds, no command.
"""

from __future__ import annotations

import numpy as np

from worlds.arrays import Features

HIDDEN_SIZE = 512


class RandomMap:
    """Two random layers with tanh between them; every output has mean square 1 / 4 over the first rows seen.

    A `periodic` one has a sine in its place, which turns back where its arguments are large.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        first_rows: Features,
        size: int,
        gain: float,
        *,
        periodic: bool = False,
    ) -> None:
        self.between = np.sin if periodic else np.tanh
        inputs = first_rows.shape[1]
        self.mean = first_rows.mean(axis=0)
        spread = float((first_rows - self.mean).std() * np.sqrt(inputs))
        self.first = (rng.standard_normal((inputs, HIDDEN_SIZE)) * gain / spread).astype(np.float32)
        self.bias = (0.5 * rng.standard_normal(HIDDEN_SIZE)).astype(np.float32)
        self.second = rng.standard_normal((HIDDEN_SIZE, size)).astype(np.float32)
        self.second *= 0.5 / np.sqrt(np.square(self(first_rows)).mean())

    def __call__(self, rows: Features) -> Features:
        return np.concatenate(
            [
                self.between((rows[start : start + 4096] - self.mean) @ self.first + self.bias) @ self.second
                for start in range(0, len(rows), 4096)
            ]
        )
