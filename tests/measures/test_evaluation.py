"""The two tests of the paper on embeddings whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.captions.prompts import ordinality_plan
from pipeline.config import Evaluate
from pipeline.features.pairs import Pairs
from pipeline.features.shards.keys import sentence_keys
from pipeline.measures.entries import Embedded, Projected
from pipeline.measures.evaluation import (
    draw_trials,
    evaluate_entries,
    measure_alignment,
    measure_further,
    measure_halves,
    measure_ordinality,
)
from pipeline.methods import METHODS


def on_circle(labels: np.ndarray) -> np.ndarray:
    """Labels (N, 2) to unit rows that are near each other where the labels are."""
    angles = labels / 7 * np.pi / 2
    rows = np.concatenate([np.cos(angles), np.sin(angles)], axis=1)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def labels():
    return np.random.default_rng(0).uniform(1, 7, (400, 2))


def embedded(labels: np.ndarray, prompts) -> Embedded:
    wanted = np.array([[p.valence, p.arousal] for p in prompts]).reshape(-1, 2)
    return Embedded(on_circle(labels), on_circle(labels), on_circle(wanted))


def test_a_space_ordered_by_the_labels_is_consistent_in_both_attributes(labels):
    prompts = ordinality_plan(28)
    found = measure_ordinality(embedded(labels, prompts), prompts, labels)
    for test in ("voc", "aoc"):
        assert found[test].tau.shape == (28,)
        assert found[test].tau.mean() > 0.9


def test_a_space_ordered_backwards_is_as_far_below_zero(labels):
    prompts = ordinality_plan(14)
    backwards = embedded(8 - labels, prompts)
    for found in measure_ordinality(backwards, prompts, labels).values():
        assert found.tau.mean() < -0.8


def test_a_random_space_is_near_zero(labels):
    prompts = ordinality_plan(100)
    rng = np.random.default_rng(1)
    rows = [rng.standard_normal((n, 16)).astype(np.float32) for n in (400, 400, len(prompts))]
    for found in measure_ordinality(Embedded(*rows), prompts, labels).values():
        assert abs(found.tau.mean()) < 0.1


def test_prompts_may_come_in_any_order(labels):
    prompts = ordinality_plan(5)
    order = np.random.default_rng(2).permutation(len(prompts))
    shuffled = [prompts[i] for i in order]
    straight = measure_ordinality(embedded(labels, prompts), prompts, labels)
    mixed = measure_ordinality(embedded(labels, shuffled), shuffled, labels)
    for test in straight:
        assert np.array_equal(straight[test].tau, mixed[test].tau)


def test_fewer_clips_than_a_list_are_refused(labels):
    prompts = ordinality_plan(1)
    with pytest.raises(ValueError, match="at least 14 clips to retrieve, found 13"):
        measure_ordinality(embedded(labels[:13], prompts), prompts, labels[:13])


def test_trials_are_drawn_without_replacement_and_alike_for_all(labels):
    trials = draw_trials(400, 50, 6, seed=3)
    assert len(trials) == 6
    assert all(len(set(rows)) == 50 for rows in trials)
    assert not np.array_equal(trials[0], trials[1])
    again = draw_trials(400, 50, 6, seed=3)
    assert all(np.array_equal(a, b) for a, b in zip(trials, again, strict=True))


@pytest.mark.parametrize("pairs", [400, 5000])
def test_a_split_no_larger_than_a_trial_is_measured_once_and_whole(pairs):
    (rows,) = draw_trials(400, pairs, 30, seed=0)
    assert np.array_equal(rows, np.arange(400))


def test_alignment_is_zero_for_one_space_and_the_shift_for_a_shifted_one(labels):
    rng = np.random.default_rng(4)
    space = rng.standard_normal((100, 8)).astype(np.float32)
    shift = np.zeros(8, np.float32)
    shift[0] = 0.5
    methods = {"same": Embedded(space, space, space), "shifted": Embedded(space, space + shift, space)}
    told: list[int] = []
    found = measure_alignment(methods, draw_trials(100, 40, 3, seed=0), advance=told.append)
    assert sum(told) == 6
    for reading in ("mmd", "w1", "w2"):
        assert np.allclose(found["same"][reading], 0, atol=1e-7)
        assert found["shifted"][reading].shape == (3,)
    # Moving every point by 0.5 costs 0.5 at most, and the mean alone costs as much.
    assert np.allclose(found["shifted"]["w1"], 0.5, atol=1e-6)


def test_further_measures_tell_an_ordered_space_from_a_random_one(labels):
    settings = Evaluate(split="test1", trials=1, pairs=200, seed=0, alpha=0.05, recall_at=[1, 20], radius=0.5)
    rng = np.random.default_rng(5)
    other = rng.uniform(1, 7, (300, 2))

    def drawn(count: int) -> Embedded:
        rows = rng.standard_normal((2, count, 6)).astype(np.float32)
        rows /= np.linalg.norm(rows, axis=2, keepdims=True)
        return Embedded(rows[0], rows[1], rows[1][:0])

    rows = draw_trials(len(labels), 200, 1, seed=0)[0]
    ordered = measure_further(embedded(labels, []), labels, (embedded(other, []), other), rows, settings)
    random = measure_further(drawn(400), labels, (drawn(300), other), rows, settings)
    assert ordered.keys() == random.keys()
    for probe in (key for key in ordered if key.startswith("probe")):
        assert ordered[probe] > 0.95
        assert abs(random[probe]) < 0.2
    for direction in ("text_to_speech", "speech_to_text"):
        assert ordered[f"{direction}_recall_1"] == 1.0
        assert random[f"{direction}_recall_1"] < random[f"{direction}_recall_20"] < 1.0
        assert ordered[f"{direction}_mean_rank"] == 1.0 < random[f"{direction}_mean_rank"]
    assert ordered["pair_distance"] == ordered["modality_gap"] == 0.0 < random["modality_gap"]
    assert random["uniformity_speech"] < ordered["uniformity_speech"] < 0


def test_a_recording_under_two_ids_takes_one_place_in_a_list_with_the_labels_of_its_first_row(labels):
    prompts = ordinality_plan(14)
    once = embedded(labels, prompts)
    names = [f"clip {i}" for i in range(len(labels))]
    everything = Pairs(names, once.speech, once.text, labels, [None] * len(labels), sentence_keys(names))
    assert everything.distinct().tolist() == list(range(len(labels)))
    # Every clip once more, after all of them and with other labels.
    twice = Pairs(
        names + [f"again {i}" for i in range(len(labels))],
        np.concatenate([once.speech] * 2),
        np.concatenate([once.text] * 2),
        np.concatenate([labels, 8 - labels]),
        [None] * 2 * len(labels),
        sentence_keys(names * 2),
    )
    expected = measure_ordinality(once, prompts, labels)
    settings = Evaluate(split="test1", trials=1, pairs=50, seed=0, alpha=0.05)
    entries = {"clap-sce": Projected(Same(), twice, once.prompts, everything)}
    evaluation = evaluate_entries(entries, METHODS, twice, prompts, settings)
    found, halves = evaluation.ordinality["clap-sce"], measure_halves(once, prompts, labels)
    for test in expected:
        assert np.array_equal(evaluation.halves["clap-sce"][test], halves[test])
        assert evaluation.intended[test].shape == found[test].retrieved.shape
        assert np.array_equal(found[test].retrieved, expected[test].retrieved)
        assert np.array_equal(found[test].tau, expected[test].tau)


class Same:
    """Heads that change nothing."""

    def speech_embeddings(self, features):
        return features

    def text_embeddings(self, features):
        return features
