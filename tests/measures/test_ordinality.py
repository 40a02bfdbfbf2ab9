"""Retrieval without replacement and Kendall's tau, against plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray
from scipy import stats

from pipeline.measures import ordinality
from pipeline.measures.ordinality import kendall_tau, ordinal_consistency, retrieve_without_replacement

seeded = settings(deadline=None, derandomize=True)
seeds = st.integers(0, 2**31 - 1)
Doubles = NDArray[np.float64]


def cosine(u: Doubles, v: Doubles) -> float:
    norms = math.sqrt(float(u @ u)) * math.sqrt(float(v @ v))
    return float(u @ v) / norms if norms else 0.0


def retrieve_by_loops(queries: Doubles, pool: Doubles) -> list[int]:
    taken: list[int] = []
    for query in queries:
        left = [index for index in range(len(pool)) if index not in taken]
        best = left[0]
        for index in left:
            if cosine(query, pool[index]) > cosine(query, pool[best]) + 1e-9:
                best = index
        taken.append(best)
    return taken


def retrieve_nearest_by_loops(queries: Doubles, pool: Doubles) -> list[int]:
    """The same by exact distances: coordinates are whole numbers here."""
    taken: list[int] = []
    for query in queries:
        left = [index for index in range(len(pool)) if index not in taken]
        apart = [sum((int(a) - int(b)) ** 2 for a, b in zip(query, pool[i], strict=True)) for i in left]
        taken.append(left[apart.index(min(apart))])
    return taken


def tau_by_loops(x: list[float], y: list[float]) -> float:
    """Tau-b: concordant less discordant, over the root of the pairs that do not tie on either side."""
    agreement, untied_x, untied_y = 0, 0, 0
    for i in range(len(x)):
        for j in range(i):
            dx, dy = np.sign(x[i] - x[j]), np.sign(y[i] - y[j])
            agreement += int(dx * dy)
            untied_x += int(dx != 0)
            untied_y += int(dy != 0)
    return agreement / math.sqrt(untied_x * untied_y) if untied_x and untied_y else 0.0


def small_integers(rows: int, width: int, seed: int) -> Doubles:
    """Vectors whose cosines often tie, some of them zero."""
    return np.random.default_rng(seed).integers(-1, 2, (rows, width)).astype(np.float64)


@seeded
@given(st.integers(0, 6), st.integers(6, 12), seeds)
def test_retrieval_takes_the_best_that_is_left(queries: int, pool: int, seed: int) -> None:
    q, p = small_integers(queries, 3, seed), small_integers(pool, 3, seed + 1)
    assert retrieve_without_replacement(q, p).tolist() == retrieve_by_loops(q, p)


def test_ties_go_to_the_lowest_index_wherever_equal_rows_stand() -> None:
    row = np.random.default_rng(1).normal(size=512).astype(np.float32)
    pool = np.repeat(row[None], 37, axis=0)
    assert retrieve_without_replacement(np.repeat(row[None], 5, axis=0), pool).tolist() == [0, 1, 2, 3, 4]


def test_retrieval_is_by_direction_not_by_length() -> None:
    pool = np.array([[100.0, 100.0], [0.1, 0.0]])
    assert retrieve_without_replacement(np.array([[1.0, 0.2]]), pool).tolist() == [1]


def test_a_row_of_zeros_has_cosine_zero() -> None:
    pool = np.array([[-1.0, 0.0], [0.0, 0.0], [1.0, 0.0]])
    assert retrieve_without_replacement(np.array([[1.0, 0.0]] * 3), pool).tolist() == [2, 1, 0]
    assert retrieve_without_replacement(np.zeros((2, 2)), pool).tolist() == [0, 1]


@seeded
@given(st.integers(0, 6), st.integers(6, 12), st.sampled_from([1.0, 0.1, 1e-9, 1e9, 1 / 3]), seeds)
def test_retrieval_by_distance_takes_the_nearest_that_is_left_on_any_scale(
    queries: int, pool: int, scale: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    q, p = rng.integers(0, 70, (queries, 2)), rng.integers(0, 8, (pool, 2)) * 9
    found = retrieve_without_replacement(q * scale, p * scale, nearness="distance")
    assert found.tolist() == retrieve_nearest_by_loops(q, p)


def test_distances_of_labels_in_tenths_tie_where_they_tie_on_paper() -> None:
    pool = np.array([[4.4, 4.0], [3.6, 4.0], [4.0, 3.6], [4.0, 4.4]])
    apart = np.linalg.norm(pool - 4.0, axis=1)
    assert len(set(apart)) > 1  # rounded
    found = retrieve_without_replacement(np.full((4, 2), 4.0), pool, nearness="distance")
    assert found.tolist() == [0, 1, 2, 3]


def test_by_distance_length_counts_and_lists_are_scored_as_by_cosine() -> None:
    pool = np.stack([np.arange(1.0, 15.0), np.ones(14)], axis=1)
    values = np.arange(0.5, 7.5, 0.5)
    far = np.stack(
        [100 + np.arange(14), np.zeros(14)], axis=1
    )  # all nearest to the end, which is taken first
    lists, intended = np.stack([pool, far]), np.stack([values, values])
    found = ordinal_consistency(lists, intended, pool, pool[:, 0], nearness="distance")
    assert found.retrieved.tolist() == [list(range(14)), list(range(13, -1, -1))]
    assert found.tau == pytest.approx([1.0, -1.0])


def test_any_other_nearness_is_refused() -> None:
    with pytest.raises(ValueError, match="nearness must be cosine or distance, found 'dot'"):
        retrieve_without_replacement(np.ones((1, 2)), np.ones((1, 2)), nearness="dot")  # type: ignore[arg-type]


@seeded
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=10))
def test_tau_is_its_definition(pairs: list[tuple[int, int]]) -> None:
    x, y = (np.array(side, dtype=np.float64) for side in zip(*pairs, strict=True))
    assert kendall_tau(x[None], y[None])[0] == pytest.approx(tau_by_loops(x.tolist(), y.tolist()), abs=1e-12)


@pytest.mark.parametrize("values", [2, 4, 1000])
def test_tau_of_many_lists_agrees_with_scipy_list_by_list(values: int) -> None:
    rng = np.random.default_rng(values)
    x, y = rng.integers(0, values, (2, 300, 14)) / 5
    expected = [stats.kendalltau(one, other, variant="b").statistic for one, other in zip(x, y, strict=True)]
    assert kendall_tau(x, y) == pytest.approx(np.nan_to_num(expected), abs=1e-15)


def test_tau_is_zero_where_one_side_is_constant() -> None:
    assert kendall_tau(np.array([[1.0, 2.0, 3.0]]), np.array([[4.0, 4.0, 4.0]])).tolist() == [0.0]
    assert kendall_tau(np.array([[4, 4], [1, 2]]), np.array([[1, 2], [1, 2]])).tolist() == [0.0, 1.0]


def test_a_space_that_keeps_the_order_scores_one_and_one_that_reverses_it_minus_one() -> None:
    values = np.arange(0.5, 7.5, 0.5)
    angles = values / 5
    space = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    lists = np.stack([space, space[::-1]])
    found = ordinal_consistency(lists, np.stack([values, values]), space, values)
    assert found.tau == pytest.approx([1.0, -1.0])
    assert found.retrieved.tolist() == [list(range(14)), list(range(13, -1, -1))]


@pytest.mark.parametrize("chunk_bytes", [1, 1000, 2**28])
def test_lists_are_scored_one_by_one_however_they_are_chunked(
    monkeypatch: pytest.MonkeyPatch, chunk_bytes: int
) -> None:
    monkeypatch.setattr(ordinality, "CHUNK_BYTES", chunk_bytes)
    rng = np.random.default_rng(2)
    queries, pool = rng.normal(size=(7, 4, 5)), rng.normal(size=(11, 5))
    intended, labels = np.tile(np.arange(4), (7, 1)), rng.integers(1, 4, 11)
    found = ordinal_consistency(queries, intended, pool, labels)
    for index in range(7):
        expected = retrieve_by_loops(queries[index], pool)
        assert found.retrieved[index].tolist() == expected
        tau = tau_by_loops(intended[index].tolist(), labels[expected].tolist())
        assert found.tau[index] == pytest.approx(tau, abs=1e-12)


def test_a_pool_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match="an item for each query, found 2 for 3"):
        retrieve_without_replacement(np.zeros((3, 2)), np.zeros((2, 2)))
    with pytest.raises(ValueError, match="an item for each query, found 2 for 3"):
        ordinal_consistency(np.zeros((1, 3, 2)), np.zeros((1, 3)), np.zeros((2, 2)), np.zeros(2))


def test_embeddings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(Q, E\) and \(P, E\), found \(2, 3\) and \(4, 2\)"):
        retrieve_without_replacement(np.zeros((2, 3)), np.zeros((4, 2)))
    with pytest.raises(ValueError, match=r"\(L, Q, E\) and \(P, E\), found \(2, 3\) and \(4, 3\)"):
        ordinal_consistency(np.zeros((2, 3)), np.zeros((2, 3)), np.zeros((4, 3)), np.zeros(4))
    with pytest.raises(ValueError, match=r"must be \(1, 2\) and \(4,\), found \(2, 1\) and \(4,\)"):
        ordinal_consistency(np.zeros((1, 2, 3)), np.zeros((2, 1)), np.zeros((4, 3)), np.zeros(4))


def test_values_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match=r"pool must be finite .* found nan in row 1 of \(3, 2\)"):
        retrieve_without_replacement(np.zeros((1, 2)), np.array([[0.0, 1.0], [np.nan, np.inf], [1.0, 1.0]]))
    with pytest.raises(ValueError, match=r"x must be finite .* found nan in row 0"):
        kendall_tau(np.array([[1.0, np.nan]]), np.array([[1.0, 2.0]]))


@pytest.mark.parametrize("shape", [(3, 1), (2,), (0, 0)])
def test_tau_refuses_what_has_no_order(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"must be \(L, Q\), Q at least 2, found"):
        kendall_tau(np.zeros(shape), np.zeros(shape))
