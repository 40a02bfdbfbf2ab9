"""The paired test, its correction for many tests, and intervals of a mean."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray
from scipy import special, stats

from pipeline.measures.significance import bootstrap_interval, holm, paired_test

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


def test_scores_that_do_not_pair_are_refused() -> None:
    with pytest.raises(ValueError, match=r"both be \(K,\), found \(2,\) and \(3,\)"):
        paired_test(np.zeros(2), np.zeros(3))
    with pytest.raises(ValueError, match=r"ours must be finite .* found nan in row 1"):
        paired_test(np.array([0.0, np.nan]), np.zeros(2))


def holm_by_hand(p_values: list[float]) -> list[float]:
    """Reject the smallest at alpha / m, the next at alpha / (m − 1), until one is not."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    corrected = [0.0] * len(p_values)
    for rank, index in enumerate(order):
        corrected[index] = min(1.0, max((len(order) - r) * p_values[order[r]] for r in range(rank + 1)))
    return corrected


@seeded
@given(st.lists(st.floats(0, 1), max_size=8))
def test_holms_correction_is_its_definition(p_values: list[float]) -> None:
    corrected = holm(p_values)
    assert corrected == pytest.approx(holm_by_hand(p_values))
    assert all(own <= other <= 1 for own, other in zip(p_values, corrected, strict=True))


def test_a_test_that_could_not_be_made_does_not_count() -> None:
    corrected = holm([0.01, math.nan, 0.04])
    assert math.isnan(corrected[1])
    assert [corrected[0], corrected[2]] == pytest.approx([0.02, 0.04])
    with pytest.raises(ValueError, match=r"must lie between 0 and 1, found \[1.5\]"):
        holm([1.5])


def test_the_interval_of_one_seed_is_scipys_percentile_bootstrap() -> None:
    scores = np.random.default_rng(0).beta(2, 5, 60)
    theirs = stats.bootstrap((scores,), np.mean, method="percentile", n_resamples=20_000, rng=1)
    ours = bootstrap_interval(scores[None], resamples=20_000)
    assert ours == pytest.approx(tuple(theirs.confidence_interval), abs=0.003)


def test_seeds_that_differ_widen_the_interval() -> None:
    """Variance of the mean: that between seeds over S, and that between lists over K."""
    rng = np.random.default_rng(1)
    lists, seeds = rng.normal(0, 0.1, 100), rng.normal(0, 0.1, (5, 1))
    low, high = bootstrap_interval(0.5 + seeds + lists, resamples=20_000)
    expected = 2 * 1.96 * math.sqrt(seeds.var() / 5 + lists.var() / 100)
    assert high - low == pytest.approx(expected, rel=0.05)
    narrow = bootstrap_interval((0.5 + seeds + lists).mean(axis=0, keepdims=True))
    assert high - low > 3 * (narrow[1] - narrow[0])


def test_the_interval_covers_the_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    ends = [bootstrap_interval(rng.normal(3, 1, (1, 50)), level=0.8, resamples=500) for _ in range(400)]
    assert np.mean([low <= 3 <= high for low, high in ends]) == pytest.approx(0.8, abs=0.06)


def test_a_single_score_has_no_interval() -> None:
    assert all(math.isnan(end) for end in bootstrap_interval(np.array([[0.3]])))
    low, high = bootstrap_interval(np.array([[0.3], [0.5]]))  # one trial, two seeds
    assert (low, high) == (0.3, 0.5)


def test_what_has_no_interval_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must be \(S, K\) and not empty, found \(3,\)"):
        bootstrap_interval(np.zeros(3))
    with pytest.raises(ValueError, match="scores must be finite"):
        bootstrap_interval(np.array([[0.0, np.nan]]))
    with pytest.raises(ValueError, match="level must lie between 0 and 1, found 1.0"):
        bootstrap_interval(np.zeros((1, 2)), level=1.0)
