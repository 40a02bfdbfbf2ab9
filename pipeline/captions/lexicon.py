"""The offline captioner: valence and arousal to a sentence, in the manner that Figure 2 of the paper asks for."""

from __future__ import annotations

import math
import re

import numpy as np

from pipeline.captions.frames import FRAME_SETS, Frames
from pipeline.captions.scales import CALM, EVEN, GRADES, LIVELY
from pipeline.captions.words_of_arousal import DELIVERY, ENERGY, GAIT, LIKENESS, MELODY, PACE, VOICE
from pipeline.captions.words_of_valence import FEELING, FELLOW, MOOD, TEMPER, TONE, TRACE

BEGINNING = "The person is speaking "
"""How the paper's prompt has every description start."""

SCALES_OF_AROUSAL = {
    "voice": VOICE,
    "pace": PACE,
    "energy": ENERGY,
    "melody": MELODY,
    "gait": GAIT,
    "delivery": DELIVERY,
    "likeness": LIKENESS,
}
SCALES_OF_VALENCE = {"tone": TONE, "trace": TRACE, "temper": TEMPER, "fellow": FELLOW}
SCALES_OF_MOOD = {"mood": MOOD, "feeling": FEELING}

SIDE_WORDS = {
    "surely": ("obviously", "unmistakably", "evidently", "recognisably", "distinctly", "manifestly"),
    "word": ("word", "phrase", "syllable", "sentence"),
    "a_note": ("a note", "an air", "a hint", "a sense", "a feeling", "a mood"),
    "manner": ("manner", "way", "style"),
    "tempo": ("pace", "tempo"),
    "pitch": ("intonation", "pitch", "melody"),
}
"""Choices that say nothing of valence or arousal."""

CALM_BELOW, LIVELY_FROM = 3.5, 5.0
"""Arousal that parts the columns of a mood table."""

WHOLE_FRAMES = {name: (frames.arousal_first(), frames.valence_first()) for name, frames in FRAME_SETS.items()}
"""By the set: those that begin with arousal, and those that begin with valence."""


def describe(valence: float, arousal: float, rng: np.random.Generator, *, frames: Frames = "corpus") -> str:
    """Describe a speaking style in one sentence.

    Valence and arousal are on 1..7; the vocabulary has 14 grades of each from 0.5 to 7, and what lies outside
    counts as the nearest of them. A value between two grades takes its words from both, more often from the
    nearer. The same state of `rng` gives the same sentence. The frames `workshop` share the words of `corpus`
    but no sentence. Raises ValueError for a label that is not a finite number.
    """
    for name, label in (("valence", valence), ("arousal", arousal)):
        if not math.isfinite(label):
            raise ValueError(f"{name} must be a finite number, found {label}")
    return fill(_draw(WHOLE_FRAMES[frames][int(rng.integers(2))], rng), valence, arousal, rng)


def fill(frame: str, valence: float, arousal: float, rng: np.random.Generator) -> str:
    """Write the sentence of a frame: words of these finite labels in its slots."""
    slots = {name: _draw(scale[_grade(arousal, rng)], rng) for name, scale in SCALES_OF_AROUSAL.items()}
    slots |= {name: _draw(scale[_grade(valence, rng)], rng) for name, scale in SCALES_OF_VALENCE.items()}
    band = CALM if arousal < CALM_BELOW else EVEN if arousal < LIVELY_FROM else LIVELY
    slots |= {name: _draw(scale[_grade(valence, rng)][band], rng) for name, scale in SCALES_OF_MOOD.items()}
    slots |= {name: _draw(words, rng) for name, words in SIDE_WORDS.items()}
    return _with_articles(BEGINNING + frame.format(**slots)) + "."


def _grade(label: float, rng: np.random.Generator) -> int:
    """The line for a label; between two lines either, by how near they are."""
    clamped = min(max(label, GRADES[0]), GRADES[-1])
    position = (clamped - GRADES[0]) / (GRADES[1] - GRADES[0])
    return min(int(position + rng.random()), len(GRADES) - 1)


def _draw(words: tuple[str, ...], rng: np.random.Generator) -> str:
    return words[int(rng.integers(len(words)))]


def _with_articles(sentence: str) -> str:
    """Write a before a consonant and an before a vowel, as they are spoken."""
    return re.sub(r"\ban? (?=(\w+))", lambda found: "an " if _is_vowel(found[1]) else "a ", sentence)


def _is_vowel(word: str) -> bool:
    return word[0] in "aeiou" and not word.startswith(("eu", "uni", "us", "one"))
