"""Retrieval across modalities where what is right is a neighbourhood of valence and arousal, not one item."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.measures.arguments import floats, number

Embeddings = NDArray[np.floating[Any]]
Doubles = NDArray[np.float64]

SAME = 1e-12
"""Cosines this close are a tie: a matrix product rounds equal rows unequally."""

LABEL_ROUNDING = 1e-9
"""Of labels: a distance of just the radius is within it."""

BLOCK_ROWS = 1024
"""Queries ranked at once."""


def first_relevant_ranks(
    queries: Embeddings, pool: Embeddings, labels: Doubles, pool_labels: Doubles, *, radius: float
) -> NDArray[np.int64]:
    """The rank by cosine, from 1, of the first relevant item of the pool for each query.

    An item is relevant where its label lies at most `radius` from the query's, in the plane of valence and
    arousal. Of items that tie the relevant one comes last, so that a space where all coincide earns nothing.

    Args:
        queries: (Q, E), each of length one.
        pool: (P, E), likewise.
        labels: (Q, K), the queries' valence and arousal.
        pool_labels: (P, K), the items'.
        radius: not negative, on the labels' scale.

    Returns: (Q,), within 1..P, and P + 1 where no item is relevant.

    Raises ValueError for shapes that do not fit or a radius that is negative.

    >>> import numpy as np
    >>> pool = np.array([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
    >>> labels = np.array([[1.0, 1.0], [4.0, 4.0], [7.0, 7.0]])
    >>> first_relevant_ranks(pool[:1], pool, np.array([[6.5, 7.0]]), labels, radius=1.0)
    array([3])
    """
    queries, pool = floats("queries", queries), floats("pool", pool)
    labels = floats("labels", labels).astype(np.float64)
    pool_labels = floats("pool_labels", pool_labels).astype(np.float64)
    radius = number("radius", radius)
    if (
        not all(side.ndim == 2 for side in (queries, pool, labels, pool_labels))
        or (len(queries), len(pool)) != (len(labels), len(pool_labels))
        or (queries.shape[1], labels.shape[1]) != (pool.shape[1], pool_labels.shape[1])
        or not len(pool)
    ):
        raise ValueError(
            f"queries and pool must be (Q, E) and (P, E) with labels (Q, K) and (P, K), the pool not empty, found "
            f"{queries.shape} and {pool.shape} with {labels.shape} and {pool_labels.shape}"
        )
    wide = pool.astype(np.float64).T
    ranks = []
    for top in range(0, len(queries), BLOCK_ROWS):
        rows = slice(top, top + BLOCK_ROWS)
        similarity = queries[rows].astype(np.float64) @ wide
        apart = np.zeros(similarity.shape)
        for label, of_pool in zip(labels[rows].T, pool_labels.T, strict=True):
            apart += np.square(label[:, None] - of_pool)
        relevant = apart <= radius**2 + LABEL_ROUNDING
        best = np.where(relevant, similarity, -np.inf).max(axis=1, keepdims=True)
        ranks.append(1 + (~relevant & (similarity >= best - SAME)).sum(axis=1))
    return np.concatenate(ranks) if ranks else np.empty(0, dtype=np.int64)


def recall_at(ranks: NDArray[np.int64], k: int) -> float:
    """The share of queries that have a relevant item among their first k.

    >>> import numpy as np
    >>> recall_at(np.array([1, 3, 8, 2]), 3)
    0.75
    """
    found = floats("ranks", ranks)
    if not found.size or number("k", k) < 1:
        raise ValueError(f"recall at k needs ranks and a k of at least 1, found {found.shape} and {k}")
    return float((found <= k).mean())
