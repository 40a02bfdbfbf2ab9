"""One question to the model: what is asked for, and the name by which its answer is kept."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Kind = Literal["va", "clap4emo", "plane", "voc", "aoc"]
"""What the answer is for: a variant of captions, the plane, or one of the ordinality test's halves, kept apart."""

CAPTIONS_PER_ANSWER: dict[str, int] = {"va": 1, "clap4emo": 3, "plane": 1, "voc": 1, "aoc": 1}


class Question(NamedTuple):
    """What is asked of one model for all cells and draws."""

    model: str
    prompt_hash: str
    kind: str


class Key(NamedTuple):
    """What an answer belongs to."""

    model: str
    prompt_hash: str
    kind: str
    cell: str
    """Valence, arousal and perhaps dominance as `4.25 3.5`, or an emotion class and a word as `A furious`."""
    draw: int

    @property
    def question(self) -> Question:
        """What it has in common with other cells and draws."""
        return Question(self.model, self.prompt_hash, self.kind)


@dataclass(frozen=True, slots=True)
class Request:
    """A question. Two are the same where their keys are."""

    key: Key
    text: str = field(compare=False)
    otherwise: Request | None = field(default=None, compare=False)
    """The same in other words, or to another model: for when this one stays without a caption."""

    def id(self, attempt: int = 0) -> str:
        """A short name, for a batch and for a server that knows idempotency keys."""
        return hashlib.sha256(json.dumps([*self.key, attempt]).encode()).hexdigest()[:32]

    def __str__(self) -> str:
        return f"{self.key.kind} {self.key.cell}, draw {self.key.draw}"
