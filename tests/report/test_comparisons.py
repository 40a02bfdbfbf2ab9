"""Ours against the others: which tests are made, and the marks that follow from them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipeline.measures import drawn_again, holm, paired_test
from pipeline.methods import METHODS
from pipeline.report.results.comparisons import compare, compare_alignment, others_of
from pipeline.report.results.marks import mark, mark_notes

BASE = np.random.default_rng(0).normal(0.5, 0.05, 30)


def scores(shift: float, seed: int, seeds: int = 1) -> np.ndarray:
    return BASE + shift + np.random.default_rng(seed).normal(0, 0.01, (seeds, 30))


SHIFTS = {"clap-sce": 0.0, "emotionrankclap": 0.1}
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
    found = compare(values, higher_is_better=higher_is_better)
    assert [one.other for one in found] == ["clap-sce", "supconclap"]
    for one, theirs in zip(found, (sce, supcon), strict=True):
        assert one.p == paired_test(OURS[0], theirs[0])
        assert one.mean_difference == pytest.approx((OURS - theirs).mean())
    assert mark(found, "emotionrankclap", "x", 0.05) == ("*" if marked else "")


def halves_of(values: dict, apart: float, seeds: int, seed: int = 0) -> dict:
    """Halves of the pool in which each method's taus differ by so much, each by its own noise."""
    rng = np.random.default_rng(seed)
    return {
        name: {measure: rng.normal(0.5, apart, (seeds, 40, 2)) for measure in found}
        for name, found in values.items()
    }


def test_plus_is_compared_to_every_trained_other_and_to_no_untrained_one():
    values = {name: {"x": scores(0.1, 1)} for name in METHODS}
    found = compare(values, higher_is_better=True)
    compared = {name: [one.other for one in found if one.method == name] for name in METHODS}
    baselines = ["clap-template", "clap4emo", "paraclap", "clap-sce", "supconclap"]
    assert compared.pop("emotionrankclap") == others_of("emotionrankclap") == baselines
    assert compared.pop("emotionrankclap-plus") == [*baselines, "emotionrankclap"]
    assert not any(compared.values())


def test_each_mark_stands_for_its_own_test():
    values = {"clap-sce": {"x": scores(0, 2, 4)}, "emotionrankclap": {"x": scores(0.1, 1, 4)}}
    for apart, marked in ((0.01, "*†"), (0.5, "*")):
        halves = halves_of(values, apart, 4)
        (one,) = found = compare(values, higher_is_better=True, halves=halves)
        ours, theirs = values["emotionrankclap"]["x"], values["clap-sce"]["x"]
        difference = halves["emotionrankclap"]["x"] - halves["clap-sce"]["x"]
        assert one.p_again == drawn_again(ours - theirs, halves=difference).p
        assert mark(found, "emotionrankclap", "x", 0.05) == marked
        assert mark(found, "emotionrankclap", "x", one.p / 2) == ""


def test_the_second_mark_needs_significance_after_the_correction():
    values = {name: {str(i): scores(shift, 20 + i, 3) for i in range(8)} for name, shift in SHIFTS.items()}
    found = compare(values, higher_is_better=True, halves=halves_of(values, 0.02, 3))
    assert [one.p_again_holm for one in found] == holm([one.p_again for one in found])
    one = min(found, key=lambda one: one.p_again_holm)
    assert one.p_again < one.p_again_holm < 0.9
    assert "†" in mark(found, one.method, one.measure, one.p_again_holm * 1.01)
    assert "†" not in mark(found, one.method, one.measure, one.p_again_holm * 0.99)


def test_a_single_seed_or_a_pool_that_is_not_known_gives_no_second_mark():
    values = {name: {"x": scores(shift, 7, 1)} for name, shift in SHIFTS.items()}
    several = {name: {"x": scores(shift, 7, 3)} for name, shift in SHIFTS.items()}
    for found in (
        compare(values, higher_is_better=True, halves=halves_of(values, 0.001, 1)),
        compare(several, higher_is_better=True),
    ):
        assert all(math.isnan(one.p_again) for one in found)
        assert mark(found, "emotionrankclap", "x", 0.05) == "*"
        star, dagger = mark_notes(found, 0.05, "lists", seeds=1)
        assert "cannot say" in star
        assert "not tested" in dagger
        assert "two seeds" in dagger
    found = compare(several, higher_is_better=True, halves=halves_of(several, 0.001, 3))
    assert mark(found, "emotionrankclap", "x", 0.05) == "*†"
    assert "Holm's correction for the 1 tests" in mark_notes(found, 0.05, "lists", seeds=3)[1]


def test_trials_that_share_more_of_the_pairs_need_a_larger_difference():
    values = {
        "clap-sce": {"w2_squared": scores(0.02, 3, 3), "w2_squared_half": scores(0.02, 3, 3) / 2},
        "emotionrankclap": {"w2_squared": scores(0, 4, 3), "w2_squared_half": scores(0, 4, 3) / 2},
    }
    p_values = []
    for available in (2000, 250, 201):
        (one,) = compare_alignment(
            values, pairs=200, available=available
        )  # half of a reading is no other test
        overlap = 200 / (available - 200)
        difference = values["emotionrankclap"]["w2_squared"] - values["clap-sce"]["w2_squared"]
        assert one.p_again == drawn_again(difference, overlap=overlap).p
        p_values.append(one.p_again)
        assert mark([one], "emotionrankclap", "w2_squared_half", 0.05) == mark(
            [one], "emotionrankclap", "w2_squared", 0.05
        )
    assert p_values == sorted(p_values)
    assert math.isnan(compare_alignment(values, pairs=200, available=200)[0].p_again)


def test_the_note_names_who_is_compared_to_whom():
    values = {name: {"x": scores(0.1, 1)} for name in METHODS}
    note = mark_notes(compare(values, higher_is_better=True), 0.05, "lists", seeds=1)[0]
    assert "than CLAP-template, CLAP4emo, ParaCLAP, CLAP-SCE (A-V), SupConCLAP (A-V); " in note
    assert "EmotionRankCLAP+ (A-V) than these and EmotionRankCLAP (A-V))" in note
    plus = {name: values[name] for name in ("clap-sce", "emotionrankclap-plus")}
    note = mark_notes(compare(plus, higher_is_better=True), 0.05, "lists", seeds=1)[0]
    assert "(EmotionRankCLAP+ (A-V) than CLAP-SCE (A-V))" in note


def test_scores_are_compared_averaged_over_the_seeds():
    ours, theirs = scores(0.1, 5, seeds=4), scores(0, 6, seeds=4)
    values = {"clap-sce": {"x": theirs}, "emotionrankclap": {"x": ours}}
    (found,) = compare(values, higher_is_better=True)
    assert found.p == paired_test(ours.mean(axis=0), theirs.mean(axis=0))


def test_without_ours_or_another_or_two_trials_nothing_is_marked():
    assert compare({"clap-sce": {"x": WORSE}}, higher_is_better=True) == []
    only = compare({"emotionrankclap": {"x": OURS}, "untrained": {"x": WORSE}}, higher_is_better=True)
    assert only == []
    assert mark([], "emotionrankclap", "x", 0.05) == ""
    assert mark_notes([], 0.05, "lists", seeds=1) == []
    single = {"clap-sce": {"x": WORSE[:, :1]}, "emotionrankclap": {"x": OURS[:, :1]}}
    (found,) = compare(single, higher_is_better=True)
    assert math.isnan(found.p)
    assert math.isnan(found.p_again)
    assert mark([found], "emotionrankclap", "x", 0.05) == ""
    assert mark_notes([found], 0.05, "trials", seeds=1) == []
