"""The offline captioner: its sentences are well formed, various, and graded along both attributes."""

import re
from collections.abc import Iterator
from functools import cache
from itertools import chain, combinations, pairwise, product
from string import Formatter
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, strategies as st

from pipeline.captions.frames import FRAME_SETS, SIMILES, Frames
from pipeline.captions.lexicon import (
    BEGINNING,
    SCALES_OF_AROUSAL,
    SCALES_OF_MOOD,
    SCALES_OF_VALENCE,
    SIDE_WORDS,
    WHOLE_FRAMES,
    describe,
    fill,
)
from pipeline.captions.scales import GRADES, read_moods, read_scale
from pipeline.captions.words_of_arousal import PACE

LABELS = st.floats(-1, 9)
SEEDS = st.integers(0, 2**32)
FRAMES = st.sampled_from(get_args(Frames))
WORKSHOP_OPENINGS = {"so", "using", "like", "while", "as"}

OF_ONE_GRADE = {
    "arousal": SCALES_OF_AROUSAL,
    "valence": SCALES_OF_VALENCE
    | {slot: tuple(sum(line, ()) for line in moods) for slot, moods in SCALES_OF_MOOD.items()},
}
"""Of each axis the slots, of these 14 grades, of these the wordings."""

AXIS_OF = {slot: axis for axis, scales in OF_ONE_GRADE.items() for slot in scales}

GRAMMAR = frozenset(
    """
    about above after almost along amount another away barely deep deeply down each every everything
    from hardly have into less like little long mild mildly more much near nearly next nothing only
    other over quite rather scarcely slight slightly some someone something that their there they those
    through under utter utterly very well were what when where which whose with without would
    """.split()  # noqa: SIM905
)
"""Words of grammar and degree, which a sentence may have twice."""


def sentences(valence: float, arousal: float, count: int, frames: Frames = "corpus") -> list[str]:
    return [describe(valence, arousal, np.random.default_rng([7, i]), frames=frames) for i in range(count)]


@cache
def all_over(count: int, frames: Frames) -> tuple[str, ...]:
    rng = np.random.default_rng(11)
    return tuple(describe(v, a, rng, frames=frames) for v, a in rng.uniform(0.5, 7, size=(count, 2)).tolist())


def slots(frame: str) -> list[str]:
    return [name for _, name, _, _ in Formatter().parse(frame) if name]


def whole_frames() -> Iterator[str]:
    return chain.from_iterable(chain.from_iterable(WHOLE_FRAMES.values()))


def either(wording: str) -> tuple[str, ...]:
    """A wording that begins with an article, with a and with an, as the word before it may have it; or itself."""
    found = re.fullmatch(r"an? (.+)", wording)
    return (f"a {found[1]}", f"an {found[1]}") if found else (wording,)


LABEL_OF = {
    slot: {wording: label for label, grade in zip(GRADES, scale, strict=True) for wording in grade}
    for scales in OF_ONE_GRADE.values()
    for slot, scale in scales.items()
}
"""Of each slot the label of each wording."""


Part = tuple[re.Pattern[str], str | None, list[tuple[str, str]]]


@cache
def parts(frame: str) -> list[Part]:
    """A sentence's fixed texts, and after each the slot and what may stand in it, as written and as the
    vocabulary has it, the longest first.
    """
    found: list[Part] = []
    for literal, slot, _, _ in Formatter().parse(BEGINNING + frame + "."):
        fixed = re.compile(re.sub(r"\ban?\\ ", r"an?\\ ", re.escape(literal)))
        choices = LABEL_OF.get(slot, dict.fromkeys(SIDE_WORDS.get(slot, ()), 0.0)) if slot else {}
        longest = sorted(choices, key=len, reverse=True)
        found.append((fixed, slot, [(written, choice) for choice in longest for written in either(choice)]))
    return found


def words_in(text: str, at: list[Part]) -> list[str] | None:
    """What stands in the slots, or None where it is no sentence of these parts."""
    if not at:
        return None if text else []
    fixed, slot, choices = at[0]
    if not (found := fixed.match(text)):
        return None
    text = text[found.end() :]
    if slot is None:
        return words_in(text, at[1:])
    for written, choice in choices:
        if text.startswith(written) and (rest := words_in(text.removeprefix(written), at[1:])) is not None:
            return [choice, *rest]
    return None


def labels_in(text: str, frame: str) -> dict[str, list[float]]:
    """Read a sentence of a frame back: the grades of its wordings by axis."""
    found = words_in(text, parts(frame))
    assert found is not None, (text, frame)
    slots = [slot for _, slot, _ in parts(frame) if slot]
    grades: dict[str, list[float]] = {"valence": [], "arousal": []}
    for slot, wording in zip(slots, found, strict=True):
        if slot in LABEL_OF:
            grades[AXIS_OF[slot]].append(LABEL_OF[slot][wording])
    return grades


def stems(text: str) -> set[str]:
    """The words of content, without their endings."""
    found = {word for word in re.findall(r"[a-z]+", text) if len(word) > 3 and word not in GRAMMAR}
    return {re.sub(r"(?<=...[a-z])(ness|ily|ly|ing|ed|es|s|e)$", "", word)[:8] for word in found}


@given(LABELS, LABELS, SEEDS, FRAMES)
def test_a_caption_is_one_sentence_that_begins_as_the_paper_asks(valence, arousal, seed, frames):
    text = describe(valence, arousal, np.random.default_rng(seed), frames=frames)
    assert text.startswith("The person is speaking ")
    assert text.endswith(".")
    assert text.count(".") == 1
    assert text[1:] == text[1:].lower()


@pytest.mark.parametrize("frames", get_args(Frames))
def test_thousands_of_sentences_are_well_formed(frames):
    for text in all_over(10_000, frames):
        assert re.fullmatch(r"The person is speaking [a-z]+(?:[;,]? [a-z]+|-[a-z]+)*\.", text), text
        words = re.findall(r"[a-z]+", text.lower())
        assert not [word for word, following in pairwise(words) if word == following], text
        assert text.count(",") <= 4, text
        assert len(words) <= 45, text


@pytest.mark.parametrize("frames", get_args(Frames))
def test_the_article_is_an_before_a_vowel_and_a_otherwise(frames):
    for text in all_over(10_000, frames):
        for article, following in re.findall(r"\b(an?) (\w+)", text):
            spoken_as_vowel = following[0] in "aeiou" and following not in {"usual", "unison", "one"}
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


def test_every_half_of_a_frame_carries_its_attribute_alone_and_twice():
    for chosen in FRAME_SETS.values():
        for axis, halves in (
            ("arousal", chosen.heads_of_arousal + chosen.tails_of_arousal),
            ("valence", chosen.heads_of_valence + chosen.tails_of_valence),
        ):
            for half in halves:
                graded = [AXIS_OF[slot] for slot in slots(half) if slot in AXIS_OF]
                assert graded.count(axis) == len(graded) >= (1 if "{fellow}" in half else 2), half


def test_no_frame_has_two_similes_nor_a_slot_twice():
    for frame in whole_frames():
        assert sum(frame.count(sign) for sign in SIMILES) <= 1, frame
        assert len(set(slots(frame))) == len(slots(frame)), frame


@pytest.mark.parametrize("frames", get_args(Frames))
def test_the_two_sets_of_frames_open_differently_so_that_they_share_no_sentence(frames):
    openings = {text.removeprefix(BEGINNING).split()[0] for text in all_over(10_000, frames)}
    assert (openings <= WORKSHOP_OPENINGS) == (frames == "workshop")
    chosen = FRAME_SETS[frames]
    for head in chosen.heads_of_arousal + chosen.heads_of_valence:
        first = head.split()[0].strip("{},")
        words = {word.split()[0] for grade in OF_ONE_GRADE[AXIS_OF[first]][first] for word in grade} if (
            first in AXIS_OF
        ) else {first}  # fmt: skip
        assert words <= WORKSHOP_OPENINGS if frames == "workshop" else not words & WORKSHOP_OPENINGS


def test_a_wording_stands_on_one_grade_of_its_axis_alone():
    for axis, scales in OF_ONE_GRADE.items():
        labels: dict[str, set[float]] = {}
        for scale in scales.values():
            assert len(scale) == len(GRADES)
            for label, grade in zip(GRADES, scale, strict=True):
                assert len(set(grade)) == len(grade)
                for wording in grade:
                    labels.setdefault(wording, set()).add(label)
        assert not {wording for wording, found in labels.items() if len(found) > 1}
        assert len(labels) >= 380, axis


def test_the_two_axes_share_no_wording():
    arousal, valence = (
        {wording for scale in scales.values() for grade in scale for wording in grade}
        for scales in OF_ONE_GRADE.values()
    )
    assert not arousal & valence


def test_no_two_words_that_meet_in_a_sentence_are_the_same():
    meeting = {pair for frame in whole_frames() for pair in combinations(sorted(slots(frame)), 2)}
    for one, other in meeting:
        if one in SIDE_WORDS and other in SIDE_WORDS:
            continue
        tables = [
            [list(map(stems, grade)) for grade in OF_ONE_GRADE[AXIS_OF[slot]][slot]]
            if slot in AXIS_OF
            else [list(map(stems, SIDE_WORDS[slot]))]
            for slot in (one, other)
        ]
        near = AXIS_OF.get(one) == AXIS_OF.get(other)
        for (i, grade), (j, another) in product(*map(list, map(enumerate, tables))):
            if not near or abs(i - j) <= 1:
                shared = [a & b for a, b in product(grade, another) if a & b]
                assert not shared, (one, other, shared)


@pytest.mark.parametrize(
    ("read", "table", "message"),
    [
        (read_scale, "soft\nloud", "a table of words must have 14 lines, found 2: 'soft'"),
        (read_moods, "\n".join(["sad | glad"] * 14), "a mood table must have 3 columns, found 2: 'sad'"),
    ],
)
def test_a_table_of_another_shape_is_refused(read, table, message):
    with pytest.raises(ValueError, match=message):
        read(table)


@pytest.mark.parametrize("frames", get_args(Frames))
def test_every_frame_says_a_higher_grade_of_a_higher_label(frames):
    rng = np.random.default_rng(5)
    for frame in chain(*WHOLE_FRAMES[frames]):
        other = float(rng.choice(GRADES))
        for label in GRADES:
            rising = labels_in(fill(frame, label, other, rng), frame)["valence"]
            assert set(rising) == {label}, frame
            rising = labels_in(fill(frame, other, label, rng), frame)["arousal"]
            assert set(rising) == {label}, frame


def test_the_mean_grade_of_a_frame_rises_with_labels_between_the_grades():
    rng = np.random.default_rng(6)
    labels = np.arange(3.0, 5.01, 0.2)
    for half in range(2):
        frame = WHOLE_FRAMES["corpus"][half][17]
        for axis in ("valence", "arousal"):
            means = []
            for label in labels.tolist():
                pair = (label, 4.0) if axis == "valence" else (4.0, label)
                read = [labels_in(fill(frame, *pair, rng), frame)[axis] for _ in range(400)]
                means.append(np.mean(read))
            assert means == pytest.approx(labels, abs=0.06)
            assert all(low < high for low, high in pairwise(means))


@pytest.mark.parametrize("step", range(13))
def test_a_step_of_half_a_point_changes_the_wording(step):
    lower, upper = 0.5 + 0.5 * step, 1.0 + 0.5 * step
    for one, other in (((lower, 4.0), (upper, 4.0)), ((4.0, lower), (4.0, upper))):
        assert not set(sentences(*one, 50)) & set(sentences(*other, 50))


def test_every_cell_has_a_hundred_thousand_wordings_and_more():
    for band, frames in product(range(3), get_args(Frames)):
        sizes = {
            slot: np.array([len(grade) for grade in scale])
            for scales in (SCALES_OF_AROUSAL, SCALES_OF_VALENCE)
            for slot, scale in scales.items()
        } | {slot: np.array([len(line[band]) for line in moods]) for slot, moods in SCALES_OF_MOOD.items()}
        cells = np.zeros((14, 14), dtype=int)  # valence, arousal
        for frame in chain(*WHOLE_FRAMES[frames]):
            graded = [slot for slot in slots(frame) if slot in AXIS_OF]
            of_valence = np.prod([sizes[slot] for slot in graded if AXIS_OF[slot] == "valence"], axis=0)
            of_arousal = np.prod([sizes[slot] for slot in graded if AXIS_OF[slot] == "arousal"], axis=0)
            cells += np.outer(of_valence, of_arousal)
        assert cells.min() >= (100_000 if frames == "corpus" else 40_000)


@pytest.mark.parametrize(("valence", "arousal"), [(4.0, 4.0), (4.2, 4.4), (1.0, 7.0), (6.5, 1.5)])
def test_sentences_of_one_cell_practically_always_differ(valence, arousal):
    drawn = sentences(valence, arousal, 2000)
    assert len(set(drawn)) >= 1980


def test_a_label_between_two_grades_takes_words_of_both_more_often_of_the_nearer():
    lower, upper = (set(PACE[GRADES.index(label)]) for label in (4.0, 4.5))
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
