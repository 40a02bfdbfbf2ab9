"""Whether one method beats the others, trial by trial: the stars of Tables 1 and 2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

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
    if ours.ndim != 1 or ours.shape != theirs.shape:
        raise ValueError(f"ours and theirs must both be (K,), found {ours.shape} and {theirs.shape}")
    if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        raise ValueError(f"scores must be finite, found {ours.tolist()} and {theirs.tolist()}")
    if len(ours) < 2:
        return float("nan")
    difference = ours - theirs
    rounding = ROUNDING * max(np.abs(ours).max(), np.abs(theirs).max())
    if np.ptp(difference) <= rounding:
        return 1.0 if abs(difference.mean()) <= rounding else 0.0
    return float(stats.ttest_rel(ours, theirs).pvalue)


def better_than_all(
    ours: Scores, baselines: Mapping[str, Scores], *, higher_is_better: bool, alpha: float = 0.05
) -> tuple[bool, dict[str, float]]:
    """Whether our mean is better than that of every baseline, each at p < alpha: one star of a table.

    As in the paper, each test stands alone, with no correction for how many there are.

    Args:
        ours: (K,), one score a trial.
        baselines: (K,) for each baseline, of the same trials in the same order.
        higher_is_better: True for Kendall's tau, False for distances.
        alpha: level of each test, within (0, 1).

    Returns: the verdict, False without a baseline or with fewer than two trials, and the p-value against each.

    Raises ValueError for an alpha out of its range and what `paired_test` refuses.

    >>> import numpy as np
    >>> better_than_all(np.array([0.5, 0.6]), {"SCE": np.array([0.3, 0.4])}, higher_is_better=True)
    (True, {'SCE': 0.0})
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie between 0 and 1, found {alpha}")
    p_values = {name: paired_test(ours, theirs) for name, theirs in baselines.items()}
    sign = 1 if higher_is_better else -1
    wins = [p < alpha and sign * (ours.mean() - baselines[name].mean()) > 0 for name, p in p_values.items()]
    return bool(wins) and all(wins), p_values
