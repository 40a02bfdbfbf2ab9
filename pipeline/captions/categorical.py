"""CLAP-template's captions: a fixed sentence for each emotion class (section 4.1 of the paper)."""

from __future__ import annotations

from pipeline.manifest import Utterance

EMOTION_LABELS = {
    "A": "anger",
    "S": "sadness",
    "H": "happiness",
    "U": "surprise",
    "F": "fear",
    "D": "disgust",
    "C": "contempt",
    "N": "neutral",
}
"""The classes of MSP-Podcast by their codes, without X (no agreement) and O (other), which the paper drops."""


def template(utterance: Utterance) -> str:
    """`speech has {label} emotion`. Raises ValueError where the utterance has no such class."""
    label = EMOTION_LABELS.get(utterance.emotion or "")
    if label is None:
        raise ValueError(
            f"the captions `template` need an emotion of {' '.join(EMOTION_LABELS)}, found "
            f"{utterance.emotion!r} for {utterance.id!r}: give it one, drop the utterance, or train without "
            f"the methods that learn from these captions"
        )
    return f"speech has {label} emotion"
