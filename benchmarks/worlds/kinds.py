"""In what worlds differ beside their seed.

A part of the simulated worlds, no command.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True)
class Kind:
    """How speech sounds, what captions say and how well annotators hear."""

    speech: Literal["tanh", "periodic"] = "tanh"
    """What lies between the two random layers of speech."""
    steepness: float = 1.0
    """By what its arguments are larger: how far a linear reading of speech is from what the speech holds."""
    phrases: Literal["lexicon", "own"] = "lexicon"
    """Who writes every sentence: the project's lexicon, or words and frames that share nothing with it."""
    text: Literal["mapped", "raw"] = "mapped"
    """Sentences as the encoder has them, or through a random map of two layers."""
    ambiguity: tuple[float, float] = (0.3, 0.6)
    """Between what deviations, on 1..7, a caption misses its label."""
    disagreement: float = 0.9
    """Mean deviation of one annotator's impression from what was meant."""


PLAIN = Kind()
KINDS: dict[str, Kind] = {
    "plain": PLAIN,
    "periodic": replace(PLAIN, speech="periodic", steepness=2),
    "phrases": replace(PLAIN, phrases="own"),
    "raw text": replace(PLAIN, text="raw"),
    "noisy": replace(PLAIN, disagreement=1.4),
    "exact": replace(PLAIN, ambiguity=(0.0, 0.0)),
}
"""`raw text` has the 384 numbers of all-MiniLM-L6-v2 as they are."""

STEEPER: dict[str, Kind] = {
    "steep": replace(PLAIN, steepness=3),
    "gently periodic": replace(PLAIN, speech="periodic"),
    "very periodic": replace(PLAIN, speech="periodic", steepness=3),
}
"""Kinds in which speech is read worse and worse by a line, whatever it holds."""
