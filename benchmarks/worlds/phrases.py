"""Sentences about valence and arousal in words and frames of their own: none of them is the lexicon's.

A part of the simulated worlds, no command.
"""

from __future__ import annotations

import numpy as np

VALENCE = (
    "anguished, tormented, in despair, devastated",
    "miserable, wretched, grieving, bitter",
    "unhappy, hurt, sour, sullen",
    "displeased, gloomy, disheartened, sulky",
    "a little down, put out, wistful, uneasy",
    "neither glad nor sorry, impartial, matter of fact, noncommittal",
    "at ease, content, fairly pleased, agreeable",
    "glad, good-humoured, warm, friendly",
    "happy, cheerful, delighted, sunny",
    "thrilled with life, overjoyed, radiant, blissful",
)
AROUSAL = (
    "barely audible, half asleep, limp, drained",
    "listless, drowsy, faint, very sluggish",
    "slow, muted, languid, subdued",
    "unhurried, soft-spoken, mellow, slack",
    "quiet, measured, settled, level",
    "steady, ordinary in pace, neither slow nor quick, balanced",
    "awake, brisk, fairly quick, spirited",
    "animated, pressing, quick, stirred up",
    "loud, agitated, fast, fired up",
    "shouting, frantic, at the top of the lungs, beside themselves",
)
FRAMES = (
    "Someone {v}, and {a} in how they talk.",
    "A voice that is {a}; whoever it is sounds {v}.",
    "You hear somebody who is {v} and talks in a way that is {a}.",
    "The delivery is {a}, the mood {v}.",
    "Sounds {v}. The speech itself is {a}.",
    "This is {a} talk by somebody {v}.",
    "The talker comes across as {v}, with a delivery that is {a}.",
    "In tone {v}, in energy {a}.",
)
LOWEST, HIGHEST = 0.5, 7.0


def describe_in_own_words(valence: float, arousal: float, rng: np.random.Generator) -> str:
    """One sentence; labels outside 0.5 to 7 count as the nearest."""
    frame = FRAMES[int(rng.integers(len(FRAMES)))]
    sentence = frame.format(v=_word(VALENCE, valence, rng), a=_word(AROUSAL, arousal, rng))
    return sentence[0].upper() + sentence[1:]


def _word(scale: tuple[str, ...], label: float, rng: np.random.Generator) -> str:
    """A word of the line for a label; between two lines of either, by how near they are."""
    position = (min(max(label, LOWEST), HIGHEST) - LOWEST) / (HIGHEST - LOWEST) * (len(scale) - 1)
    words = scale[min(int(position + rng.random()), len(scale) - 1)].split(", ")
    return words[int(rng.integers(len(words)))]
