"""CLAP-template's captions: a fixed sentence for each emotion class (section 4.1 of the paper)."""

from __future__ import annotations

from pipeline.manifest import EMOTIONS, Utterance


def emotion_of(utterance: Utterance, variant: str) -> str:
    """The code of its class. Raises ValueError where it has none, naming the captions that need one."""
    if utterance.emotion not in EMOTIONS:
        raise ValueError(
            f"the captions `{variant}` need an emotion of {' '.join(EMOTIONS)}, found "
            f"{utterance.emotion!r} for {utterance.id!r}: give it one, drop the utterance, or train without "
            f"the methods that learn from these captions"
        )
    return utterance.emotion


def template(utterance: Utterance) -> str:
    """`speech has {label} emotion`. Raises ValueError where the utterance has no such class."""
    return f"speech has {EMOTIONS[emotion_of(utterance, 'template')]} emotion"
