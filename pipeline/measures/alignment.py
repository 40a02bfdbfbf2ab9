"""How far the speech embeddings lie from the text embeddings as a whole: the measures of Table 1.

Both take two samples of points, (N, E) and (M, E), and know nothing of which row belongs to which. The paper
names neither the kernel's width nor the order of the distance, so `alignment_readings` gives every reading.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.measures.arguments import floats, number
from pipeline.measures.transport import least_transport_cost

Points = NDArray[np.floating[Any]]
Doubles = NDArray[np.float64]

BLOCK_ROWS = 512
"""Rows on either side of one block of the kernel matrix: 2 MiB, which a core's cache holds."""

MEDIAN_ROWS = 4096
"""Pooled rows up to which the median distance is exact, not that of a subsample."""

CANCELLED = 1e-10
"""Share of |x|² + |y|² below which |x|² + |y|² − 2x·y is mostly rounding error."""

FAR = 1e9
"""γ|x|² above which the rounding of |x|² + |y|² − 2x·y would show in the kernel."""

PAIRS_AT_ONCE = 4096
"""Whose distances are computed again by differences."""


def mmd_rbf(x: Points, y: Points, *, gamma: float) -> float:
    """Maximum mean discrepancy with the kernel k(u, v) = exp(−γ‖u − v‖²).

    The square root of the biased estimate (Gretton et al. 2012, equation 5): mean k(x, x′) + mean k(y, y′) −
    2 mean k(x, y), pairs of a point with itself included.

    Args:
        x: (N, E).
        y: (M, E).
        gamma: positive, in units of one over a squared distance.

    Returns: within [0, √2], 0 for equal samples. Where γ times the largest squared distance is of the order of 1,
        rounding is 1e-16 under the root, so 1e-8 in the result.

    Raises ValueError for shapes that do not fit, values that are not finite or a gamma that is not positive.

    >>> import numpy as np
    >>> round(mmd_rbf(np.array([[0.0]]), np.array([[1.0]]), gamma=1.0), 4)  # √(2 − 2/e)
    1.1244
    """
    gamma, (x, y) = number("gamma", gamma, positive=True), _centred(x, y)
    return float(np.sqrt(_mmd_squared(x, y, [gamma])[0]))


def mean_kernel(x: Points, *, gamma: float) -> float:
    """Mean of exp(−γ‖x_i − x_j‖²) over all pairs of rows, those of a row with itself included.

    Args:
        x: (N, E).
        gamma: positive, in units of one over a squared distance.

    Returns: within (0, 1].

    Raises ValueError for another shape, values that are not finite or a gamma that is not positive.

    >>> import numpy as np
    >>> round(mean_kernel(np.array([[0.0], [1.0]]), gamma=1.0), 4)  # (2 + 2/e) / 4
    0.6839
    """
    gamma, (centred, _) = number("gamma", gamma, positive=True), _centred(x, x)
    return float(_mean_kernels(centred, centred, [gamma])[0])


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

    W_p = (min over couplings of Σ π_ij ‖x_i − y_j‖^p)^(1/p), and that minimum is proven (transport.py).
    N and M may differ. Memory grows with N·M, time a little faster: 5000 against 5000 takes a second.

    Args:
        x: (N, E).
        y: (M, E).
        p: 1 or 2.

    Returns: at least 0, in the units of the points; 0 for equal samples, in any order of the rows. The minimum is
        at most 1e-11 of the largest cost off, and so W2, its root, near 0 up to 3e-6 of the largest distance.

    Raises ValueError for shapes that do not fit, values that are not finite or another p, RuntimeError where
    the solver stopped before the optimum.

    >>> import numpy as np
    >>> wasserstein(np.array([[0.0], [4.0]]), np.array([[7.0], [1.0]]))  # 0 to 1 and 4 to 7
    2.0
    """
    if p not in (1, 2):
        raise ValueError(f"p must be 1 or 2, found {p!r}")
    x, y = _centred(x, y)
    return _wasserstein(_squared_distances(x, y), p)


def alignment_readings(x: Points, y: Points) -> dict[str, float]:
    """Every reading of Table 1 at once, with the distances computed once for each measure.

    Args:
        x: (N, E), speech embeddings.
        y: (M, E), text embeddings.

    Returns: `mmd` and `mmd_squared` at γ = 1, `mmd_median` and `mmd_squared_median` at the median heuristic's
        γ, `w1`, `w2`, `w2_squared` and half of that, `w2_squared_half`; all of them 0 where all rows of
        both coincide.

    Raises what `mmd_rbf`, `median_gamma` and `wasserstein` raise.
    """
    x, y = _centred(x, y)
    # Where all rows coincide there is no median, and the discrepancy is 0 by any γ.
    apart = (x != x[0]).any() or (y != x[0]).any()
    median = _median_gamma(np.concatenate([x, y])) if apart else 1.0
    distances = _squared_distances(x, y)
    gammas = [1.0, median]
    across = np.sum([_kernel_sums(block, gammas) for block in _blocks(distances)], axis=0) / distances.size
    mmd_squared, mmd_squared_median = _mmd_squared(x, y, gammas, across)
    w2 = _wasserstein(distances, 2)
    # In the place of the squares, which nothing needs any more: 5000 against 5000 are 200 MB.
    w1 = least_transport_cost(np.sqrt(distances, out=distances))
    return {
        "mmd": float(np.sqrt(mmd_squared)),
        "mmd_squared": float(mmd_squared),
        "mmd_median": float(np.sqrt(mmd_squared_median)),
        "mmd_squared_median": float(mmd_squared_median),
        "w1": w1,
        "w2": w2,
        "w2_squared": w2 * w2,
        "w2_squared_half": w2 * w2 / 2,
    }


def _centred(x: Points, y: Points) -> tuple[Doubles, Doubles]:
    """Checked, in float64, around their common mean: what lies far from 0 loses digits in a dot product."""
    x, y = floats("x", x), floats("y", y)
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or not x.size or not y.size:
        raise ValueError(f"x and y must be (N, E) and (M, E), neither empty, found {x.shape} and {y.shape}")
    wide_x, wide_y = x.astype(np.float64), y.astype(np.float64)
    centre = (wide_x.sum(axis=0) + wide_y.sum(axis=0)) / (len(x) + len(y))
    return wide_x - centre, wide_y - centre


def _squared_distances(x: Doubles, y: Doubles) -> Doubles:
    """(N, E) and (M, E) to (N, M): by a matrix product, and again by differences where that cancelled."""
    norms_x, norms_y = np.square(x).sum(axis=1), np.square(y).sum(axis=1)
    distances = _product_distances(x, y)
    for row in np.flatnonzero(distances.min(axis=1) < CANCELLED * (norms_x + norms_y.max())):
        columns = np.flatnonzero(distances[row] < CANCELLED * (norms_x[row] + norms_y))
        for start in range(0, len(columns), PAIRS_AT_ONCE):
            some = columns[start : start + PAIRS_AT_ONCE]
            distances[row, some] = np.square(x[row] - y[some]).sum(axis=1)
    return distances


def _product_distances(x: Doubles, y: Doubles) -> Doubles:
    """(N, E) and (M, E) to (N, M) by a matrix product alone: 1e-16 of |x|² + |y|² off, so some are negative."""
    ones = np.ones((1, 1))
    # [−2x, |x|², 1] · [y, 1, |y|²]
    left = np.concatenate([-2 * x, np.square(x).sum(axis=1, keepdims=True), ones.repeat(len(x), 0)], axis=1)
    right = np.concatenate([y, ones.repeat(len(y), 0), np.square(y).sum(axis=1, keepdims=True)], axis=1)
    distances: Doubles = left @ right.T
    return distances


def _mmd_squared(x: Doubles, y: Doubles, gammas: Sequence[float], across: Doubles | None = None) -> Doubles:
    """MMD² for each gamma; `across` is the mean kernel between the two samples, where it is known already."""
    within = _mean_kernels(x, x, gammas) + _mean_kernels(y, y, gammas)
    return np.clip(within - 2 * (_mean_kernels(x, y, gammas) if across is None else across), 0, None)


def _mean_kernels(x: Doubles, y: Doubles, gammas: Sequence[float]) -> Doubles:
    """Mean kernel over all pairs for each gamma, in blocks; of a sample with itself one triangle of them."""
    total = np.zeros(len(gammas))
    far = max(np.einsum("ij,ij->i", side, side).max() for side in (x, y))
    apart = _squared_distances if max(gammas) * far > FAR else _product_distances
    for top in range(0, len(x), BLOCK_ROWS):
        for left in range(top if x is y else 0, len(y), BLOCK_ROWS):
            block = apart(x[top : top + BLOCK_ROWS], y[left : left + BLOCK_ROWS])
            total += _kernel_sums(block, gammas) * (2 if x is y and left > top else 1)
    return total / (len(x) * len(y))


def _kernel_sums(distances: Doubles, gammas: Sequence[float]) -> Doubles:
    """Σ exp(−γ d) over a block of squared distances, for each gamma."""
    kernel = np.empty_like(distances)
    sums = []
    for gamma in gammas:
        np.multiply(distances, -gamma, out=kernel)
        sums.append(np.exp(kernel, out=kernel).sum())
    return np.array(sums)


def _blocks(distances: Doubles) -> Iterator[Doubles]:
    rows = max(1, BLOCK_ROWS**2 // distances.shape[1])
    return (distances[top : top + rows] for top in range(0, len(distances), rows))


def _median_gamma(pooled: Doubles) -> float:
    if len(pooled) > MEDIAN_ROWS:
        pooled = np.random.default_rng(0).choice(pooled, MEDIAN_ROWS, replace=False)
    distances = _triangle(pooled)
    apart = distances[distances > 0]
    if not len(apart):
        raise ValueError(f"a median distance needs rows that differ, found {len(pooled)} that coincide")
    return float(1 / np.median(apart, overwrite_input=True))


def _triangle(points: Doubles) -> Doubles:
    """The squared distance of each row from every later one, one row after the other."""
    count = len(points)
    found, filled = np.empty(count * (count - 1) // 2), 0
    for top in range(0, count, BLOCK_ROWS):
        block = _squared_distances(points[top : top + BLOCK_ROWS], points[top:])
        for row, distances in enumerate(block, start=1):
            later = distances[row:]
            found[filled : filled + len(later)] = later
            filled += len(later)
    return found


def _wasserstein(squared_distances: Doubles, p: int) -> float:
    cost = np.sqrt(squared_distances) if p == 1 else squared_distances
    return float(least_transport_cost(cost) ** (1 / p))
