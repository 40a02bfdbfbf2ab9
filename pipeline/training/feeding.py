"""Pairs as tensors on the device that learns from them, a block at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.features import Pairs, PairSource

VALIDATION_ORDER = 0
"""Seeds the one order that validation goes through, the same for every seed of the heads."""


@dataclass(frozen=True)
class Rows:
    """Pairs as tensors on one device, so that nothing is copied within the loop.

    Of a rank's share of the rows alone the features are here: those of `own`.
    """

    speech: Tensor
    text: Tensor
    labels: Tensor
    """(N, 2) float64"""
    emotions: Tensor
    """(N,) int64"""
    own: slice

    def __len__(self) -> int:
        return len(self.labels)


class Feed:
    """A split's blocks on the device; a split that is one block is moved there once."""

    def __init__(self, source: PairSource, device: torch.device, codes: dict[str | None, int]) -> None:
        self._source, self._device, self._codes = source, device, codes
        self._held = self._moved(source) if isinstance(source, Pairs) else None

    def blocks(self, order: int) -> Iterator[Rows]:
        """All rows, in the blocks that the source has them in."""
        if self._held is not None:
            yield self._held
            return
        for block in self._source.blocks(order):
            yield self._moved(block)

    def _moved(self, pairs: Pairs) -> Rows:
        return Rows(
            torch.from_numpy(pairs.speech).to(self._device),
            torch.from_numpy(pairs.text).to(self._device),
            torch.from_numpy(pairs.labels).to(self._device),
            torch.tensor([self._codes[emotion] for emotion in pairs.emotions], device=self._device),
            pairs.share.rows(len(pairs)),
        )


def taken(features: Tensor, rows: Tensor) -> Tensor:
    """(R, F) and row numbers (S, N) → (S, N, F)."""
    return features.index_select(0, rows.reshape(-1)).view(*rows.shape, -1)


def fixed_batches(count: int, batch_size: int) -> Tensor:
    """Row numbers, (K, N)."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(VALIDATION_ORDER))
    return torch.cat([order, order[: -count % batch_size]]).view(-1, batch_size)
