"""The offline captioner: its sentences are well formed, various, and graded along both attributes."""

import re
from itertools import pairwise, product
from string import Formatter
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.captions import words
from pipeline.captions.lexicon import (
    FRAME_SETS,
    SCALES_OF_AROUSAL,
    SCALES_OF_MOOD,
    SCALES_OF_VALENCE,
    Frames,
    describe,
)

LABELS = st.floats(-1, 9)
SEEDS = st.integers(0, 2**32)
FRAMES = st.sampled_from(get_args(Frames))
OPENINGS = {"corpus": {"in", "with", "at"}, "workshop": {"so", "using", "like", "while", "as"}}


def sentences(valence: float, arousal: float, count: int, frames: Frames = "corpus") -> list[str]:
    return [describe(valence, arousal, np.random.default_rng([7, i]), frames=frames) for i in range(count)]


def slots(frame: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(frame) if name}


@given(LABELS, LABELS, SEEDS, FRAMES)
def test_a_caption_is_one_sentence_that_begins_as_the_paper_asks(valence, arousal, seed, frames):
    text = describe(valence, arousal, np.random.default_rng(seed), frames=frames)
    assert text.startswith("The person is speaking ")
    assert text.endswith(".")
    assert text.count(".") == 1
    assert not re.search(r"[0-9{}_|!?\n]|  | ,| ;|,,", text)
    assert text[1:] == text[1:].lower()


@given(LABELS, LABELS, SEEDS, FRAMES)
def test_the_article_is_an_before_a_vowel_and_a_otherwise(valence, arousal, seed, frames):
    text = describe(valence, arousal, np.random.default_rng(seed), frames=frames)
    for article, following in re.findall(r"\b(an?) (\w+)", text):
        spoken_as_vowel = following[0] in "aeiou" and following not in {"euphoric"}
        assert article == ("an" if spoken_as_vowel else "a"), text


@given(LABELS, LABELS, SEEDS, FRAMES)
def test_the_same_seed_gives_the_same_sentence(valence, arousal, seed, frames):
    one, other = (describe(valence, arousal, np.random.default_rng(seed), frames=frames) for _ in range(2))
    assert one == other


@given(st.floats(-5, 0.5), st.floats(7, 20), SEEDS)
def test_labels_outside_the_scale_count_as_its_ends(below, above, seed):
    clamped = describe(0.5, 7.0, np.random.default_rng(seed))
    assert describe(below, above, np.random.default_rng(seed)) == clamped


@pytest.mark.parametrize(
    ("valence", "arousal", "name"), [(float("nan"), 4.0, "valence"), (4.0, np.inf, "arousal")]
)
def test_a_label_that_is_no_number_is_an_error_that_names_it(valence, arousal, name):
    with pytest.raises(ValueError, match=f"{name} must be a finite number, found (nan|inf)"):
        describe(valence, arousal, np.random.default_rng(0))


@pytest.mark.parametrize("frames", get_args(Frames))
def test_every_frame_carries_both_attributes(frames):
    of_valence = SCALES_OF_VALENCE.keys() | SCALES_OF_MOOD.keys()
    of_arousal = set(SCALES_OF_AROUSAL)
    chosen = FRAME_SETS[frames]
    for frame in chosen.heads_of_arousal + chosen.tails_of_arousal:
        assert len(slots(frame) & of_arousal) == 2, frame
        assert not slots(frame) & of_valence, frame
    for frame in chosen.heads_of_valence + chosen.tails_of_valence:
        assert len(slots(frame) & of_valence) == 2, frame
        assert not slots(frame) & of_arousal, frame


@pytest.mark.parametrize("frames", get_args(Frames))
def test_the_two_sets_of_frames_open_differently_so_that_they_share_no_sentence(frames):
    chosen = FRAME_SETS[frames]
    heads = chosen.heads_of_arousal + chosen.heads_of_valence
    assert {head.split()[0] for head in heads} == OPENINGS[frames]
    assert not OPENINGS["corpus"] & OPENINGS["workshop"]


def test_no_sentence_comes_from_both_sets_of_frames():
    assert not set(sentences(4.0, 4.0, 1000)) & set(sentences(4.0, 4.0, 1000, "workshop"))


def test_every_word_stands_in_one_grade_of_its_scale():
    for scale in (SCALES_OF_AROUSAL | SCALES_OF_VALENCE).values():
        listed = [word for grade in scale for word in grade]
        assert len(set(listed)) == len(listed)
        assert len(scale) == 14
    for moods in SCALES_OF_MOOD.values():
        by_grade = [{word for cell in grade for word in cell} for grade in moods]
        assert all(len(grade) == 3 for grade in moods)
        assert sum(map(len, by_grade)) == len(set().union(*by_grade))


def test_a_table_of_another_length_is_refused():
    with pytest.raises(ValueError, match="must have 14 lines, found 2: 'soft'"):
        words._scale("soft\nloud")


@pytest.mark.parametrize("step", range(13))
def test_a_step_of_half_a_point_changes_the_wording(step):
    lower, upper = 0.5 + 0.5 * step, 1.0 + 0.5 * step
    for one, other in (((lower, 4.0), (upper, 4.0)), ((4.0, lower), (4.0, upper))):
        assert not set(sentences(*one, 50)) & set(sentences(*other, 50))


@pytest.mark.parametrize(("valence", "arousal"), [(4.0, 4.0), (4.2, 4.4), (1.0, 7.0), (6.5, 1.5)])
def test_clips_of_one_cell_practically_always_differ(valence, arousal):
    drawn = sentences(valence, arousal, 200)
    assert len(set(drawn)) >= 195


def test_a_label_between_two_grades_takes_words_of_both_more_often_of_the_nearer():
    lower, upper = (set(words.PACE[words.GRADES.index(label)]) for label in (4.0, 4.5))
    texts = sentences(4.0, 4.4, 2000)
    counts = [sum(any(re.search(rf"\b{w}\b", t) for w in grade) for t in texts) for grade in (lower, upper)]
    assert counts[1] > 2 * counts[0] > 0


def test_a_bag_of_words_tells_both_labels_in_order():
    rng = np.random.default_rng(3)
    labels = rng.uniform(0.5, 7, size=(4000, 2))
    bags = [set(re.findall(r"[\w-]+", describe(v, a, rng))) for v, a in labels.tolist()]
    vocabulary = sorted(set().union(*bags))
    x = np.array([[word in bag for word in vocabulary] for bag in bags], dtype=float)
    x -= x[:3000].mean(axis=0)
    centre = labels[:3000].mean(axis=0)
    gram = x[:3000].T @ x[:3000] + np.eye(len(vocabulary))
    predicted = x[3000:] @ np.linalg.solve(gram, x[:3000].T @ (labels[:3000] - centre))
    for k in range(2):
        assert np.corrcoef(predicted[:, k], labels[3000:, k])[0, 1] > 0.95
        means = [predicted[np.rint(labels[3000:, k]) == whole, k].mean() for whole in range(1, 8)]
        assert all(low < high for low, high in pairwise(means))


def test_no_sentence_says_the_same_word_of_its_tables_twice():
    common = {
        "voice",
        "tone",
        "energy",
        "intensity",
        "vigour",
        "little",
        "quiet",
        "slight",
        "mildly",
        "sounds",
    }
    for valence, arousal in product(np.arange(0.5, 7.5, 0.5), repeat=2):
        for text in sentences(valence, arousal, 3):
            long = [word for word in re.findall(r"[a-z]{5,}", text) if word not in common]
            repeated = {word for word in long if long.count(word) > 1}
            assert repeated <= {"every", "slightly", "quietly", "moving"}, text
