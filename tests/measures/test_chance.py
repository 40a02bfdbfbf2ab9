"""The permutation test of a mean tau: against plain loops, and what its p-values are where nothing holds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pipeline.measures import against_chance, kendall_tau

LISTS, PROMPTS, POOL = 6, 14, 400
INTENDED = np.tile(np.arange(0.5, 7.5, 0.5), (LISTS, 1))


def retrievals(rng: np.random.Generator, hubs: int = 40, seeds: int = 1) -> np.ndarray:
    """Lists of several seeds that find few clips, and those often."""
    found = rng.choice(POOL, hubs, replace=False)
    lists = [rng.choice(found, PROMPTS, replace=False) for _ in range(seeds * LISTS)]
    return np.reshape(lists, (seeds, LISTS, PROMPTS))


def labels(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(10, 71, POOL) / 10  # which tie


def test_the_band_is_that_of_labels_shuffled_by_a_loop():
    rng = np.random.default_rng(0)
    found, values = retrievals(rng, seeds=2), labels(rng)
    means = []
    for _ in range(2000):
        shuffled = rng.permutation(values)
        means.append(np.mean([kendall_tau(INTENDED, shuffled[one]).mean() for one in found]))
    chance = against_chance(found, INTENDED, values)
    assert chance.low == pytest.approx(np.quantile(means, 0.025), abs=0.02)
    assert chance.high == pytest.approx(np.quantile(means, 0.975), abs=0.02)
    observed = np.mean([kendall_tau(INTENDED, values[one]).mean() for one in found])
    assert chance.p == pytest.approx(np.mean(np.abs(means) >= abs(observed)), abs=0.04)


def test_p_is_uniform_where_labels_say_nothing_and_lists_share_their_clips():
    rng = np.random.default_rng(1)
    p_values, by_lists = [], []
    for number in range(200):
        found, values = retrievals(rng, hubs=16), labels(rng)
        p_values.append(against_chance(found, INTENDED, values, permutations=199, seed=number).p)
        by_lists.append(stats.ttest_1samp(kendall_tau(INTENDED, values[found[0]]), 0).pvalue)
    assert stats.kstest(p_values, "uniform").pvalue > 0.05
    assert np.mean(np.array(p_values) <= 0.05) <= 0.09


def test_shared_clips_widen_the_band_and_lists_of_the_same_clips_are_one_list():
    rng = np.random.default_rng(2)
    values = labels(rng)
    one = rng.choice(POOL, PROMPTS, replace=False)
    same, apart = np.tile(one, (1, LISTS, 1)), rng.permutation(POOL)[: LISTS * PROMPTS].reshape(1, LISTS, -1)
    single = against_chance(same[:, :1], INTENDED[:1], values)
    shared, free = (against_chance(found, INTENDED, values) for found in (same, apart))
    assert (shared.low, shared.high, shared.p) == pytest.approx((single.low, single.high, single.p))
    assert free.high < 0.6 * shared.high


def test_an_order_that_is_there_is_found_and_so_is_its_reverse():
    rng = np.random.default_rng(3)
    values = np.sort(labels(rng))
    rising = np.sort(retrievals(rng), axis=2)
    for found in (rising, rising[..., ::-1]):
        chance = against_chance(found, INTENDED, values, permutations=500)
        assert chance.p == 1 / 501
        assert -0.5 < chance.low < 0 < chance.high < 0.5


def test_clips_are_counted_once_in_each_seed():
    values = np.arange(float(POOL))
    found = np.stack([np.tile(np.arange(PROMPTS), (2, 1)), np.arange(2 * PROMPTS).reshape(2, PROMPTS)])
    assert against_chance(found, INTENDED[:2], values, permutations=1).clips == (14 + 28) / 2


def test_labels_that_are_all_alike_are_no_order_and_p_is_one():
    found = retrievals(np.random.default_rng(4))
    chance = against_chance(found, INTENDED, np.full(POOL, 4.0), permutations=50)
    assert (chance.low, chance.high, chance.p) == (0, 0, 1)


def test_the_same_seed_gives_the_same_band_and_chunks_do_not_matter(monkeypatch):
    rng = np.random.default_rng(5)
    found, values = retrievals(rng), labels(rng)
    once = against_chance(found, INTENDED, values, permutations=60)
    monkeypatch.setattr("pipeline.measures.chance.AT_ONCE", 7)
    assert against_chance(found, INTENDED, values, permutations=60) == once


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"retrieved": np.zeros((LISTS, PROMPTS), int)}, "must be .S, L, Q. whole numbers"),
        ({"retrieved": np.zeros((1, LISTS, PROMPTS))}, "whole numbers"),
        ({"retrieved": np.full((1, LISTS, PROMPTS), POOL)}, "within the pool's 0..399"),
        ({"labels": np.full(POOL, np.nan)}, "labels must be finite"),
        ({"permutations": 0}, "permutations must be at least 1"),
    ],
)
def test_what_does_not_fit_is_said(change, message):
    rng = np.random.default_rng(6)
    given = {"retrieved": retrievals(rng), "intended": INTENDED, "labels": labels(rng)} | change
    with pytest.raises(ValueError, match=message):
        against_chance(**given)
