"""How far the speech embeddings lie from the text embeddings as a whole: the measures of Table 1.

Both take two samples of points, (N, E) and (M, E), and know nothing of which row belongs to which. The paper
names neither the kernel's width nor the order of the distance, so `alignment_readings` gives every reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import ot
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

Points = NDArray[np.floating[Any]]
Doubles = NDArray[np.float64]

BLOCK_ROWS = 1024
"""Rows on either side of one block of the kernel matrix: 8 MiB, whatever the size of the samples."""

MEDIAN_ROWS = 4096
"""Pooled rows up to which the median distance is exact, not that of a subsample."""

MAX_ITERATIONS = 10_000_000
"""Of the network simplex. POT's own limit stops 5000 points early, up to 4 % off."""

CANCELLED = 1e-10
"""Share of |x|² + |y|² below which |x|² + |y|² − 2x·y is mostly rounding error."""


def mmd_rbf(x: Points, y: Points, *, gamma: float) -> float:
    """Maximum mean discrepancy with the kernel k(u, v) = exp(−γ‖u − v‖²).

    The square root of the biased estimate (Gretton et al. 2012, equation 5): mean k(x, x′) + mean k(y, y′) −
    2 mean k(x, y), pairs of a point with itself included.

    Args:
        x: (N, E).
        y: (M, E).
        gamma: positive, in units of one over a squared distance.

    Returns: within [0, √2], 0 for equal samples. Rounding is 1e-16 under the root, so 1e-8 in the result.

    Raises ValueError for shapes that do not fit, values that are not finite or a gamma that is not positive.

    >>> import numpy as np
    >>> round(mmd_rbf(np.array([[0.0]]), np.array([[1.0]]), gamma=1.0), 4)  # √(2 − 2/e)
    1.1244
    """
    x, y = _centred(x, y)
    return float(np.sqrt(_mmd_squared(x, y, [gamma])[0]))


def median_gamma(x: Points, y: Points) -> float:
    """The median heuristic: one over the median squared distance between two rows of the pooled sample.

    Rows that coincide do not count, as in Gretton's own code. Exact up to 4096 pooled rows; beyond that it is
    the median of 4096 rows drawn without replacement by a generator of seed 0, so the same arrays give the
    same number.

    Args:
        x: (N, E).
        y: (M, E).

    Returns: positive.

    Raises ValueError for shapes that do not fit, values that are not finite, and where all rows coincide.

    >>> import numpy as np
    >>> median_gamma(np.array([[0.0], [1.0]]), np.array([[3.0]]))  # squared distances 1, 4, 9
    0.25
    """
    return _median_gamma(np.concatenate(_centred(x, y)))


def wasserstein(x: Points, y: Points, *, p: Literal[1, 2] = 1) -> float:
    """The p-Wasserstein distance between the two samples, each point of one weighing the same.

    W_p = (min over couplings of Σ π_ij ‖x_i − y_j‖^p)^(1/p), solved exactly by the network simplex. N and M
    may differ. Memory and time grow with N·M and worse: 5000 against 5000 takes seconds.

    Args:
        x: (N, E).
        y: (M, E).
        p: 1 or 2.

    Returns: at least 0, in the units of the points; 0 for equal samples, in any order of the rows.

    Raises ValueError for shapes that do not fit, values that are not finite or another p, RuntimeError where
    the solver stopped before the optimum.

    >>> import numpy as np
    >>> wasserstein(np.array([[0.0], [4.0]]), np.array([[7.0], [1.0]]))  # 0 to 1 and 4 to 7
    2.0
    """
    if p not in (1, 2):
        raise ValueError(f"p must be 1 or 2, found {p}")
    x, y = _centred(x, y)
    return _transport(_squared_distances(x, y), p)


def alignment_readings(x: Points, y: Points) -> dict[str, float]:
    """Every reading of Table 1 at once, with the distances computed once for each measure.

    Args:
        x: (N, E), speech embeddings.
        y: (M, E), text embeddings.

    Returns: `mmd` and `mmd_squared` at γ = 1, `mmd_median` and `mmd_squared_median` at the median heuristic's
        γ, `w1`, `w2`, and `w2_squared`; all of them 0 where all rows of both coincide.

    Raises what `mmd_rbf`, `median_gamma` and `wasserstein` raise.
    """
    x, y = _centred(x, y)
    pooled = np.concatenate([x, y])
    # Where all rows coincide there is no median, and the discrepancy is 0 by any γ.
    median = _median_gamma(pooled) if (pooled != pooled[0]).any() else 1.0
    mmd_squared, mmd_squared_median = _mmd_squared(x, y, [1.0, median])
    cost = _squared_distances(x, y)
    w2 = _transport(cost, 2)
    return {
        "mmd": float(np.sqrt(mmd_squared)),
        "mmd_squared": float(mmd_squared),
        "mmd_median": float(np.sqrt(mmd_squared_median)),
        "mmd_squared_median": float(mmd_squared_median),
        "w1": _transport(cost, 1),
        "w2": w2,
        "w2_squared": w2 * w2,
    }


def _centred(x: Points, y: Points) -> tuple[Doubles, Doubles]:
    """Checked, in float64, around their common mean: what lies far from 0 loses digits in a dot product."""
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or not len(x) or not len(y):
        raise ValueError(f"x and y must be (N, E) and (M, E), neither empty, found {x.shape} and {y.shape}")
    for name, points in (("x", x), ("y", y)):
        if not np.isfinite(points).all():
            row = int(np.flatnonzero(~np.isfinite(points).all(axis=1))[0])
            raise ValueError(f"{name} must be finite, found another value in row {row} of {len(points)}")
    wide_x, wide_y = x.astype(np.float64), y.astype(np.float64)
    centre = (wide_x.sum(axis=0) + wide_y.sum(axis=0)) / (len(x) + len(y))
    return wide_x - centre, wide_y - centre


def _squared_distances(x: Doubles, y: Doubles) -> Doubles:
    """(N, E) and (M, E) to (N, M): by a matrix product, and again by differences where that cancelled."""
    norms = np.square(x).sum(axis=1)[:, None] + np.square(y).sum(axis=1)[None, :]
    distances: Doubles = x @ y.T
    distances *= -2
    distances += norms
    cancelled = distances < CANCELLED * norms
    for row in np.flatnonzero(cancelled.any(axis=1)):
        columns = cancelled[row]
        distances[row, columns] = cdist(x[row : row + 1], y[columns], "sqeuclidean")[0]
    return distances


def _mmd_squared(x: Doubles, y: Doubles, gammas: Sequence[float]) -> Doubles:
    """MMD² for each gamma, as wᵀKw over the pooled sample with w = 1/N for a row of x and −1/M for one of y."""
    for gamma in gammas:
        if not (gamma > 0 and np.isfinite(gamma)):
            raise ValueError(f"gamma must be positive and finite, found {gamma}")
    pooled = np.concatenate([x, y])
    weights = np.concatenate([np.full(len(x), 1 / len(x)), np.full(len(y), -1 / len(y))])
    total = np.zeros(len(gammas))
    for top in range(0, len(pooled), BLOCK_ROWS):
        rows = slice(top, top + BLOCK_ROWS)
        for left in range(top, len(pooled), BLOCK_ROWS):
            columns = slice(left, left + BLOCK_ROWS)
            distances = _squared_distances(pooled[rows], pooled[columns])
            both_triangles = 1 if top == left else 2
            for index, gamma in enumerate(gammas):
                kernel = np.exp(distances * -gamma)
                total[index] += both_triangles * (weights[rows] @ kernel @ weights[columns])
    return np.clip(total, 0, None)


def _median_gamma(pooled: Doubles) -> float:
    if len(pooled) > MEDIAN_ROWS:
        pooled = np.random.default_rng(0).choice(pooled, MEDIAN_ROWS, replace=False)
    distances = _squared_distances(pooled, pooled)
    apart = distances[distances > 0]
    if not len(apart):
        raise ValueError(f"a median distance needs rows that differ, found {len(pooled)} that coincide")
    return float(1 / np.median(apart))


def _transport(squared_distances: Doubles, p: int) -> float:
    cost = np.sqrt(squared_distances) if p == 1 else squared_distances
    # The solver's tolerance is absolute: below costs of 1e-15 it takes any plan for the best one.
    scale = float(cost.max())
    if scale == 0:
        return 0.0
    try:
        total, log = ot.emd2([], [], cost / scale, numItermax=MAX_ITERATIONS, log=True)
    except UserWarning as warning:  # where the caller's filters make warnings errors
        raise RuntimeError(_stopped(warning, cost)) from warning
    if log["warning"] is not None:
        raise RuntimeError(_stopped(log["warning"], cost))
    return float((max(total, 0.0) * scale) ** (1 / p))


def _stopped(reason: object, cost: Doubles) -> str:
    return (
        f"transport between {cost.shape[0]} and {cost.shape[1]} points must reach the optimum, POT: {reason}"
    )
