"""The manifest: one row per utterance, and everything that later stages need to know about it."""

from __future__ import annotations

from dataclasses import dataclass

LABEL_MIN, LABEL_MAX = 1.0, 7.0
"""The scale of valence, arousal and dominance: self-assessment manikins from 1 to 7, as in MSP-Podcast."""

TRAIN, DEVELOPMENT, TEST1 = "train", "development", "test1"


@dataclass(frozen=True, slots=True)
class Utterance:
    """What a corpus says about one clip, before the clip itself is looked at.

    `path` is relative to the corpus's root, with forward slashes; labels are on 1..7.
    """

    id: str
    path: str
    split: str
    valence: float
    arousal: float
    dominance: float | None = None
    emotion: str | None = None
    speaker: str | None = None
    transcript: str | None = None
