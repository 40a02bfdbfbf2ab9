"""The paired test and the stars that follow from it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import special

from pipeline.significance import better_than_all, paired_test

seeded = settings(deadline=None, derandomize=True)
Doubles = NDArray[np.float64]


def p_value_by_hand(ours: list[float], theirs: list[float]) -> float:
    """t = mean / (s / √K) of the differences, and both tails of Student's distribution."""
    differences = [a - b for a, b in zip(ours, theirs, strict=True)]
    count = len(differences)
    mean = sum(differences) / count
    variance = sum((d - mean) ** 2 for d in differences) / (count - 1)
    t = mean / math.sqrt(variance / count)
    return 2 * float(special.stdtr(count - 1, -abs(t)))


@seeded
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=12))
def test_the_p_value_is_that_of_students_t(pairs: list[tuple[int, int]]) -> None:
    ours, theirs = (np.array(side, dtype=np.float64) for side in zip(*pairs, strict=True))
    if np.ptp(ours - theirs) > 0:
        expected = p_value_by_hand(ours.tolist(), theirs.tolist())
        assert paired_test(ours, theirs) == pytest.approx(expected, rel=1e-6)
    assert paired_test(ours, theirs) == paired_test(theirs, ours)


def test_scores_that_agree_show_nothing() -> None:
    scores = np.array([0.1, 0.5, 0.3])
    assert paired_test(scores, scores.copy()) == 1.0
    assert paired_test(scores, scores + 1e-17) == 1.0
    assert paired_test(np.zeros(3), np.zeros(3)) == 1.0


@pytest.mark.parametrize("shift", [0.1, -0.3, 1e-3, 5.0])
def test_a_constant_difference_is_certain_and_no_warning(shift: float) -> None:
    scores = np.array([0.1, 0.5, 0.3, 0.7])
    assert paired_test(scores + shift, scores) == 0.0


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_pairs_have_no_p_value(count: int) -> None:
    assert math.isnan(paired_test(np.ones(count), np.zeros(count)))
    assert better_than_all(np.ones(count), {"SCE": np.zeros(count)}, higher_is_better=True)[0] is False


@pytest.fixture
def trials() -> dict[str, Doubles]:
    rng = np.random.default_rng(0)
    base = rng.normal(0.5, 0.05, 30)
    return {
        "ours": base + 0.1 + rng.normal(0, 0.01, 30),
        "worse": base + rng.normal(0, 0.01, 30),
        "near": base + 0.1 + rng.normal(0, 0.01, 30),
        "better": base + 0.2 + rng.normal(0, 0.01, 30),
    }


@pytest.mark.parametrize(
    ("rivals", "higher_is_better", "expected"),
    [
        (["worse"], True, True),
        (["worse"], False, False),
        (["better"], True, False),
        (["better"], False, True),
        (["worse", "near"], True, False),
        (["worse", "better"], True, False),
        ([], True, False),
    ],
)
def test_a_star_needs_a_better_mean_and_a_small_p_against_every_baseline(
    trials: dict[str, Doubles], rivals: list[str], higher_is_better: bool, expected: bool
) -> None:
    baselines = {name: trials[name] for name in rivals}
    verdict, p_values = better_than_all(trials["ours"], baselines, higher_is_better=higher_is_better)
    assert verdict is expected
    assert p_values == {name: paired_test(trials["ours"], scores) for name, scores in baselines.items()}


def test_alpha_sets_the_bar(trials: dict[str, Doubles]) -> None:
    ours = trials["near"] + 0.002
    p = paired_test(ours, trials["ours"])
    higher = bool(ours.mean() > trials["ours"].mean())
    for alpha, expected in ((p * 1.01, True), (p * 0.99, False)):
        verdict, _ = better_than_all(ours, {"x": trials["ours"]}, higher_is_better=higher, alpha=alpha)
        assert verdict is expected


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.05, math.nan])
def test_an_alpha_out_of_range_is_refused(alpha: float) -> None:
    with pytest.raises(ValueError, match=f"alpha must lie between 0 and 1, found {alpha}"):
        better_than_all(np.zeros(2), {}, higher_is_better=True, alpha=alpha)


def test_scores_that_do_not_pair_are_refused() -> None:
    with pytest.raises(ValueError, match=r"both be \(K,\), found \(2,\) and \(3,\)"):
        paired_test(np.zeros(2), np.zeros(3))
    with pytest.raises(ValueError, match=r"scores must be finite, found \[0.0, nan\]"):
        paired_test(np.array([0.0, np.nan]), np.zeros(2))
