"""Ordinal consistency in random halves of the pool: how far another pool would move Table 2.

Two halves share no clip, so that they are two pools, and retrieval is made anew from each. A bootstrap of the pool
would not do: 63 % of its draws have the very clip that the whole pool gives a prompt, so that it shows but half of
the variance that the nearest clip's label has over pools.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.measures.arguments import floats, number, numbers
from pipeline.measures.ordinality import (
    SAME,
    Embeddings,
    Values,
    check_lists,
    retrieve_without_replacement,
    similarities,
    tau_of_columns,
)

HALVINGS = 200
"""Of the pool: they make the variance known to a tenth of itself."""

KEPT = 64
"""Nearest clips of each prompt that are looked at first: a half has some that are left in all but a millionth."""

AT_ONCE = 8
"""Halvings that are retrieved from together."""


def halved_consistency(
    queries: Embeddings,
    intended: Values,
    pool: Embeddings,
    pool_labels: Values,
    *,
    halvings: int = HALVINGS,
    seed: int = 0,
) -> NDArray[np.float64]:
    """The mean tau of all lists, retrieved from either half of the pool, for several random halvings.

    As `ordinal_consistency` of each half: where none of a prompt's nearest clips is left in a half, the list is
    retrieved again from all of that half. Pools of one size and one seed are halved alike, so that halvings of
    several methods and seeds of training are pairs.

    Args:
        queries: (L, Q, E), description embeddings.
        intended: (L, Q), the valence or arousal that each description was written for.
        pool: (P, E), speech embeddings.
        pool_labels: (P,), the same attribute of each utterance.
        halvings: H, how many.
        seed: of the generator.

    Returns: (H, 2); (0, 2) where a half has fewer clips than a list has descriptions. An odd pool leaves one clip
        out of each halving.

    Raises ValueError for shapes that do not fit and values that are not finite.
    """
    queries, pool = floats("queries", queries), floats("pool", pool)
    intended, pool_labels = numbers("intended", intended), numbers("pool_labels", pool_labels)
    check_lists(queries, intended, pool, pool_labels)
    if number("halvings", halvings) < 1:
        raise ValueError(f"halvings must be at least 1, found {halvings}")
    size = queries.shape[1]
    if len(pool) // 2 < size:
        return np.empty((0, 2))
    ranked = nearest(queries, pool, KEPT)  # (L, Q, K)
    clips, places = np.unique(ranked, return_inverse=True)
    places = places.reshape(ranked.shape)
    rng = np.random.default_rng(seed)
    halves = np.stack([_halves(len(pool), rng) for _ in range(halvings)]).reshape(2 * halvings, -1)
    taus = np.empty(2 * halvings)
    for start in range(0, 2 * halvings, 2 * AT_ONCE):
        some = halves[start : start + 2 * AT_ONCE]
        chosen = np.zeros((len(some), len(pool)), dtype=bool)
        np.put_along_axis(chosen, some, True, axis=1)
        taken, exhausted = _take_ranked(places, chosen[:, clips])
        found = clips[taken]  # (R, L, Q)
        for half, number_of_list in zip(*np.nonzero(exhausted), strict=True):
            rows = np.flatnonzero(chosen[half])
            again = retrieve_without_replacement(queries[number_of_list], pool[rows])
            found[half, number_of_list] = rows[again]
        columns = pool_labels[found].transpose(2, 1, 0)  # (Q, L, R)
        taus[start : start + len(some)] = tau_of_columns(intended.T[..., None], columns).mean(axis=0)
    return taus.reshape(halvings, 2)


def nearest(queries: Embeddings, pool: Embeddings, keep: int) -> NDArray[np.int64]:
    """Of each description the nearest items by cosine, (L, Q, min(keep, P)), the nearest first.

    Of items that tie the one of the lowest index comes first, as retrieval takes them.
    """
    keep = min(keep, len(pool))
    found = np.empty((*queries.shape[:2], keep), dtype=np.int64)
    for rows, similarity in similarities(queries, pool):
        flat = similarity.reshape(-1, len(pool))
        ordered = [_nearest_of(row, keep) for row in flat]
        found[rows] = np.reshape(ordered, (*similarity.shape[:2], keep))
    return found


def _nearest_of(similarity: NDArray[np.float64], keep: int) -> NDArray[np.int64]:
    """(P,) to (keep,)."""
    least = np.partition(similarity, -keep)[-keep]
    near = np.flatnonzero(similarity >= least - SAME)
    near = near[np.argsort(-similarity[near], kind="stable")]
    apart = np.diff(similarity[near], prepend=np.inf) < -SAME
    order: NDArray[np.int64] = near[np.lexsort((near, np.cumsum(apart)))][:keep]
    return order


def _take_ranked(
    ranked: NDArray[np.int64], present: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """For each description in turn the first of its items that a pool has and no earlier one took.

    `ranked` (L, Q, K) and `present` (R, C), of R pools. Returns items (R, L, Q), and (R, L), true where a
    description had none left, whose list is to be retrieved in another way.
    """
    (lists, size, keep), (pools, items) = ranked.shape, present.shape
    free = np.tile(present, (1, lists))  # (R, L · C), a row of items for each list
    taken = np.empty((pools, lists, size), dtype=np.int64)
    exhausted = np.zeros((pools, lists), dtype=bool)
    pool, every = np.arange(pools)[:, None], np.arange(lists)
    for query in range(size):
        places = items * every[:, None] + ranked[:, query]  # (L, K)
        first = free.take(places.ravel(), axis=1).reshape(pools, lists, keep).argmax(axis=2)
        place = places[every, first]  # (R, L)
        exhausted |= ~free[pool, place]
        free[pool, place] = False
        taken[..., query] = place - items * every
    return taken, exhausted


def _halves(count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """(2, count // 2) rows that share none."""
    rows: NDArray[np.int64] = rng.permutation(count)[: count // 2 * 2].reshape(2, -1)
    return rows
