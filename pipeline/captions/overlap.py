"""How much of the ordinality test's wording was seen in training."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

NEAR = 0.9
"""Sentences are near where so much of their distinct words, taken together, is in both (Jaccard's index)."""

ROUNDING = 1e-9

RAREST = 6
"""Of a prompt's words those that a near caption has, among so many and as many as it may lack."""

NONE = np.empty(0, np.int64)

WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Overlap:
    """Of the distinct sentences of the test, how many are captions, and how many are near one."""

    sentences: int
    exact: int
    near: int
    """Those that are exact included."""

    def __str__(self) -> str:
        def share(count: int) -> str:
            return f"{count} ({100 * count / max(self.sentences, 1):.1f} %)"

        return (
            f"of {self.sentences} distinct prompts, {share(self.exact)} are a caption word for word and "
            f"{share(self.near)} are near one (Jaccard's index of their words {NEAR:g} or more)"
        )


def measure_overlap(prompts: Iterable[str], captions: Iterable[str]) -> Overlap:
    """Compare each distinct prompt with every distinct caption that could be near it.

    A near caption lacks few of a prompt's words, so has most of its rarest: only captions that do are compared.
    """
    asked, known = sorted(set(prompts)), list(set(captions))
    bags = [_words(text) for text in asked]
    vocabulary = set().union(*bags)
    having: dict[str, array[int]] = {word: array("q") for word in vocabulary}
    wordless = False
    for number, text in enumerate(known):
        words = _words(text)
        wordless = wordless or not words
        for word in words & vocabulary:
            having[word].append(number)
    near = 0
    for bag in bags:
        rarest = sorted(bag, key=lambda word: len(having[word]))[: _may_lack(len(bag)) + RAREST]
        found = [np.frombuffer(having[word], np.int64) for word in rarest if having[word]]
        numbers, counts = np.unique(np.concatenate([NONE, *found]), return_counts=True)
        candidates = numbers[counts >= len(rarest) - _may_lack(len(bag))].tolist()
        near += any(_are_near(bag, _words(known[number])) for number in candidates) if bag else wordless
    return Overlap(len(asked), len(set(asked) & set(known)), near)


def _may_lack(size: int) -> int:
    """How many of so many words a sentence may lack that is near: what is shared is at least 0.9 of them."""
    return int(size * (1 - NEAR) + ROUNDING)


def _are_near(one: set[str], other: set[str]) -> bool:
    shared = len(one & other)
    return shared >= NEAR * (len(one) + len(other) - shared) - ROUNDING


def _words(text: str) -> set[str]:
    return set(WORD.findall(text.lower()))
