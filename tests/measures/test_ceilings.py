"""Ceilings on worlds whose answer is known, and the choice of a penalty against a plain loop."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from pipeline.captions.prompts import ordinality_plan
from pipeline.features.pairs import Pairs, PlaneTexts
from pipeline.features.shards.keys import sentence_keys
from pipeline.measures.ceilings import PENALTIES, Fitted, best_reading
from pipeline.measures.probe import concordance
from pipeline.measures.prompted import measure_ceilings
from pipeline.measures.ridge import Moments

PROMPTS = ordinality_plan(14)
ASKED = np.array([[prompt.valence, prompt.arousal] for prompt in PROMPTS])
GRID = np.stack(np.meshgrid(np.arange(0.5, 7.5, 0.5), np.arange(0.5, 7.5, 0.5)), axis=-1).reshape(-1, 2)


def drawn(count: int, seed: int) -> np.ndarray:
    """Labels as a corpus has them: around the middle."""
    return np.clip(np.random.default_rng(seed).normal(4.3, 0.9, (count, 2)), 1, 7)


def world(labels: np.ndarray, *, noise: float = 0.0, seed: int = 0, bend: float = 0.0) -> Pairs:
    """Linear features of the labels: of speech with noise, of text with what only labels far out have (`bend`)."""
    maps, rng = np.random.default_rng(9), np.random.default_rng([seed, 1])
    heard = labels + noise * rng.normal(size=labels.shape)
    said = np.concatenate([labels, bend * np.maximum(np.abs(labels - 4.3) - 2, 0)], axis=1)
    speech, text = (hidden @ maps.normal(size=(hidden.shape[1], 8)) for hidden in (heard, said))
    ids = [f"clip {i}" for i in range(len(labels))]
    both = [(side + 1e-3 * rng.normal(size=side.shape)).astype(np.float32) for side in (speech, text)]
    return Pairs(ids, *both, labels, [None] * len(labels), sentence_keys(ids))


@dataclass(frozen=True)
class Cut:
    """Pairs in blocks."""

    pairs: Pairs
    sizes: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.pairs)

    def blocks(self, order: int) -> Iterator[Pairs]:
        rows = np.random.default_rng(order).permutation(len(self.pairs))
        for part in np.split(rows, self.sizes):
            p = self.pairs
            yield Pairs(
                [p.ids[i] for i in part], p.speech[part], p.text[part], p.labels[part], [None] * len(part)
            )


def measured(training, pairs, plane=None, **how):
    prompts = world(ASKED, seed=7, **how).text
    return measure_ceilings(training, world(drawn(200, 2), seed=2, **how), pairs, PROMPTS, prompts, plane)


def means(found) -> dict[str, tuple[float, float]]:
    return {
        name: tuple(float(one.ordinality[test].tau.mean()) for test in ("aoc", "voc"))
        for name, one in found.items()
    }


def test_in_a_linear_world_with_a_clip_at_every_prompt_all_ceilings_are_one():
    found = measured(world(drawn(500, 1), seed=1), world(GRID, seed=3), PlaneTexts(world(GRID).text, GRID))
    assert list(found) == ["ridges", "ridges-plane", "text-known", "both-known"]
    assert means(found)["both-known"] == (1.0, 1.0)
    for name, taus in means(found).items():
        assert min(taus) > 0.99, name
    for test in ("aoc", "voc"):
        wanted = np.array([[p.valence, p.arousal] for p in PROMPTS if p.test == test]).reshape(14, 14, 2)
        assert np.array_equal(GRID[found["both-known"].ordinality[test].retrieved], wanted)


def test_without_a_plane_there_is_no_row_of_it_and_what_is_known_costs_no_penalty():
    found = measured(world(drawn(300, 1), seed=1), world(drawn(300, 3), seed=3))
    assert list(found) == ["ridges", "text-known", "both-known"]
    assert [sorted(one.penalties) for one in found.values()] == [["speech", "text"], ["speech"], []]
    assert found["ridges"].penalties["speech"] == found["text-known"].penalties["speech"]


def test_what_noise_hides_in_speech_is_lost_where_speech_is_read_and_not_where_it_is_known():
    found = means(measured(world(drawn(500, 1), noise=1.0, seed=1), world(drawn(600, 3), noise=1.0, seed=3)))
    assert 0.2 < max(found["text-known"]) < min(found["both-known"]) - 0.1


def test_captions_all_over_the_plane_mend_a_reading_of_text_that_misleads_outside_the_corpus_s_labels():
    training = world(np.clip(drawn(500, 1), 2.3, 6.3), seed=1, bend=10.0)
    plane = PlaneTexts(world(GRID, seed=5, bend=10.0).text, GRID)
    pairs = world(GRID, seed=3)
    found = means(measured(training, pairs, plane, bend=10.0))
    assert min(found["ridges-plane"]) > 0.95
    assert np.mean(found["ridges"]) < 0.85


def test_blocks_and_the_order_of_rows_change_nothing():
    training, pairs = world(drawn(500, 1), noise=0.5, seed=1), world(drawn(300, 3), noise=0.5, seed=3)
    whole = measured(training, pairs)
    for sizes in ((), (1,), (100, 101, 350)):
        found = measured(Cut(training, sizes), pairs)
        for name, one in whole.items():
            assert found[name].penalties == one.penalties
            for test, ordinality in one.ordinality.items():
                assert np.array_equal(found[name].ordinality[test].retrieved, ordinality.retrieved)


def test_a_recording_under_two_ids_is_one_clip():
    once = world(drawn(300, 3), noise=0.5, seed=3)
    ids = once.ids * 2
    twice = Pairs(
        [f"id {i}" for i in range(600)],
        *(np.concatenate([side] * 2) for side in (once.speech, once.text, once.labels)),
        [None] * 600,
        sentence_keys(ids),
    )
    training = world(drawn(500, 1), noise=0.5, seed=1)
    found, wanted = measured(training, twice), measured(training, once)
    for name, one in wanted.items():
        for test, ordinality in one.ordinality.items():
            assert np.array_equal(found[name].ordinality[test].retrieved, ordinality.retrieved)


@pytest.mark.parametrize("noise", [0.01, 0.5, 4.0])
def test_the_penalty_is_the_one_that_development_agrees_with_most(noise):
    rng = np.random.default_rng(4)
    weights = rng.normal(size=(20, 2))
    fitted, tuned = (rng.normal(size=(n, 20)) for n in (40, 60))
    labels, wanted = (x @ weights + noise * 5 * rng.normal(size=(len(x), 2)) for x in (fitted, tuned))
    agreement = {}
    x, y = fitted - fitted.mean(axis=0), labels - labels.mean(axis=0)
    for penalty in PENALTIES:
        added = penalty * x.var(axis=0).mean() * np.eye(20)
        line = np.linalg.inv(x.T @ x / 40 + added) @ (x.T @ y / 40)
        read = (tuned - fitted.mean(axis=0)) @ line + labels.mean(axis=0)
        agreement[penalty] = concordance(read, wanted).mean()
    found = best_reading(Fitted(Moments.of(fitted, labels), tuned, wanted))
    assert found.penalty == max(agreement, key=agreement.get)
    assert found.read(fitted).var(axis=0) == pytest.approx(labels.var(axis=0))


def test_where_nothing_can_be_read_the_penalty_is_the_largest():
    labels, same = np.random.default_rng(5).normal(size=(50, 2)), np.ones((50, 3))
    assert best_reading(Fitted(Moments.of(same, labels), same, labels)).penalty == max(PENALTIES)
