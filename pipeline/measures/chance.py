"""What chance alone makes of retrievals that find the same few clips again and again: Table 2b.

A thousand retrievals of a pool of thirty thousand find some hundred distinct clips, so that lists are not
independent: one clip that many lists find, with a label that happens to be high, moves them all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.measures.arguments import number, numbers
from pipeline.measures.ordinality import tau_of_columns

AT_ONCE = 250
"""Permutations whose taus are computed together: what they need fits a core's cache."""

ROUNDING = 1e-12
"""Means of tau this close are the same: they are sums in another order."""


@dataclass(frozen=True)
class Chance:
    """A mean tau against what it comes to where labels say nothing of the clips."""

    low: float
    """2.5 % of the permuted means lie below."""
    high: float
    """2.5 % of them lie above."""
    p: float
    """Two-sided: the share of permuted means at least as far from 0, the observed one counted with them."""
    clips: float
    """Distinct clips that were retrieved, the mean over the seeds."""


def against_chance(
    retrieved: NDArray[np.integer[Any]],
    intended: NDArray[Any],
    labels: NDArray[Any],
    *,
    permutations: int = 2000,
    seed: int = 0,
) -> Chance:
    """A permutation test of the mean tau: the pool's labels are shuffled among its clips, retrieval is kept.

    A clip that several lists or seeds found has the same label in all of them. The mean tau of shuffled labels is
    0, since every order of the clips of a list is as likely as its reverse, so that p counts by distance from 0.

    Args:
        retrieved: (S, L, Q), indices into the pool that each of S seeds' heads found, distinct within a list.
        intended: (L, Q), the values that the descriptions were written for.
        labels: (P,), the same attribute of each clip of the pool.
        permutations: how many.
        seed: of the generator, so that the same retrievals give the same band.

    Raises ValueError for shapes that do not fit, values that are not finite and indices out of the pool.

    >>> import numpy as np
    >>> labels = np.arange(30.0)
    >>> found = against_chance(np.array([[[3, 8, 12, 21, 28]]]), np.array([[1, 2, 3, 4, 5]]), labels)
    >>> found.clips, found.low < 0 < found.high, found.p < 0.05
    (5.0, True, True)
    """
    retrieved, intended = numbers("retrieved", retrieved), numbers("intended", intended)
    labels = numbers("labels", labels)
    if (
        retrieved.ndim != 3
        or not retrieved.size
        or retrieved.shape[1:] != intended.shape
        or labels.ndim != 1
        or retrieved.dtype.kind not in "iu"
    ):
        raise ValueError(
            f"retrieved, intended and labels must be (S, L, Q) whole numbers, (L, Q) and (P,), found "
            f"{retrieved.shape} of {retrieved.dtype}, {intended.shape} and {labels.shape}"
        )
    if retrieved.min() < 0 or retrieved.max() >= len(labels):
        raise ValueError(
            f"retrieved must lie within the pool's 0..{len(labels) - 1}, found "
            f"{retrieved.min()}..{retrieved.max()}"
        )
    if number("permutations", permutations) < 1:
        raise ValueError(f"permutations must be at least 1, found {permutations}")
    clips, places = np.unique(retrieved, return_inverse=True)
    places = places.reshape(retrieved.shape)
    ranks = np.unique(labels, return_inverse=True)[1].astype(np.int32)  # tau knows no more of labels

    def mean_taus(of_clips: NDArray[np.int32]) -> NDArray[np.float64]:
        """(C, R), R labellings of the distinct clips, to (R,)."""
        asked = intended.T[..., None]  # (Q, L, 1)
        taus = [tau_of_columns(asked, of_clips[one.T]).mean(axis=0) for one in places]
        mean: NDArray[np.float64] = np.mean(taus, axis=0)
        return mean

    rng = np.random.default_rng(seed)
    observed = float(mean_taus(ranks[clips][:, None])[0])
    permuted = np.concatenate(
        [
            mean_taus(np.stack([rng.choice(ranks, len(clips), replace=False) for _ in range(count)], axis=1))
            for count in _chunks(permutations)
        ]
    )
    low, high = np.quantile(permuted, [0.025, 0.975])
    farther = int((np.abs(permuted) >= abs(observed) - ROUNDING).sum())
    return Chance(
        low=float(low),
        high=float(high),
        p=(1 + farther) / (1 + permutations),
        clips=float(np.mean([len(np.unique(one)) for one in places])),
    )


def _chunks(count: int) -> list[int]:
    full, rest = divmod(count, AT_ONCE)
    return [AT_ONCE] * full + [rest] * (rest > 0)
