"""Ordinal consistency in halves of the pool, against retrieval from each half on its own."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.measures import halves
from pipeline.measures.halves import halved_consistency, nearest
from pipeline.measures.ordinality import ordinal_consistency

INTENDED = np.tile(np.arange(0.5, 7.5, 0.5), (4, 1))


def drawn(pool: int, kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(pool)
    values = rng.integers(10, 71, pool) / 10
    if kind == "ties":
        return rng.integers(-1, 2, (4, 14, 3)) * 1.0, INTENDED, rng.integers(-1, 2, (pool, 3)) * 1.0, values
    if kind == "collapsed":
        return np.ones((4, 14, 3)), INTENDED, np.ones((pool, 3)), values
    return rng.standard_normal((4, 14, 5)), INTENDED, rng.standard_normal((pool, 5)), values


def by_loops(queries, intended, pool, values, halvings):
    """Each half as a pool of its own, by the generator that halves them."""
    rng, found = np.random.default_rng(0), []
    for _ in range(halvings):
        rows = rng.permutation(len(pool))[: len(pool) // 2 * 2].reshape(2, -1)
        assert not set(rows[0]) & set(rows[1])
        found.append(
            [
                ordinal_consistency(queries, intended, pool[half], values[half]).tau.mean()
                for half in np.sort(rows, axis=1)
            ]
        )
    return np.array(found)


@pytest.mark.parametrize("kind", ["points", "ties", "collapsed"])
@pytest.mark.parametrize("pool", [28, 41, 300])
@pytest.mark.parametrize("kept", [64, 16])
def test_each_half_is_a_pool_of_its_own(kind, pool, kept, monkeypatch):
    # Of 16 kept clips a half has often none left, so that lists are retrieved again from all of it.
    monkeypatch.setattr(halves, "KEPT", kept)
    given = drawn(pool, kind)
    assert np.allclose(halved_consistency(*given, halvings=9), by_loops(*given, 9), rtol=0, atol=1e-12)


def test_the_nearest_are_ranked_by_cosine_and_ties_by_index():
    queries, pool = np.array([[[1.0, 0.0]]]), np.array([[0.0, 1], [2, 0], [1, 1], [1, 0], [-1, 0]])
    assert nearest(queries, pool, 4).tolist() == [[[1, 3, 2, 0]]]
    assert nearest(queries, pool, 1).tolist() == [[[1]]]
    assert nearest(queries, pool, 9).tolist() == [[[1, 3, 2, 0, 4]]]


def test_a_pool_too_small_to_halve_has_no_halves():
    assert halved_consistency(*drawn(27, "points")).shape == (0, 2)
    assert halved_consistency(*drawn(28, "points"), halvings=2).shape == (2, 2)
    with pytest.raises(ValueError, match="halvings must be at least 1"):
        halved_consistency(*drawn(28, "points"), halvings=0)


def test_halves_tell_the_variance_over_pools_of_the_nearest_clips_label():
    """The prompts of all lists lie at one place, so that the pool's fourteen nearest clips decide."""
    rng = np.random.default_rng(7)
    queries = np.tile([1.0, 0.0], (4, 14, 1))
    taus, told = [], []
    for _ in range(150):
        pool, values = rng.standard_normal((200, 2)), rng.uniform(1, 7, 200)
        taus.append(ordinal_consistency(queries, INTENDED, pool, values).tau.mean())
        apart = np.diff(halved_consistency(queries, INTENDED, pool, values, halvings=30), axis=1)
        told.append(np.square(apart).mean() / 2)
    assert np.mean(told) == pytest.approx(np.var(taus), rel=0.25)
