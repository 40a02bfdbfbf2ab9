"""Retrieval of a neighbourhood, against plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.measures import retrieval as neighbourhood
from pipeline.measures.retrieval import first_relevant_ranks, recall_at


def rank_by_loops(query, pool, label, pool_labels, radius) -> int:
    """Of items that tie, the relevant one comes last."""
    items = [
        (-round(float(query @ item), 9), float(np.hypot(*(label - other))) <= radius + 1e-9)
        for item, other in zip(pool, pool_labels, strict=True)
    ]
    for rank, (_, relevant) in enumerate(sorted(items), 1):
        if relevant:
            return rank
    return len(pool) + 1


@pytest.mark.parametrize("block", [1, 7, 1000])
@pytest.mark.parametrize("radius", [0.2, 1.0])
def test_ranks_agree_with_loops(monkeypatch, block, radius):
    monkeypatch.setattr(neighbourhood, "BLOCK_ROWS", block)
    rng = np.random.default_rng(0)
    queries, pool = rng.integers(-1, 2, (30, 3)).astype(float), rng.integers(-1, 2, (40, 3)).astype(float)
    labels, pool_labels = rng.integers(5, 36, (30, 2)) / 5, rng.integers(5, 36, (40, 2)) / 5
    found = first_relevant_ranks(queries, pool, labels, pool_labels, radius=radius)
    expected = [
        rank_by_loops(q, pool, at, pool_labels, radius) for q, at in zip(queries, labels, strict=True)
    ]
    assert found.tolist() == expected
    assert 41 in expected or radius == 1.0


def test_a_space_where_all_coincide_earns_nothing():
    labels = np.arange(10.0)[:, None].repeat(2, axis=1)
    same = np.ones((10, 4))
    assert first_relevant_ranks(same, same, labels, labels, radius=0.5).tolist() == [10] * 10


def test_a_label_at_just_the_radius_is_relevant():
    pool_labels = np.array([[1.4, 1.0], [3.0, 3.0]])
    labels = np.array([[1.2, 1.0]])  # 1.4 − 1.2 is a little more than 0.2 in floats
    ranks = first_relevant_ranks(np.eye(2)[:1], np.eye(2), labels, pool_labels, radius=0.2)
    assert ranks.tolist() == [1]


def test_recall_is_the_share_of_queries_with_a_hit():
    ranks = np.array([1, 1, 4, 11])
    assert [recall_at(ranks, k) for k in (1, 4, 10, 11)] == [0.5, 0.75, 0.75, 1.0]


def test_rows_without_labels_and_negative_radii_are_refused():
    with pytest.raises(ValueError, match="radius must be finite and not negative, found -1"):
        first_relevant_ranks(np.eye(2), np.eye(2), np.eye(2), np.eye(2), radius=-1)
    with pytest.raises(ValueError, match=r"\(P, E\) with labels .*\(2, 2\) with \(1, 2\)"):
        first_relevant_ranks(np.eye(2), np.eye(2), np.ones((1, 2)), np.eye(2), radius=1)
