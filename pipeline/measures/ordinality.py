"""The cross-modality emotion ordinality test: does a more aroused description find more aroused speech?

A list of descriptions, each a step further on one attribute, retrieves one utterance a description. Its score is
Kendall's tau between the values that the descriptions were written for and those of the utterances found.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.measures.arguments import floats, numbers

Embeddings = NDArray[np.floating[Any]]
Values = NDArray[Any]

SAME = 1e-12
"""Cosines this close are a tie: a matrix product rounds equal rows unequally, by where they stand in it."""

CHUNK_BYTES = 64 * 2**20
"""Of similarities held at once."""

UNIT_ROWS = 1024
"""Of what is brought to length one, converted at once."""


@dataclass(frozen=True)
class OrdinalConsistency:
    """What each of the L lists of Q descriptions found."""

    tau: NDArray[np.float64]
    """(L,) Kendall's tau of each list, within [−1, 1]."""
    retrieved: NDArray[np.int64]
    """(L, Q) indices of the utterances found, in the order of the descriptions, distinct within a list."""


def retrieve_without_replacement(queries: Embeddings, pool: Embeddings) -> NDArray[np.int64]:
    """For each query in turn, the most similar item by cosine that no earlier query took.

    Ties go to the lowest index; a row of norm zero has cosine 0 with everything.

    Args:
        queries: (Q, E), description embeddings.
        pool: (P, E), speech embeddings, P at least Q.

    Returns: (Q,) distinct indices into the pool.

    Raises ValueError for shapes that do not fit, values that are not finite and a pool smaller than Q.

    >>> import numpy as np
    >>> retrieve_without_replacement(np.array([[1.0, 0.0], [1.0, 0.1]]), np.array([[0.0, 1.0], [2.0, 0.0]]))
    array([1, 0])
    """
    queries, pool = floats("queries", queries), floats("pool", pool)
    _check_shapes(queries, pool, dimensions=2)
    taken: NDArray[np.int64] = _take_in_turn((_unit(queries) @ _unit(pool).T)[None])[0]
    return taken


def kendall_tau(x: Values, y: Values) -> NDArray[np.float64]:
    """Kendall's tau-b of each list, which counts ties on either side.

    Args:
        x: (L, Q), L lists of at least two values, of any type of integers or floats.
        y: (L, Q).

    Returns: (L,), within [−1, 1]; 1 for the same order, −1 for the reverse, and 0 where one side is constant:
        tau-b is undefined there, and no order was shown.

    Raises ValueError for other shapes and values that are not finite.

    >>> import numpy as np
    >>> kendall_tau(np.array([[1, 2, 3]]), np.array([[1.0, 3.0, 2.0]])).round(4)  # two pairs agree, one does not
    array([0.3333])
    """
    x, y = numbers("x", x), numbers("y", y)
    if x.ndim != 2 or x.shape != y.shape or x.shape[1] < 2:
        raise ValueError(f"x and y must be (L, Q), Q at least 2, found {x.shape} and {y.shape}")
    return tau_of_columns(x.T, y.T)


def tau_of_columns(x: Values, y: Values) -> NDArray[np.float64]:
    """Kendall's tau-b along the first axis, (Q, ...) and (Q, ...), whose other axes are broadcast."""
    agree = np.zeros(np.broadcast_shapes(x.shape[1:], y.shape[1:]), dtype=np.int64)
    untied_x, untied_y = (np.zeros(side.shape[1:], dtype=np.int64) for side in (x, y))
    for apart in range(1, len(x)):  # every pair of positions that are so far apart, of all lists at once
        later_x, later_y = (_signs(side[apart:], side[:-apart]) for side in (x, y))
        agree += (later_x * later_y).sum(axis=0, dtype=np.int64)
        untied_x += np.abs(later_x).sum(axis=0, dtype=np.int64)
        untied_y += np.abs(later_y).sum(axis=0, dtype=np.int64)
    ordered = np.sqrt(untied_x * untied_y.astype(np.float64))
    tau: NDArray[np.float64] = np.divide(agree, ordered, out=np.zeros(agree.shape), where=ordered > 0)
    return tau


def _signs(later: Values, earlier: Values) -> NDArray[np.int8]:
    """1 where the later value is larger, −1 where it is smaller: a difference of unsigned integers wraps."""
    return (later > earlier).view(np.int8) - (later < earlier).view(np.int8)


def ordinal_consistency(
    queries: Embeddings, intended: Values, pool: Embeddings, pool_labels: Values
) -> OrdinalConsistency:
    """Section 4.2.2: retrieval by every list, and Kendall's tau of what it found.

    An utterance is retrieved once at most within a list; the next list has the whole pool again.

    Args:
        queries: (L, Q, E), description embeddings.
        intended: (L, Q), the valence or arousal that each description was written for.
        pool: (P, E), speech embeddings, P at least Q.
        pool_labels: (P,), the same attribute of each utterance.

    Returns: tau (L,) and the retrieved indices (L, Q).

    Raises ValueError for shapes that do not fit, values that are not finite and a pool smaller than Q.

    >>> import numpy as np
    >>> pool = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    >>> ordinal_consistency(pool[None], np.array([[1, 4, 7]]), pool, np.array([1.5, 4.0, 6.5])).tau
    array([1.])
    """
    queries, pool = floats("queries", queries), floats("pool", pool)
    intended, pool_labels = numbers("intended", intended), numbers("pool_labels", pool_labels)
    check_lists(queries, intended, pool, pool_labels)
    retrieved = np.empty(intended.shape, dtype=np.int64)
    for rows, similarity in similarities(queries, pool):
        retrieved[rows] = _take_in_turn(similarity)
    return OrdinalConsistency(kendall_tau(intended, pool_labels[retrieved]), retrieved)


def similarities(queries: Embeddings, pool: Embeddings) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Some lists at a time, and the cosines (l, Q, P) of their descriptions (L, Q, E) with the pool (P, E)."""
    lists, size, _ = queries.shape
    unit_queries, unit_pool = _unit(queries), _unit(pool)
    together = max(1, CHUNK_BYTES // (size * len(pool) * unit_pool.itemsize))
    for start in range(0, lists, together):
        rows = slice(start, start + together)
        chunk = unit_queries[rows]
        similarity = chunk.reshape(-1, chunk.shape[-1]) @ unit_pool.T
        yield rows, similarity.reshape(-1, size, len(pool))


def check_lists(queries: Embeddings, intended: Values, pool: Embeddings, pool_labels: Values) -> None:
    """Raise ValueError where shapes do not fit or the pool is smaller than a list."""
    _check_shapes(queries, pool, dimensions=3)
    if intended.shape != queries.shape[:2] or pool_labels.shape != pool.shape[:1]:
        raise ValueError(
            f"intended and pool_labels must be {queries.shape[:2]} and {pool.shape[:1]}, "
            f"found {intended.shape} and {pool_labels.shape}"
        )


def _take_in_turn(similarity: NDArray[np.float64]) -> NDArray[np.int64]:
    """(L, Q, P) to (L, Q); the similarities of what was taken are overwritten."""
    lists, size, _ = similarity.shape
    taken = np.empty((lists, size), dtype=np.int64)
    every = np.arange(lists)
    for query in range(size):
        left = similarity[:, query]
        left[every[:, None], taken[:, :query]] = -np.inf
        taken[:, query] = (left >= left.max(axis=1, keepdims=True) - SAME).argmax(axis=1)
    return taken


def _unit(embeddings: Embeddings) -> NDArray[np.float64]:
    """(..., E) in float64 and of length one; rows of norm zero stay zero."""
    unit = np.zeros(embeddings.shape)
    for row in range(0, len(embeddings), UNIT_ROWS):
        rows = slice(row, row + UNIT_ROWS)
        wide = embeddings[rows].astype(np.float64)
        norms = np.linalg.norm(wide, axis=-1, keepdims=True)
        np.divide(wide, norms, out=unit[rows], where=norms > 0)
    return unit


def _check_shapes(queries: Embeddings, pool: Embeddings, *, dimensions: int) -> None:
    if queries.ndim != dimensions or pool.ndim != 2 or queries.shape[-1] != pool.shape[-1]:
        expected = "(Q, E)" if dimensions == 2 else "(L, Q, E)"
        raise ValueError(
            f"queries and pool must be {expected} and (P, E), found {queries.shape} and {pool.shape}"
        )
    if queries.shape[-2] > len(pool):
        raise ValueError(
            f"a pool must hold an item for each query, found {len(pool)} for {queries.shape[-2]}"
        )
