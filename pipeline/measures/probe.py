"""How much of valence and arousal a linear map can read off embeddings: a ridge regression and its concordance."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.measures.arguments import floats
from pipeline.measures.ridge import Moments

Embeddings = NDArray[np.floating[Any]]
Doubles = NDArray[np.float64]

RIDGE = 1e-3
"""The penalty, as a share of the embeddings' mean variance: enough for columns that are always 0."""


def probe_concordance(fitted: Embeddings, labels: Doubles, tested: Embeddings, wanted: Doubles) -> Doubles:
    """Concordance on the tested rows of a ridge regression from the fitted ones, in closed form.

    Args:
        fitted: (N, E), embeddings of one split.
        labels: (N, K), such as valence and arousal.
        tested: (M, E), embeddings of another split.
        wanted: (M, K), its labels.

    Returns: (K,), Lin's concordance of each label, within [−1, 1].

    Raises ValueError for shapes that do not fit.

    >>> import numpy as np
    >>> x = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> probe_concordance(x, 2 * x, x + 0.5, 2 * x + 1).round(3)
    array([1.])
    """
    fitted, tested = floats("fitted", fitted), floats("tested", tested)
    labels, wanted = (
        floats(name, side).astype(np.float64) for name, side in (("labels", labels), ("wanted", wanted))
    )
    if not all(side.ndim == 2 and side.size for side in (fitted, labels, tested, wanted)):
        raise ValueError(
            f"embeddings and labels must be (N, E) and (N, K), none empty, found {fitted.shape} with "
            f"{labels.shape} and {tested.shape} with {wanted.shape}"
        )
    if fitted.shape[:1] != labels.shape[:1] or tested.shape[:1] != wanted.shape[:1]:
        raise ValueError(
            f"embeddings and labels must have the same rows, found {fitted.shape} with {labels.shape} and "
            f"{tested.shape} with {wanted.shape}"
        )
    line = Moments.of(fitted, labels).ridge(RIDGE)
    return concordance(line(tested), wanted)


def concordance(x: Doubles, y: Doubles) -> Doubles:
    """Lin's concordance correlation of each column: 2 cov(x, y) / (var x + var y + (mean x − mean y)²).

    Args:
        x: (N, K).
        y: (N, K).

    Returns: (K,), within [−1, 1]; 0 where both columns are one constant each.

    Raises ValueError for other shapes.

    >>> import numpy as np
    >>> concordance(np.array([[1.0], [3.0]]), np.array([[2.0], [4.0]])).round(4)  # 2 / (1 + 1 + 1)
    array([0.6667])
    """
    x, y = floats("x", x).astype(np.float64), floats("y", y).astype(np.float64)
    if x.ndim != 2 or x.shape != y.shape or not x.size:
        raise ValueError(f"x and y must both be (N, K) and not empty, found {x.shape} and {y.shape}")
    x_mean, y_mean = x.mean(axis=0), y.mean(axis=0)
    covariance = ((x - x_mean) * (y - y_mean)).mean(axis=0)
    spread = x.var(axis=0) + y.var(axis=0) + (x_mean - y_mean) ** 2
    agreement: Doubles = np.divide(2 * covariance, spread, out=np.zeros_like(spread), where=spread > 0)
    return agreement
