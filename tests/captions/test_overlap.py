"""How much of the test's wording are captions, against a loop over all pairs."""

import re

from hypothesis import given, strategies as st

from pipeline.captions.overlap import NEAR, measure_overlap

WORDS = [f"w{i}" for i in range(14)]
TEXTS = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=14).map(" ".join), max_size=12)


def slow(prompts: list[str], captions: list[str]) -> tuple[int, int, int]:
    def words(text):
        return set(re.findall(r"\w+", text.lower()))

    asked = set(prompts)

    def is_near(one, other):
        return len(words(one) & words(other)) >= NEAR * len(words(one) | words(other)) - 1e-9

    near = {p for p in asked for c in captions if is_near(p, c)}
    return len(asked), len(asked & set(captions)), len(near)


@given(TEXTS, TEXTS)
def test_it_agrees_with_all_pairs(prompts, captions):
    found = measure_overlap(prompts, captions)
    assert (found.sentences, found.exact, found.near) == slow(prompts, captions)


def test_long_sentences_that_share_most_words_agree_with_all_pairs():
    prompts = [f"the person {i % 7} speaks softly {i} and so on and on, as ever {i % 3}" for i in range(50)]
    captions = [f"The person {i % 5} speaks softly, {i} and so on, as ever, {i % 3}!" for i in range(50)]
    found = measure_overlap(prompts, captions)
    assert (found.sentences, found.exact, found.near) == slow(prompts, captions)
    assert found.near > found.exact == 0


def test_a_sentence_without_words_is_near_another_such():
    assert measure_overlap(["..."], ["!"]).near == 1
    assert measure_overlap(["..."], ["word"]).near == 0


def test_nine_words_of_ten_are_near_and_eight_of_ten_are_not():
    text = "a b c d e f g h i j"
    assert measure_overlap([text], ["A b, c d e f g h i."]).near == 1
    assert measure_overlap([text], ["a b c d e f g h"]).near == 0


def test_it_says_what_was_counted():
    said = str(measure_overlap(["one two", "three"], ["one two"]))
    assert said.startswith("of 2 distinct prompts, 1 (50.0 %) are a caption word for word and 1 (50.0 %)")
