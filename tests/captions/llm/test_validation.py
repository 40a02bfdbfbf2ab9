"""What counts as a caption."""

import pytest
from hypothesis import given, strategies as st

from pipeline.captions.lexicon import describe
from pipeline.captions.llm.validation import check_answer
from pipeline.captions.seeding import rng_of

GOOD = "The person is speaking in a soft voice, with joy in the tone."


@pytest.mark.parametrize(
    "raw",
    [
        GOOD,
        f"  {GOOD}\n",
        f'"{GOOD}"',
        f"“{GOOD}”",
        f"**{GOOD}**",
        GOOD[:-1],
        GOOD.replace("speaking", "speaking ..."),
        GOOD.replace("speaking", "speaking…"),
        f"1. {GOOD}",
        f"- {GOOD}",
        f"<think>\nIt is 4.\n\nHm.</think>\n\n{GOOD}",
    ],
)
def test_what_surrounds_a_good_sentence_is_taken_off(raw):
    assert check_answer(raw, "va") == (GOOD, None)


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ("", "the answer is empty"),
        ("   \n ", "the answer is empty"),
        ("Sure! Here you are:\n" + GOOD, "1 line must be there, found 2"),
        ("the person is speaking in a soft voice with joy.", "must begin with 'The person is speaking'"),
        ("The person is speakingly soft in a way.", "must begin with"),
        ("I'm sorry, but I cannot help with that request.", "must begin with"),
        (GOOD.replace("soft", "7"), "must have no digits, found '7'"),
        (GOOD.replace("soft", "½"), "must have no digits, found '½'"),
        (GOOD.replace("soft", "٣"), "must have no digits"),
        ("The person is speaking softly. They seem glad of it all.", "must be one sentence"),
        ("The person is speaking softly! They seem glad of it all.", "must be one sentence"),
        ("The person is speaking in a soft voice, is it with joy?", "must be one sentence"),
        ("The person is speaking in a {mood} voice, with joy in it.", "must be one sentence"),
        ("The person is speaking softly.", "must have 6 to 70 words, found 5"),
        ("The person is speaking " + "in a way " * 30 + "softly.", "must have 6 to 70 words, found 95"),
        ("The person is speaking mit leiser Stimme, sehr freundlich klingend.", "must be English"),
        ("The person is speaking 柔らかい 声 で in a way.", "must be English"),
    ],
)
def test_anything_else_is_refused_with_the_reason(raw, problem):
    answer, found = check_answer(raw, "va")
    assert answer is None
    assert problem in found


def test_three_captions_are_three_lines_that_differ():
    lines = [GOOD, GOOD.replace("soft", "loud"), GOOD.replace("soft", "thin")]
    listed = "\n\n".join(f"{i}) {line}" for i, line in enumerate(lines, start=1))
    assert check_answer(listed, "clap4emo") == ("\n".join(lines), None)
    assert check_answer("\n".join(lines[:2]), "clap4emo") == (None, "3 lines must be there, found 2")
    assert "found one twice" in check_answer("\n".join([*lines[:2], lines[0]]), "clap4emo")[1]
    assert "no digits" in check_answer("\n".join([*lines[:2], GOOD.replace("soft", "3")]), "clap4emo")[1]


@given(st.floats(0.5, 7), st.floats(0.5, 7), st.integers(0, 10**6))
def test_every_sentence_of_the_lexicon_would_pass(valence, arousal, seed):
    text = describe(valence, arousal, rng_of(seed))
    assert check_answer(text, "va") == (text, None)


@given(st.text(max_size=300))
def test_no_answer_is_too_odd_to_judge(raw):
    answer, problem = check_answer(raw, "va")
    assert (answer is None) != (problem is None)
