"""Whether one method beats the others, trial by trial, and how sure a mean is: the marks of Tables 1 and 2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from pipeline.measures.arguments import floats, number

Scores = NDArray[np.floating[Any]]

ROUNDING = 1e-12
"""Share of the scores' size below which their differences vary by rounding alone."""


def paired_test(ours: Scores, theirs: Scores) -> float:
    """The p-value of a two-tailed paired t-test, of the same trials or lists under two methods.

    Args:
        ours: (K,), one score a trial.
        theirs: (K,), the other method's, in the same order.

    Returns: within [0, 1]; 1 where the scores agree, 0 where they differ by one constant, to rounding in both
        cases, and nan for fewer than two pairs.

    Raises ValueError for other shapes and scores that are not finite.

    >>> import numpy as np
    >>> round(paired_test(np.array([2.0, 3.0, 5.0]), np.array([1.0, 1.0, 2.0])), 4)  # differences 1, 2, 3
    0.0742
    """
    ours, theirs = floats("ours", ours), floats("theirs", theirs)
    if ours.ndim != 1 or ours.shape != theirs.shape:
        raise ValueError(f"ours and theirs must both be (K,), found {ours.shape} and {theirs.shape}")
    if len(ours) < 2:
        return float("nan")
    difference = ours - theirs
    rounding = ROUNDING * max(np.abs(ours).max(), np.abs(theirs).max())
    if np.ptp(difference) <= rounding:
        return 1.0 if abs(difference.mean()) <= rounding else 0.0
    return float(stats.ttest_rel(ours, theirs).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected for how many tests there are, by Holm's step-down procedure (Holm 1979).

    A family of tests that rejects where these are below alpha errs anywhere with a probability of at most alpha,
    however the tests depend on each other.

    Args:
        p_values: within [0, 1]; nan is a test that could not be made, stays nan and is not counted.

    Returns: in the same order, each at least as large as its own p-value and at most 1.

    Raises ValueError for a value out of its range.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    values = np.asarray(p_values, dtype=np.float64)
    if ((values < 0) | (values > 1)).any():
        raise ValueError(f"p-values must lie between 0 and 1, found {values.tolist()}")
    made = np.flatnonzero(~np.isnan(values))
    order = made[np.argsort(values[made], kind="stable")]
    corrected = np.full(len(values), np.nan)
    factors = np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(values[order] * factors), 1)
    return [float(value) for value in corrected]


def bootstrap_interval(
    scores: Scores, *, level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """A percentile bootstrap interval of the mean score (Efron 1979).

    Trials or lists are drawn again, with replacement, and so are the seeds of training where there are several:
    each independently of the other, as every seed met the same lists.

    Args:
        scores: (S, K), K trials or lists under each of S seeds.
        level: share of the resampled means within the interval, in (0, 1).
        resamples: how many means.
        seed: of the generator, so that the same scores give the same interval.

    Returns: its two ends; nan for a single score, which says nothing of its spread.

    Raises ValueError for another shape, scores that are not finite or a level out of its range.

    >>> import numpy as np
    >>> low, high = bootstrap_interval(np.array([[0.4, 0.5, 0.6, 0.5]]))
    >>> 0.4 <= low < 0.5 < high <= 0.6
    True
    """
    scores = floats("scores", scores)
    if scores.ndim != 2 or not scores.size:
        raise ValueError(f"scores must be (S, K) and not empty, found {scores.shape}")
    if not 0 < number("level", level) < 1:
        raise ValueError(f"level must lie between 0 and 1, found {level}")
    if number("resamples", resamples) < 1:
        raise ValueError(f"resamples must be at least 1, found {resamples}")
    if scores.size == 1:
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    # How often each was drawn: a mean of resampled scores is a product with these shares.
    seeds, lists = (
        rng.multinomial(count, np.full(count, 1 / count), resamples) / count for count in scores.shape
    )
    means = ((seeds @ scores.astype(np.float64)) * lists).sum(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
