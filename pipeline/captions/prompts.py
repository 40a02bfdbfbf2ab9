"""The plan of the ordinality test (section 4.2.2 of the paper): lists along which one attribute rises."""

from __future__ import annotations

from typing import get_args

from pipeline.sentences import PROMPTS_PER_LIST, Prompt, Test

STEP = 0.5
"""Both attributes take the values 0.5, 1.0 … 7.0."""


def ordinality_plan(lists: int = 100) -> list[Prompt]:
    """What to describe: `lists` lists of 14 for each of the two tests, in order.

    In a list the test's attribute runs from 0.5 to 7 in steps of 0.5 and the other one is fixed: at 0.5 in
    the first list, 0.5 more in each next one, and again at 0.5 after 7. Raises ValueError for no list at all.
    """
    if lists < 1:
        raise ValueError(f"the ordinality test must have at least 1 list, found {lists}")
    plan = []
    for test in get_args(Test):
        for number in range(lists):
            fixed = STEP * (1 + number % PROMPTS_PER_LIST)
            for position in range(PROMPTS_PER_LIST):
                rising = STEP * (1 + position)
                valence, arousal = (rising, fixed) if test == "voc" else (fixed, rising)
                plan.append(Prompt(test, number, position, valence, arousal))
    return plan
