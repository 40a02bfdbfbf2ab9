"""The offline captioner: valence and arousal to a sentence, in the manner that Figure 2 of the paper asks for.

A sentence is a head and a tail. One speaks of arousal (voice, pace, energy, melody), the other of valence
(tone, mood), in either order, so that every sentence carries both.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.captions.words import (
    CALM,
    ENERGY,
    EVEN,
    FEELING,
    GRADES,
    LIVELY,
    MELODY,
    MOOD,
    PACE,
    TONE,
    TRACE,
    VOICE,
)

BEGINNING = "The person is speaking "
"""How the paper's prompt has every description start."""

SCALES_OF_AROUSAL = {"voice": VOICE, "pace": PACE, "energy": ENERGY, "melody": MELODY}
SCALES_OF_VALENCE = {"tone": TONE, "trace": TRACE}
SCALES_OF_MOOD = {"mood": MOOD, "feeling": FEELING}

SIDE_WORDS = {
    "surely": ("clearly", "plainly", "audibly", "unmistakably", "evidently", "noticeably", "distinctly"),
    "word": ("word", "phrase", "syllable", "sentence"),
    "a_note": ("a note", "an air", "an undertone", "a sense", "a feeling", "a mood"),
    "manner": ("manner", "way", "style"),
    "tempo": ("pace", "tempo"),
    "pitch": ("intonation", "pitch", "melody"),
}
"""Choices that say nothing of valence or arousal."""

CALM_BELOW, LIVELY_FROM = 3.5, 5.0
"""Arousal that parts the columns of a mood table."""

Frames = Literal["corpus", "workshop"]


@dataclass(frozen=True)
class FrameSet:
    """Halves of sentences with slots. A head of arousal takes any tail of valence, and the other way round."""

    heads_of_arousal: tuple[str, ...]
    tails_of_valence: tuple[str, ...]
    heads_of_valence: tuple[str, ...]
    tails_of_arousal: tuple[str, ...]


# No sentence can come from both: a head of the one begins with in, with or at, of the other with none of them.
FRAME_SETS: dict[Frames, FrameSet] = {
    "corpus": FrameSet(
        heads_of_arousal=(
            "in a {voice} voice at a {pace} {tempo}",
            "in a {voice}, {pace} {manner}",
            "in a {voice} voice with a {melody} {pitch}",
            "with {energy} and a {melody} {pitch}",
            "with a {voice} delivery and {energy}",
            "at a {pace} {tempo} and with {energy}",
            "at a {pace} {tempo}, with a {melody} {pitch}",
        ),
        tails_of_valence=(
            ", sounding {feeling}, and the tone is {surely} {tone}",
            ", in a {tone} tone that {surely} conveys {mood}",
            ", and the {tone} tone carries {a_note} of {mood}",
            ", coming across as {feeling}, while every {word} {trace}",
            ", with {a_note} of {mood} and a {tone} quality to the voice",
            ", revealing {mood}, so that each {word} {trace}",
            ", and the tone is {tone}, so that every {word} {trace}",
        ),
        heads_of_valence=(
            "in a {tone} tone that {surely} conveys {mood}",
            "in a {tone} {manner}, sounding {feeling}",
            "with {a_note} of {mood} and a {tone} tone",
            "with {mood} in the voice, so that every {word} {trace}",
            "in a {manner} that sounds {feeling}, and each {word} {trace}",
        ),
        tails_of_arousal=(
            ", keeping the voice {voice} and the {tempo} {pace}",
            ", with a {voice} voice and {energy}",
            ", at a {pace} {tempo}, with {energy}",
            ", the {tempo} {pace} and the {pitch} {melody}",
            ", while the voice is {voice} and the {pitch} {melody}",
            ", and does so with {energy} at a {pace} {tempo}",
            ", using {energy} and a {melody} {pitch}",
        ),
    ),
    "workshop": FrameSet(
        heads_of_arousal=(
            "so that the voice is {voice} and the {tempo} {pace}",
            "using {energy} and a {voice} voice",
            "using a {melody} {pitch} and a {pace} {tempo}",
            "like someone with {energy} and a {melody} {pitch}",
            "while the {tempo} is {pace} and the delivery {voice}",
            "as one does with {energy} at a {pace} {tempo}",
            "like someone whose voice is {voice} and whose {pitch} is {melody}",
        ),
        tails_of_valence=(
            "; the tone is {tone} and the person seems {feeling}",
            "; each {word} {trace}, and the tone is {surely} {tone}",
            "; there is {mood} in a tone that is {tone}",
            ", and {feeling} is how it sounds, since every {word} {trace}",
            "; what one hears is {mood}, and each {word} {trace}",
            ", with {mood} behind a {tone} tone",
            ", seeming {feeling}, in a {tone} {manner}",
        ),
        heads_of_valence=(
            "like someone who is {feeling}, with a {tone} tone",
            "as if moved by {mood}, so that every {word} {trace}",
            "so that one hears {mood} and a {tone} tone",
            "while seeming {feeling}, and each {word} {trace}",
            "as though there were {a_note} of {mood}, in a {tone} {manner}",
        ),
        tails_of_arousal=(
            "; the voice is {voice} and the {tempo} {pace}",
            "; the {pitch} is {melody} and there is {energy} in it",
            ", having a {voice} voice with {energy}",
            "; one notices {energy} and a {pace} {tempo}",
            ", having a {voice} voice and a {melody} {pitch}",
            ", a {pace} {tempo} and a {melody} {pitch} going with it",
        ),
    ),
}


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
    head, tail = _halves(FRAME_SETS[frames], rng)
    slots = {name: _draw(scale[_grade(arousal, rng)], rng) for name, scale in SCALES_OF_AROUSAL.items()}
    slots |= {name: _draw(scale[_grade(valence, rng)], rng) for name, scale in SCALES_OF_VALENCE.items()}
    band = CALM if arousal < CALM_BELOW else EVEN if arousal < LIVELY_FROM else LIVELY
    slots |= {name: _draw(scale[_grade(valence, rng)][band], rng) for name, scale in SCALES_OF_MOOD.items()}
    slots |= {name: _draw(words, rng) for name, words in SIDE_WORDS.items()}
    return _with_articles(BEGINNING + (head + tail).format(**slots)) + "."


def _halves(frames: FrameSet, rng: np.random.Generator) -> tuple[str, str]:
    if rng.random() < 0.5:
        return _draw(frames.heads_of_arousal, rng), _draw(frames.tails_of_valence, rng)
    return _draw(frames.heads_of_valence, rng), _draw(frames.tails_of_arousal, rng)


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
