"""The least cost of a plan: against other solvers on data that is hard for one of them, and its proof."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import ot
import pytest
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from pipeline.measures import transport
from pipeline.measures.transport import least_transport_cost

Doubles = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Doubles]


def on_an_arc(rng: np.random.Generator, count: int) -> Doubles:
    """What a loss that ranks makes of one attribute, in the order of the attribute."""
    angles = 3 * np.sort(rng.random(count)) + 0.001 * rng.normal(size=count)
    return np.stack([np.cos(angles), np.sin(angles), 0.01 * rng.normal(size=count)], axis=1)


def on_the_sphere(rng: np.random.Generator, count: int) -> Doubles:
    rows = np.maximum(rng.normal(size=(count, 16)), 0)
    unit: Doubles = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def nearly_alike(rng: np.random.Generator, count: int) -> Doubles:
    return rng.integers(0, 3, (count, 1)) + 1e-6 * rng.normal(size=(count, 4))


def on_a_grid(rng: np.random.Generator, count: int) -> Doubles:
    return rng.integers(0, 4, (count, 2)).astype(np.float64)


KINDS: list[Draw] = [on_an_arc, on_the_sphere, nearly_alike, on_a_grid]


@pytest.fixture
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that small problems go through what large ones do."""
    monkeypatch.setattr(transport, "SMALL", 8)
    monkeypatch.setattr(transport, "GROUPS", 3)


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("draw", KINDS)
@pytest.mark.usefixtures("few_at_once")
def test_samples_of_one_size_cost_what_the_best_assignment_does(draw: Draw, p: int) -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        size = int(rng.integers(1, 90))
        cost = cdist(draw(rng, size), draw(rng, size)) ** p
        expected = cost[linear_sum_assignment(cost)].mean()
        assert least_transport_cost(cost) == pytest.approx(expected, abs=1e-11 * cost.max())


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("draw", KINDS)
@pytest.mark.usefixtures("few_at_once")
def test_samples_of_two_sizes_cost_what_all_pairs_at_once_do(draw: Draw, p: int) -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        rows, columns = rng.integers(1, 90, 2)
        cost = cdist(draw(rng, rows), draw(rng, columns)) ** p
        expected = ot.emd2([], [], cost, numItermax=10_000_000)
        assert least_transport_cost(cost) == pytest.approx(expected, abs=1e-11 * max(cost.max(), 1))


@settings(deadline=None, derandomize=True, max_examples=200)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 6), st.integers(0, 2**31 - 1))
def test_costs_of_a_few_whole_numbers_tie_and_still_solve(
    rows: int, columns: int, values: int, seed: int
) -> None:
    cost = np.random.default_rng(seed).integers(0, values, (rows, columns)).astype(np.float64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transport, "SMALL", 4)
        patch.setattr(transport, "GROUPS", 2)
        found = least_transport_cost(cost)
    assert found == pytest.approx(ot.emd2([], [], cost, numItermax=10_000_000), abs=1e-10)


@pytest.mark.parametrize("draw", KINDS)
def test_the_potentials_prove_a_large_plan(draw: Draw) -> None:
    """Weak duality, computed here over all pairs: no plan costs less than feasible potentials' means."""
    rng = np.random.default_rng(5)
    cost = cdist(draw(rng, 1300), draw(rng, 1100))
    cost /= cost.max()
    total, _, column = transport._solve(transport.Costs(cost, 1.0))
    row = (cost - column).min(axis=1)
    assert row.mean() + column.mean() == pytest.approx(total, abs=1e-11)
    assert least_transport_cost(3 * cost) == pytest.approx(3 * total, rel=1e-9)


def test_the_order_of_the_points_changes_nothing() -> None:
    rng = np.random.default_rng(6)
    cost = cdist(on_an_arc(rng, 700), on_an_arc(rng, 800))
    mixed = cost[rng.permutation(700)][:, rng.permutation(800)]
    assert least_transport_cost(mixed) == pytest.approx(least_transport_cost(cost), abs=1e-11)
    assert least_transport_cost(np.ascontiguousarray(cost.T)) == pytest.approx(
        least_transport_cost(cost), abs=1e-11
    )


def test_a_plan_of_no_cost_is_found_among_many() -> None:
    rng = np.random.default_rng(7)
    points = on_the_sphere(rng, 900)
    assert least_transport_cost(cdist(points, rng.permutation(points))) == 0.0
    assert least_transport_cost(np.zeros((600, 700))) == 0.0


@pytest.mark.parametrize("shape", [(20, 30), (700, 600)])
def test_an_early_stop_of_the_solver_is_an_error(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int]
) -> None:
    monkeypatch.setattr(transport, "MAX_ITERATIONS", 1)
    cost = np.random.default_rng(8).random(shape)
    with pytest.raises(RuntimeError, match="points must reach the optimum, POT: numItermax reached"):
        least_transport_cost(cost)


def test_potentials_that_prove_too_little_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "TOLERANCE", -1.0)
    cost = np.random.default_rng(9).random((600, 600))
    with pytest.raises(
        RuntimeError, match="between 600 and 600 points must reach the optimum, its potentials"
    ):
        least_transport_cost(cost)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0])
def test_costs_that_are_none_are_refused(bad: float) -> None:
    cost = np.ones((3, 4))
    cost[1, 2] = bad
    with pytest.raises(ValueError, match=r"cost must be \(N, M\), finite and not negative, found \(3, 4\)"):
        least_transport_cost(cost)
    with pytest.raises(ValueError, match=r"found \(0, 3\)"):
        least_transport_cost(np.zeros((0, 3)))
