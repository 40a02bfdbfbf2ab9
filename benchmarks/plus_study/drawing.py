"""What a batch holds beside its pairs: captions of no clip, and speech mixed of two clips.

A part of the study, no command.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor
from worlds.arrays import Doubles
from worlds.world import World

from pipeline.manifest import TRAIN
from plus_study.candidates import Candidate
from plus_study.heads import Beside, Rows

WIDTH = 0.5
"""Of the smoothing of the train split's density, in units of the labels."""

BEYOND = 0.3
"""How far past a clip, in distances of the two, mixed speech may lie."""


class Drawing:
    """Draws for K runs, each by its own seed."""

    def __init__(
        self, candidate: Candidate, worlds: Sequence[World], of_runs: Sequence[int], seeds: Sequence[int]
    ) -> None:
        self.candidate = candidate
        self.generators = [torch.Generator().manual_seed(2**20 + seed) for seed in seeds]
        self.text = torch.from_numpy(np.concatenate([world.plane[0] for world in worlds]))
        labels = np.concatenate([world.plane[1] for world in worlds])
        self.labels = torch.from_numpy(np.column_stack([labels, np.zeros(len(labels))]))
        self.a_world = len(worlds[0].plane[1])
        self.starts = torch.tensor(of_runs) * self.a_world
        weights = [
            _filling(w.splits[TRAIN].pairs.labels, w.plane[1], candidate) if candidate.filling else
            np.ones(self.a_world)
            for w in worlds
        ]  # fmt: skip
        self.weights = [torch.from_numpy(weights[w]) for w in of_runs]

    def beside(self, batch: Rows) -> Beside:
        """For one batch of each run."""
        count, mixed = self.candidate.plane, self.candidate.mixed
        drawn = [
            torch.multinomial(weight, count, generator=g) if count else torch.empty(0, dtype=torch.int64)
            for weight, g in zip(self.weights, self.generators, strict=True)
        ]
        rows = torch.stack(drawn) + self.starts[:, None]
        speech, labels = self._mix(batch, mixed)
        return Beside(self.text[rows], self.labels[rows], speech, labels)

    def _mix(self, batch: Rows, mixed: int) -> tuple[Tensor, Tensor]:
        size = batch.labels.shape[1]
        pairs = [torch.randint(size, (2, mixed), generator=g) for g in self.generators]
        shares = [torch.rand(mixed, generator=g) * (1 + 2 * BEYOND) - BEYOND for g in self.generators]
        one, other = torch.stack(pairs).unbind(1)
        share = torch.stack(shares)[..., None]

        def mix(of: Tensor) -> Tensor:
            first, second = (
                of.gather(1, rows[..., None].expand(-1, -1, of.shape[-1])) for rows in (one, other)
            )
            return share.to(of.dtype) * first + (1 - share).to(of.dtype) * second

        return mix(batch.speech), mix(batch.labels)


def _filling(labels: Doubles, plane: Doubles, candidate: Candidate) -> Doubles:
    """Weights (P,) of plane captions by which a batch's labels and theirs together are as even as can be."""
    grid = np.round((plane - plane.min()) * 4).astype(int)
    cells = np.clip(np.round((labels - plane.min()) * 4).astype(int), 0, grid.max())
    counts = np.zeros((grid.max() + 1,) * 2)
    np.add.at(counts, tuple(cells.T), 1)
    density = gaussian_filter(counts, WIDTH * 4)
    have = candidate.batch * density / density.sum()
    low, high = 0.0, float(have.max() + candidate.plane)
    for _ in range(60):
        level = (low + high) / 2
        low, high = (level, high) if np.clip(level - have, 0, None).sum() < candidate.plane else (low, level)
    wanted: Doubles = np.clip(level - have, 0, None)[tuple(grid.T)]
    return wanted
