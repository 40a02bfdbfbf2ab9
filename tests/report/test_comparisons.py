"""Ours against the baselines: which tests are made, and the marks that follow from them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipeline.measures.significance import holm, paired_test
from pipeline.report.results.comparisons import compare_with_baselines, mark, mark_notes

BASE = np.random.default_rng(0).normal(0.5, 0.05, 30)


def scores(shift: float, seed: int, seeds: int = 1) -> np.ndarray:
    return BASE + shift + np.random.default_rng(seed).normal(0, 0.01, (seeds, 30))


OURS, WORSE, NEAR, BETTER = scores(0.1, 1), scores(0, 2), scores(0.1, 3), scores(0.2, 4)


@pytest.mark.parametrize(
    ("sce", "supcon", "higher_is_better", "marked"),
    [
        (WORSE, WORSE, True, True),
        (WORSE, WORSE, False, False),
        (BETTER, BETTER, False, True),
        (BETTER, BETTER, True, False),
        (WORSE, NEAR, True, False),
        (WORSE, BETTER, True, False),
    ],
)
def test_a_mark_needs_a_better_mean_and_a_small_p_against_every_baseline(
    sce, supcon, higher_is_better, marked
):
    values = {"clap-sce": {"x": sce}, "supconclap": {"x": supcon}, "emotionrankclap": {"x": OURS}}
    found = compare_with_baselines(values, higher_is_better=higher_is_better)
    assert [one.baseline for one in found] == ["clap-sce", "supconclap"]
    for one, theirs in zip(found, (sce, supcon), strict=True):
        assert one.p == paired_test(OURS[0], theirs[0])
        assert one.mean_difference == pytest.approx((OURS - theirs).mean())
    assert [one.p_holm for one in found] == holm([one.p for one in found])
    assert bool(mark(found, "x", 0.05)) is marked


def test_the_second_mark_needs_significance_after_the_correction():
    values = {"clap-sce": {str(i): OURS + 0.002 for i in range(8)}, "emotionrankclap": {}}
    values["emotionrankclap"] = {str(i): scores(0.105, 20 + i) for i in range(8)}
    found = compare_with_baselines(values, higher_is_better=True)
    for one in found:
        between = (one.p + one.p_holm) / 2
        if one.better and one.p < between < one.p_holm < 0.9:
            assert mark(found, one.measure, between) == "*"
            assert mark(found, one.measure, one.p_holm * 1.01) == "*†"
            assert mark(found, one.measure, one.p * 0.99) == ""
            break
    else:
        pytest.fail("no test lost its significance to the correction")


def test_scores_are_compared_averaged_over_the_seeds():
    ours, theirs = scores(0.1, 5, seeds=4), scores(0, 6, seeds=4)
    values = {"clap-sce": {"x": theirs}, "emotionrankclap": {"x": ours}}
    (found,) = compare_with_baselines(values, higher_is_better=True)
    assert found.p == paired_test(ours.mean(axis=0), theirs.mean(axis=0))


def test_without_ours_or_a_baseline_or_two_trials_nothing_is_marked():
    assert compare_with_baselines({"clap-sce": {"x": WORSE}}, higher_is_better=True) == []
    only = compare_with_baselines(
        {"emotionrankclap": {"x": OURS}, "untrained": {"x": WORSE}}, higher_is_better=True
    )
    assert only == []
    assert mark([], "x", 0.05) == ""
    assert mark_notes([], 0.05, "lists") == []
    single = {"clap-sce": {"x": WORSE[:, :1]}, "emotionrankclap": {"x": OURS[:, :1]}}
    (found,) = compare_with_baselines(single, higher_is_better=True)
    assert math.isnan(found.p)
    assert math.isnan(found.p_holm)
    assert mark([found], "x", 0.05) == ""
    assert mark_notes([found], 0.05, "trials") == []
