"""One utterance, from its plan to the bytes of its file."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

import numpy as np

from pipeline.sample.annotators import Annotation, Meaning, annotate, draw_meaning
from pipeline.sample.espeak import Espeak
from pipeline.sample.expression import express, perform
from pipeline.sample.recording import Format, draw_format, record
from pipeline.sample.sentences import Bank, draw_sentence
from pipeline.sample.voices import Speaker

VERSION = 1
"""Raised when the same plan comes to sound different, so that old files are not taken for new ones."""


@dataclass(frozen=True, slots=True)
class Take:
    """An utterance as planned: who says what, meaning what, and into which file."""

    speaker: Speaker
    sentence: str
    meaning: Meaning
    annotation: Annotation
    format: Format
    seed: int
    """Of everything that varies while it is spoken and recorded."""

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits that stand for everything the file's bytes depend on."""
        plan = json.dumps({"version": VERSION, **asdict(self)}, sort_keys=True)
        return hashlib.sha256(plan.encode()).hexdigest()[:12]


def plan(speaker: Speaker, bank: Bank, rng: np.random.Generator, spread: float = 1.0) -> Take:
    """Draw an utterance of a speaker; `spread` scales how far what is meant lies from the ordinary."""
    meaning = draw_meaning(rng, spread)
    return Take(
        speaker=speaker,
        sentence=draw_sentence(bank, meaning.valence, rng),
        meaning=meaning,
        annotation=annotate(meaning, rng),
        format=draw_format(rng),
        seed=int(rng.integers(2**31)),
    )


def perform_take(take: Take, espeak: Espeak) -> bytes:
    """Speak and record an utterance: the bytes of its file, the same for the same plan."""
    rng = np.random.default_rng(take.seed)
    delivery = express(take.meaning.valence, take.meaning.arousal, take.speaker, rng)
    speech = perform(espeak, take.sentence, take.speaker, delivery)
    return record(speech, take.format, rng)
