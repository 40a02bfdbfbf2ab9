"""What every reader returns."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline.manifest import Utterance


@dataclass(frozen=True)
class Corpus:
    """What a reader found."""

    utterances: list[Utterance]
    source: str
    """Where it was found, as errors name it."""
    left_out: dict[str, int] = field(default_factory=dict)
    """Why rows were left out → how many."""
    notes: list[str] = field(default_factory=list)
    """What a person must be told: counts that differ from the published ones, files that disagree."""
