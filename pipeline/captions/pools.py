"""CLAP4emo's captions without an LLM: a pool of a class, drawn by the lexicon around the class's mean labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from pipeline.captions.categorical import emotion_of
from pipeline.captions.lexicon import describe
from pipeline.captions.seeding import rng_of
from pipeline.manifest import LABEL_MAX, LABEL_MIN, TRAIN, Utterance

POOL_SIZE = 600
"""Captions of a class, about as many distinct ones as the authors had."""

Spread = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]
"""Mean and standard deviation of valence and arousal, (2,) each."""


def from_class_pools(utterances: Sequence[Utterance], seed: int) -> list[str]:
    """A caption for each utterance from the pool of its emotion class.

    A pool's valence and arousal are drawn from the normal distribution with the mean and deviation of the class's
    labels in the train split, each attribute alone. Raises ValueError for an utterance without a class, and for
    a class that the train split does not have.
    """
    spreads = class_spreads(utterances)
    pools: dict[str, list[str]] = {}
    captions = []
    for utterance in utterances:
        code = emotion_of(utterance, "clap4emo")
        if code not in spreads:
            raise ValueError(
                f"the captions `clap4emo` need utterances of each class in the {TRAIN} split, found none of "
                f"{code}, the class of {utterance.id!r}: drop that class, or train without the method"
            )
        if code not in pools:
            pools[code] = _pool(code, spreads[code], seed)
        captions.append(pools[code][rng_of(seed, "clap4emo", utterance.id).integers(POOL_SIZE)])
    return captions


def class_spreads(utterances: Sequence[Utterance]) -> Mapping[str, Spread]:
    """How the labels of each class are spread in the train split; no other split is looked at."""
    labels: dict[str, list[tuple[float, float]]] = {}
    for utterance in utterances:
        if utterance.split == TRAIN:
            of_class = labels.setdefault(emotion_of(utterance, "clap4emo"), [])
            of_class.append((utterance.valence, utterance.arousal))
    return {code: (np.mean(found, axis=0), np.std(found, axis=0)) for code, found in labels.items()}


def _pool(code: str, spread: Spread, seed: int) -> list[str]:
    sentences = []
    for number in range(POOL_SIZE):
        rng = rng_of(seed, "clap4emo pool", code, number)
        valence, arousal = np.clip(rng.normal(*spread), LABEL_MIN, LABEL_MAX).tolist()
        sentences.append(describe(valence, arousal, rng))
    return sentences
