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


def emotion_of(utterance: Utterance, variant: str) -> str:
    """The code of its class. Raises ValueError where it has none, naming the captions that need one."""
    if utterance.emotion not in EMOTION_LABELS:
        raise ValueError(
            f"the captions `{variant}` need an emotion of {' '.join(EMOTION_LABELS)}, found "
            f"{utterance.emotion!r} for {utterance.id!r}: give it one, drop the utterance, or train without "
            f"the methods that learn from these captions"
        )
    return utterance.emotion


def template(utterance: Utterance) -> str:
    """`speech has {label} emotion`. Raises ValueError where the utterance has no such class."""
    return f"speech has {EMOTION_LABELS[emotion_of(utterance, 'template')]} emotion"
