"""How sure a mean is where seeds of training, trials or lists, and the pool are drawn again: `†` and Table 2b."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from pipeline.measures.arguments import floats, number
from pipeline.measures.significance import ROUNDING, Scores


@dataclass(frozen=True)
class Estimate:
    """A mean and the variance that it would have over fresh draws."""

    mean: float
    variance: float
    """0 where nothing varied but by rounding; nan where nothing could vary."""
    freedom: float
    """Degrees of freedom of the variance: the harmonic mean of its parts', each by its share.

    Satterthwaite's would be more, and with three seeds too many: where these happen to agree, their part of the
    variance is small, and so would be the price of its being known badly.
    """

    @property
    def p(self) -> float:
        """Two-tailed, against a mean of 0; nan where nothing could vary."""
        if self.variance == 0:
            return 1.0 if self.mean == 0 else 0.0
        return float(2 * stats.t.sf(abs(self.mean) / np.sqrt(self.variance), self.freedom))

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Its two ends, symmetric around the mean; nan where nothing could vary."""
        if not 0 < number("level", level) < 1:
            raise ValueError(f"level must lie between 0 and 1, found {level}")
        if self.variance == 0:
            return self.mean, self.mean
        margin = float(stats.t.ppf((1 + level) / 2, self.freedom) * np.sqrt(self.variance))
        return self.mean - margin, self.mean + margin


def drawn_again(
    scores: Scores, *, overlap: float = 0.0, halves: NDArray[np.floating[Any]] | None = None
) -> Estimate:
    """The mean of all scores, with the variance of all that it would be drawn from again, added up.

    Seeds: the variance of their means, over S. Trials or lists: that of their means, over K, and `overlap` times
    it beside that, for trials that share pairs. Of n pairs each, drawn from the same N without replacement, they
    differ by less than they would from other pairs, and no number of them tells of those; n / (N − n) makes up for
    it (delete-d jackknife, Shao and Wu 1989; Nadeau and Bengio 2003). The pool: two halves of it share no clip,
    so half of the squared difference of their means is the variance over pools of that size. Over pools of the
    whole one's size it is the same, or less: what a prompt finds is one clip, of however many.

    Args:
        scores: (S, K), K trials or lists under each of S seeds; or their differences between two methods.
        overlap: not negative.
        halves: (S, H, 2), the mean over lists in the halves of H halvings of the pool, the same for all seeds.

    Raises ValueError for other shapes and values that are not finite.

    >>> import numpy as np
    >>> found = drawn_again(np.array([[0.4, 0.5, 0.6], [0.5, 0.6, 0.7]]))
    >>> round(found.mean, 3), round(found.variance, 5)  # lists .01 / 3, seeds .005 / 2
    (0.55, 0.00583)
    """
    scores, overlap = floats("scores", scores).astype(np.float64), number("overlap", overlap)
    if scores.ndim != 2 or not scores.size:
        raise ValueError(f"scores must be (S, K) and not empty, found {scores.shape}")
    seeds, units = scores.shape
    parts = []  # variance, its degrees of freedom
    if units > 1:
        parts.append((_variance(scores.mean(axis=0)) * (1 / units + overlap), units - 1.0))
    if seeds > 1:
        parts.append((_variance(scores.mean(axis=1)) / seeds, seeds - 1.0))
    if halves is not None:
        halves = floats("halves", halves)
        if halves.ndim != 3 or halves.shape[::2] != (seeds, 2):
            raise ValueError(f"halves must be ({seeds}, H, 2) for {seeds} seeds, found {halves.shape}")
        if halves.size:
            apart = np.diff(halves.mean(axis=0, dtype=np.float64), axis=1)
            parts.append((float(np.square(apart).mean() / 2), np.inf))
    if not parts:
        return Estimate(float(scores.mean()), float("nan"), float("nan"))
    variance = sum(part for part, _ in parts)
    mean, size = float(scores.mean()), np.abs(scores).max()
    if variance <= (ROUNDING * size) ** 2:
        return Estimate(0.0 if abs(mean) <= ROUNDING * size else mean, 0.0, np.inf)
    inverse = sum(part / variance / own for part, own in parts)
    return Estimate(mean, variance, 1 / inverse if inverse else np.inf)


def _variance(values: NDArray[np.float64]) -> float:
    return float(np.var(values, ddof=1))
