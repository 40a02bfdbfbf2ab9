"""The distances between two samples, against loops, closed forms and other solvers."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist, pdist
from scipy.stats import wasserstein_distance

from pipeline.measures import alignment
from pipeline.measures.alignment import alignment_readings, mean_kernel, median_gamma, mmd_rbf, wasserstein

seeded = settings(deadline=None, derandomize=True)
Order = Literal[1, 2]
Doubles = NDArray[np.float64]

seeds = st.integers(0, 2**31 - 1)
sizes = st.integers(1, 7)
orders = st.sampled_from([1, 2])


def drawn(rows: int, width: int, seed: int, *, shift: float = 0.0) -> Doubles:
    return np.random.default_rng(seed).normal(shift, 1.0, (rows, width))


def mmd_by_loops(x: Doubles, y: Doubles, gamma: float) -> float:
    """The biased estimate, one pair at a time."""

    def mean_kernel(us: Doubles, vs: Doubles) -> float:
        kernels = [
            math.exp(-gamma * sum((a - b) ** 2 for a, b in zip(u, v, strict=True))) for u in us for v in vs
        ]
        return sum(kernels) / len(kernels)

    return math.sqrt(max(0.0, mean_kernel(x, x) + mean_kernel(y, y) - 2 * mean_kernel(x, y)))


def wasserstein_by_assignment(x: Doubles, y: Doubles, p: int) -> float:
    """Samples of one size: a best coupling is a permutation."""
    cost = cdist(x, y) ** p
    return float(cost[linear_sum_assignment(cost)].mean() ** (1 / p))


@seeded
@given(sizes, sizes, seeds, st.sampled_from([0.01, 1.0, 30.0]))
def test_mmd_is_its_definition(rows: int, columns: int, seed: int, gamma: float) -> None:
    x, y = drawn(rows, 3, seed), drawn(columns, 3, seed + 1, shift=0.5)
    assert mmd_rbf(x, y, gamma=gamma) == pytest.approx(mmd_by_loops(x, y, gamma), abs=1e-7)


def test_mmd_of_several_blocks_agrees_with_whole_kernel_matrices(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = drawn(100, 5, 1), drawn(75, 5, 2, shift=0.3)
    k_xx, k_yy, k_xy = (np.exp(-0.2 * cdist(a, b, "sqeuclidean")).mean() for a, b in ((x, x), (y, y), (x, y)))
    monkeypatch.setattr(alignment, "BLOCK_ROWS", 32)
    assert mmd_rbf(x, y, gamma=0.2) == pytest.approx(math.sqrt(k_xx + k_yy - 2 * k_xy), rel=1e-10)


@pytest.mark.parametrize("block", [7, 32, 1024])
def test_the_mean_kernel_counts_every_pair_once(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(alignment, "BLOCK_ROWS", block)
    x = drawn(50, 5, 21)
    expected = np.exp(-0.3 * cdist(x, x, "sqeuclidean")).mean()
    assert mean_kernel(x, gamma=0.3) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("distance", [0.01, 0.5, 3.0])
@pytest.mark.parametrize("gamma", [0.1, 1.0])
def test_mmd_of_two_points_has_a_closed_form(distance: float, gamma: float) -> None:
    expected = math.sqrt(2 - 2 * math.exp(-gamma * distance**2))
    x = np.array([[1.0, 2.0]])
    assert mmd_rbf(x, x + np.array([distance, 0.0]), gamma=gamma) == pytest.approx(expected, rel=1e-6)


def test_mmd_approaches_that_of_the_distributions() -> None:
    """Normals of variance s² in one dimension: E k = (1 + 4γs²)^(−1/2) exp(−γ δ² / (1 + 4γs²))."""
    gamma, shift = 0.5, 1.0
    x, y = drawn(3000, 1, 3), drawn(3000, 1, 4, shift=shift)
    within = (1 + 4 * gamma) ** -0.5
    across = within * math.exp(-gamma * shift**2 / (1 + 4 * gamma))
    assert mmd_rbf(x, y, gamma=gamma) == pytest.approx(math.sqrt(2 * within - 2 * across), abs=0.02)


@seeded
@given(seeds)
def test_mmd_is_symmetric_and_ignores_row_order(seed: int) -> None:
    x, y = drawn(6, 4, seed), drawn(5, 4, seed + 1, shift=1.0)
    value = mmd_rbf(x, y, gamma=1.0)
    assert mmd_rbf(y, x, gamma=1.0) == pytest.approx(value, rel=1e-10)
    assert mmd_rbf(x[::-1], np.roll(y, 2, axis=0), gamma=1.0) == pytest.approx(value, rel=1e-10)


@seeded
@given(seeds)
def test_a_sample_lies_at_no_mmd_from_itself(seed: int) -> None:
    x = drawn(9, 4, seed)
    assert mmd_rbf(x, x, gamma=1.0) == pytest.approx(0, abs=1e-7)
    assert mmd_rbf(x, x[::-1], gamma=1.0) == pytest.approx(0, abs=1e-7)
    assert mmd_rbf(x, np.repeat(x, 2, axis=0), gamma=1.0) == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("gamma", [0.0, -1.0, math.nan, math.inf])
def test_mmd_refuses_a_gamma_that_is_no_width(gamma: float) -> None:
    with pytest.raises(ValueError, match=f"gamma must be positive and finite, found {gamma}"):
        mmd_rbf(drawn(2, 2, 0), drawn(2, 2, 1), gamma=gamma)


@seeded
@given(st.integers(1, 6), st.integers(1, 6), seeds)
def test_median_gamma_is_one_over_the_median_of_all_pairs(rows: int, columns: int, seed: int) -> None:
    x, y = drawn(rows, 3, seed), drawn(columns, 3, seed + 1)
    squared = pdist(np.concatenate([x, y]), "sqeuclidean")
    assert median_gamma(x, y) == pytest.approx(1 / np.median(squared), rel=1e-10)


def test_median_gamma_leaves_out_rows_that_coincide() -> None:
    x = np.repeat([[0.1, 0.2]], 50, axis=0)
    assert median_gamma(x, np.array([[0.1, 2.2]])) == pytest.approx(1 / 4)


def test_median_gamma_of_a_large_sample_is_close_and_repeatable(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = drawn(300, 4, 5), drawn(300, 4, 6)
    exact = median_gamma(x, y)
    monkeypatch.setattr(alignment, "MEDIAN_ROWS", 200)
    assert median_gamma(x, y) == median_gamma(x, y)
    assert median_gamma(x, y) == pytest.approx(exact, rel=0.1)


def test_median_gamma_refuses_rows_that_all_coincide() -> None:
    same = np.full((4, 3), 0.1)
    with pytest.raises(ValueError, match="needs rows that differ, found 8 that coincide"):
        median_gamma(same, same)


@seeded
@given(sizes, sizes, seeds)
def test_w1_in_one_dimension_agrees_with_scipy(rows: int, columns: int, seed: int) -> None:
    x, y = drawn(rows, 1, seed), drawn(columns, 1, seed + 1, shift=1.0)
    assert wasserstein(x, y) == pytest.approx(wasserstein_distance(x[:, 0], y[:, 0]), rel=1e-9)


@seeded
@given(sizes, seeds, orders)
def test_wasserstein_of_samples_of_one_size_is_the_best_assignment(size: int, seed: int, p: Order) -> None:
    x, y = drawn(size, 3, seed), drawn(size, 3, seed + 1, shift=0.5)
    assert wasserstein(x, y, p=p) == pytest.approx(wasserstein_by_assignment(x, y, p), rel=1e-9)


@seeded
@given(st.integers(1, 4), st.integers(1, 4), seeds, orders)
def test_wasserstein_of_samples_of_two_sizes_is_that_of_their_repeats(
    rows: int, columns: int, seed: int, p: Order
) -> None:
    x, y = drawn(rows, 2, seed), drawn(columns, 2, seed + 1)
    expected = wasserstein_by_assignment(np.repeat(x, columns, axis=0), np.repeat(y, rows, axis=0), p)
    assert wasserstein(x, y, p=p) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("length", [1e-6, 1e-2, 1.0, 1e4])
def test_a_translation_moves_a_sample_by_its_length(p: Order, length: float) -> None:
    x = drawn(30, 4, 7)
    assert wasserstein(x, x + length * np.array([0.6, 0.0, 0.8, 0.0]), p=p) == pytest.approx(length, rel=1e-6)


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("scale", [1e-9, 1e-4, 1e5])
def test_wasserstein_scales_with_the_points(p: Order, scale: float) -> None:
    x, y = drawn(30, 4, 8), drawn(25, 4, 9)
    assert wasserstein(scale * x, scale * y, p=p) == pytest.approx(scale * wasserstein(x, y, p=p), rel=1e-9)


@seeded
@given(seeds, orders)
def test_a_sample_lies_at_no_distance_from_itself_in_any_order(seed: int, p: Order) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(100.0, 1.0, (8, 4)).astype(np.float32)
    x[3] = x[5]
    assert wasserstein(x, rng.permutation(x), p=p) == pytest.approx(0, abs=1e-9)


@seeded
@given(seeds, orders)
def test_wasserstein_is_symmetric_and_ignores_row_order(seed: int, p: Order) -> None:
    x, y = drawn(6, 3, seed), drawn(5, 3, seed + 1)
    value = wasserstein(x, y, p=p)
    assert wasserstein(y, x, p=p) == pytest.approx(value, rel=1e-9)
    assert wasserstein(x[::-1], np.roll(y, 2, axis=0), p=p) == pytest.approx(value, rel=1e-9)


def test_rows_that_nearly_coincide_keep_their_distance() -> None:
    """Where |x|² + |y|² − 2x·y is rounding error and nothing else."""
    x = 1000 + drawn(20, 16, 10)
    y = x.copy()
    y[:, 0] += 1e-7
    assert wasserstein(x, y) == pytest.approx(1e-7, rel=1e-4)


def test_samples_that_lie_far_from_the_origin_lose_no_digits() -> None:
    x, y = drawn(20, 4, 19), drawn(15, 4, 20, shift=0.5)
    far = alignment_readings(x + 1e4, y + 1e4)
    assert far == pytest.approx(alignment_readings(x, y), rel=1e-10)


def test_wasserstein_refuses_another_order() -> None:
    with pytest.raises(ValueError, match="p must be 1 or 2, found 3"):
        wasserstein(drawn(2, 2, 0), drawn(2, 2, 1), p=3)  # type: ignore[arg-type]


def test_the_readings_are_those_of_the_single_measures() -> None:
    x, y = drawn(40, 4, 13), drawn(30, 4, 14, shift=0.5)
    gamma = median_gamma(x, y)
    expected = {
        "mmd": mmd_rbf(x, y, gamma=1.0),
        "mmd_squared": mmd_rbf(x, y, gamma=1.0) ** 2,
        "mmd_median": mmd_rbf(x, y, gamma=gamma),
        "mmd_squared_median": mmd_rbf(x, y, gamma=gamma) ** 2,
        "w1": wasserstein(x, y, p=1),
        "w2": wasserstein(x, y, p=2),
        "w2_squared": wasserstein(x, y, p=2) ** 2,
        "w2_squared_half": wasserstein(x, y, p=2) ** 2 / 2,
    }
    assert alignment_readings(x, y) == pytest.approx(expected, rel=1e-9)


def test_collapsed_embeddings_that_coincide_have_readings_of_zero() -> None:
    same = np.full((5, 3), 0.1, dtype=np.float32)
    assert set(alignment_readings(same, same[:4]).values()) == {0.0}


def test_float32_embeddings_are_measured_in_float64() -> None:
    x, y = drawn(20, 8, 15).astype(np.float32), drawn(20, 8, 16).astype(np.float32)
    assert alignment_readings(x, y) == alignment_readings(x.astype(np.float64), y.astype(np.float64))


@pytest.mark.parametrize(("left", "right"), [((3, 2), (3, 3)), ((3,), (3,)), ((0, 2), (3, 2))])
def test_samples_that_do_not_fit_are_refused(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    for measure in (alignment_readings, wasserstein, median_gamma):
        with pytest.raises(ValueError, match=r"must be \(N, E\) and \(M, E\), neither empty, found"):
            measure(np.zeros(left), np.zeros(right))
    with pytest.raises(ValueError, match=r"must be \(N, E\) and \(M, E\), neither empty, found"):
        mmd_rbf(np.zeros(left), np.zeros(right), gamma=1.0)


def test_values_that_are_not_finite_are_refused() -> None:
    y = drawn(4, 2, 17)
    y[2, 1] = np.nan
    with pytest.raises(ValueError, match="y must be finite .* found nan in row 2 of"):
        wasserstein(drawn(4, 2, 18), y)
