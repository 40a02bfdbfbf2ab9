"""What is measured: embeddings, by projection heads on features that many share, or by whoever has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from pipeline.features import Pairs

Features = npt.NDArray[np.float32]
Values = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Embedded:
    """A method's embeddings of one split, each of length one."""

    speech: Features
    """(N, E)"""
    text: Features
    """(N, E), the captions that alignment is measured with."""
    prompts: Features
    """(M, E), the ordinality test's prompts."""

    def of(self, rows: Rows) -> Embedded:
        """Some of the pairs, and all prompts."""
        return Embedded(self.speech[rows], self.text[rows], self.prompts)


class Embedder(Protocol):
    """What is measured: features (N, F) in, embeddings (N, E) of length one out. Projection heads are one."""

    def speech_embeddings(self, features: Features) -> Features:
        """Of clips."""

    def text_embeddings(self, features: Features) -> Features:
        """Of sentences."""


def embed(heads: Embedder, speech: Features, text: Features, prompts: Features) -> Embedded:
    """Frozen features (N, F), (N, F) and (M, F) through the heads."""
    return Embedded(
        speech=heads.speech_embeddings(speech),
        text=heads.text_embeddings(text),
        prompts=heads.text_embeddings(prompts),
    )


class Entry(Protocol):
    """What is measured: whoever has embeddings, which are made or read when they are asked for."""

    def embedded(self) -> Embedded:
        """Of the clips that are measured, their captions and the prompts."""

    def fitted(self) -> tuple[Embedded, Values] | None:
        """Of the clips that linear probes are fitted to, with their labels (N, 2); None where there are none."""


@dataclass(frozen=True)
class Projected:
    """An entry by heads, on features that many of them share."""

    heads: Embedder
    pairs: Pairs
    prompt_features: Features
    """(M, F)"""
    probed: Pairs

    def embedded(self) -> Embedded:
        """Of `pairs`."""
        return embed(self.heads, self.pairs.speech, self.pairs.text, self.prompt_features)

    def fitted(self) -> tuple[Embedded, Values]:
        """Of `probed`."""
        found = embed(self.heads, self.probed.speech, self.probed.text, self.prompt_features[:0])
        return found, self.probed.labels
