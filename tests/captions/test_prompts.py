"""The ordinality test's plan is section 4.2.2's, and its sentences are new."""

from itertools import groupby

import pytest
from hypothesis import given, strategies as st

from pipeline.captions.captioning import caption_prompts, word_prompts
from pipeline.captions.prompts import ordinality_plan
from pipeline.sentences import Prompt

RISING = [0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0, 6.5, 7.0]


def lists_of(plan: list[Prompt]) -> dict[tuple[str, int], list[Prompt]]:
    return {key: list(rows) for key, rows in groupby(plan, key=lambda p: (p.test, p.list))}


def test_the_plan_is_a_hundred_lists_of_fourteen_for_either_test():
    plan = ordinality_plan()
    assert len(plan) == 2 * 100 * 14
    assert list(lists_of(plan)) == [(test, n) for test in ("voc", "aoc") for n in range(100)]
    assert all([p.position for p in rows] == list(range(14)) for rows in lists_of(plan).values())


@pytest.mark.parametrize(
    ("test", "varied", "fixed"), [("voc", "valence", "arousal"), ("aoc", "arousal", "valence")]
)
def test_one_attribute_rises_while_the_other_stays(test, varied, fixed):
    for (name, _), rows in lists_of(ordinality_plan()).items():
        if name == test:
            assert [getattr(p, varied) for p in rows] == RISING
            assert len({getattr(p, fixed) for p in rows}) == 1


@pytest.mark.parametrize(("test", "fixed"), [("voc", "arousal"), ("aoc", "valence")])
def test_the_fixed_attribute_grows_by_half_a_point_and_starts_over_after_seven(test, fixed):
    by_list = lists_of(ordinality_plan())
    values = [getattr(by_list[test, n][0], fixed) for n in range(100)]
    assert values == [RISING[n % 14] for n in range(100)]
    assert values[:2] + values[13:15] == [0.5, 1.0, 7.0, 0.5]


def test_fewer_lists_are_the_first_of_more():
    by_list = lists_of(ordinality_plan(20))
    assert all(by_list[key] == rows for key, rows in lists_of(ordinality_plan(3)).items())


def test_a_test_without_lists_is_refused():
    with pytest.raises(ValueError, match="at least 1 list, found 0"):
        ordinality_plan(0)


def test_no_sentence_repeats_within_a_list():
    worded = word_prompts(ordinality_plan(), seed=0)
    assert all(len({p.text for p in rows}) == 14 for rows in lists_of(worded).values())


def test_lists_of_the_same_labels_have_other_sentences():
    by_list = lists_of(word_prompts(ordinality_plan(15), seed=0))
    for test in ("voc", "aoc"):
        first, again = by_list[test, 0], by_list[test, 14]
        assert [(p.valence, p.arousal) for p in first] == [(p.valence, p.arousal) for p in again]
        assert all(p.text != q.text for p, q in zip(first, again, strict=True))


@given(st.sets(st.integers(0, 27)), st.integers(0, 3))
def test_a_sentence_that_is_a_caption_is_drawn_again_and_only_that(excluded, seed):
    plan = ordinality_plan(1)
    before = word_prompts(plan, seed)
    captions = {before[i].text for i in excluded}
    after = word_prompts(plan, seed, captions)
    assert not captions & {p.text for p in after}
    assert {i for i in range(28) if before[i] != after[i]} == excluded


@given(st.permutations(ordinality_plan(1)))
def test_a_prompt_does_not_depend_on_the_order_of_the_plan(plan):
    expected = {(p.test, p.position): p.text for p in word_prompts(ordinality_plan(1), seed=5)}
    assert {(p.test, p.position): p.text for p in word_prompts(plan, seed=5)} == expected


def test_a_prompt_does_not_depend_on_how_many_lists_there_are():
    short, long = (caption_prompts(lists, 0, set()).to_pylist() for lists in (2, 4))
    assert all(row in long for row in short)


def test_another_seed_gives_other_sentences():
    one, other = (word_prompts(ordinality_plan(1), seed) for seed in (0, 1))
    assert all(p.text != q.text for p, q in zip(one, other, strict=True))


def test_where_every_sentence_is_a_caption_the_labels_are_named():
    class Everything(set[str]):
        def __contains__(self, text: object) -> bool:
            return True

    with pytest.raises(RuntimeError, match=r"no caption .* 1000 draws for valence 0\.5, arousal 0\.5"):
        word_prompts(ordinality_plan(1), 0, Everything())
