"""How much of the ordinality test's wording was seen in training."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

NEAR = 0.9
"""Sentences are near where so much of their distinct words, taken together, is in both (Jaccard's index)."""

BLOCK = 1024


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
    """Compare each distinct prompt with every distinct caption."""
    asked, known = sorted(set(prompts)), set(captions)
    exact = sum(text in known for text in asked)
    bags = [_words(text) for text in asked]
    others = sorted({tuple(sorted(_words(text))) for text in known})
    column = {word: i for i, word in enumerate(sorted(set().union(*bags)))}
    ours = _matrix(bags, column)
    # shared / (a + b - shared) ≥ NEAR is shared - c b ≥ c a, so that one maximum a prompt decides it.
    c = NEAR / (1 + NEAR)
    highest = np.full(len(asked), -np.inf, dtype=np.float32)
    for start in range(0, len(others), BLOCK):
        block = [set(words) for words in others[start : start + BLOCK]]
        shared = ours @ _matrix(block, column).T
        shared -= np.array([c * len(bag) for bag in block], dtype=np.float32)
        np.maximum(highest, shared.max(axis=1), out=highest)
    near = (
        highest >= np.array([c * len(bag) for bag in bags]) - 1e-3
    )  # two values that differ do so by 1/19 or more
    return Overlap(len(asked), exact, int(near.sum()))


def _words(text: str) -> set[str]:
    return set(re.findall(r"[^\W_]+", text.lower()))


def _matrix(bags: list[set[str]], column: dict[str, int]) -> np.ndarray:
    """(bags, columns), one where a word is there; words without a column are left out."""
    matrix = np.zeros((len(bags), len(column)), dtype=np.float32)
    for row, bag in enumerate(bags):
        matrix[row, [column[word] for word in bag if word in column]] = 1
    return matrix
