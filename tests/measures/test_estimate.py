"""Means over draws of seeds, trials or lists, and pools: by hand, and how often the interval holds the mean."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from pipeline.measures import drawn_again, ordinal_consistency, paired_test
from pipeline.measures.halves import halved_consistency


def test_one_seed_without_a_pool_is_a_t_test_of_its_lists():
    rng = np.random.default_rng(0)
    ours, theirs = rng.normal(0.1, 1, 30), rng.normal(0, 1, 30)
    found = drawn_again((ours - theirs)[None])
    assert found.p == pytest.approx(paired_test(ours, theirs))
    assert found.interval() == pytest.approx(stats.ttest_rel(ours, theirs).confidence_interval(), rel=1e-12)


def test_variances_add_up_and_freedom_follows_the_larger():
    scores = np.array([[0.1, 0.4, 0.3], [0.5, 0.6, 0.2]])
    halves = np.array([[[0.2, 0.4], [0.3, 0.3]], [[0.2, 0.6], [0.1, 0.5]]])
    lists = np.var(scores.mean(axis=0), ddof=1) * (1 / 3 + 0.5)
    seeds = np.var(scores.mean(axis=1), ddof=1) / 2
    pool = np.mean([0.3**2, 0.2**2]) / 2
    found = drawn_again(scores, overlap=0.5, halves=halves)
    assert found.variance == pytest.approx(lists + seeds + pool)
    assert found.freedom == pytest.approx((lists + seeds + pool) / (lists / 2 + seeds / 1))
    assert found.p == pytest.approx(
        2 * stats.t.sf(found.mean / math.sqrt(found.variance), found.freedom), rel=1e-12
    )


def test_trials_that_share_pairs_tell_of_other_pairs():
    """Means of n of N numbers: over fresh numbers the mean of trials varies by σ²/N, and so it is told."""
    rng = np.random.default_rng(1)
    pairs, available, told, means = 60, 100, [], []
    for _ in range(300):
        numbers = rng.standard_normal(available)
        trials = [rng.choice(numbers, pairs, replace=False).mean() for _ in range(20)]
        found = drawn_again(np.array([trials]), overlap=pairs / (available - pairs))
        told.append(found.variance)
        means.append(found.mean)
    assert np.mean(told) == pytest.approx(1 / available, rel=0.15)
    assert np.var(means) == pytest.approx(1 / available, rel=0.25)


def test_the_interval_over_few_seeds_holds_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(2)
    held = 0
    for _ in range(400):
        scores = 0.3 + rng.normal(0, 0.1, (3, 1)) + rng.normal(0, 0.2, (1, 50)) + rng.normal(0, 0.2, (3, 50))
        low, high = drawn_again(scores).interval()
        held += low <= 0.3 <= high
    assert 0.92 <= held / 400 <= 0.99


def test_methods_that_are_equally_good_are_rarely_told_apart_where_tests_over_lists_do_so_often():
    """Fresh clips in each world, and heads of one law for both methods: order holds in both (τ is .6)."""
    lists, clips, seeds = 8, 200, 3
    intended = np.tile(np.arange(0.5, 7.5, 0.5), (lists, 1))
    again, over_lists = 0, 0
    for world in range(50):
        rng = np.random.default_rng(world)
        labels = np.clip(rng.normal(4.2, 0.9, clips), 1, 7).round(1)
        speech = np.column_stack([(labels - 4) / 3, 0.35 * rng.standard_normal((clips, 7))])
        sentences = 0.35 * rng.standard_normal((lists, 1, 7)) + 0.1 * rng.standard_normal((lists, 14, 7))
        queries = np.concatenate([(intended[..., None] - 4) / 3, sentences], axis=2)
        taus, halves = [], []
        for _ in range(2 * seeds):
            of_speech, of_text = np.eye(8) + 0.25 * rng.standard_normal((2, 8, 8))
            given = (queries @ of_text, intended, speech @ of_speech, labels)
            taus.append(ordinal_consistency(*given).tau)
            halves.append(halved_consistency(*given, halvings=10))
        ours, theirs = np.split(np.array(taus), 2)
        apart = np.array(halves[:seeds]) - np.array(halves[seeds:])
        again += drawn_again(ours - theirs, halves=apart).p < 0.05
        over_lists += paired_test(ours.mean(axis=0), theirs.mean(axis=0)) < 0.05
    assert again <= 5
    assert over_lists >= 15


def test_what_does_not_vary_has_no_spread_and_what_could_not_vary_has_none_to_tell():
    constant = drawn_again(np.full((2, 4), 0.1))
    assert (constant.p, constant.interval()) == (0.0, (pytest.approx(0.1), pytest.approx(0.1)))
    assert drawn_again(np.zeros((2, 4)), halves=np.zeros((2, 3, 2))).p == 1.0
    pool_alone = drawn_again(np.full((2, 4), 0.1), halves=np.array([[[0.0, 0.2]]] * 2))
    assert (pool_alone.variance, pool_alone.freedom) == (pytest.approx(0.02), math.inf)
    single = drawn_again(np.array([[0.4]]))
    assert single.mean == 0.4
    assert math.isnan(single.p)
    assert all(math.isnan(end) for end in single.interval())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: drawn_again(np.zeros(3)), r"scores must be \(S, K\)"),
        (lambda: drawn_again(np.zeros((2, 3)), halves=np.zeros((1, 4, 2))), r"halves must be \(2, H, 2\)"),
        (lambda: drawn_again(np.zeros((2, 3)), overlap=-1), "overlap must be finite and not negative"),
        (lambda: drawn_again(np.ones((2, 3))).interval(1.0), "level must lie between 0 and 1"),
    ],
)
def test_what_does_not_fit_is_said(call, message):
    with pytest.raises(ValueError, match=message):
        call()
