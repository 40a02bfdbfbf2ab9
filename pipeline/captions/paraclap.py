"""ParaCLAP's captions: how high each acoustic measure of a clip is among the training clips'.

After Jing et al. (2024), ParaCLAP. Theirs are measured by openSMILE; the paper measures with Praat.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from pipeline.captions.acoustics import Acoustics
from pipeline.manifest import TRAIN, Utterance

LOW_UP_TO, HIGH_FROM = 0.3, 0.7
"""Quantiles of the training clips."""

Bins = tuple[float, float]
"""A measure is low up to the first and high from the second."""

FeatureSet = Literal["paper", "original"]

FEATURE_SETS: dict[FeatureSet, dict[str, str]] = {
    "paper": {
        "pitch": "pitch",
        "jitter": "jitter",
        "shimmer": "shimmer",
        "articulation_rate": "articulation rate",
    },
    "original": {
        "pitch": "pitch",
        "pitch_variation": "pitch variation",
        "intensity": "loudness",
        "jitter": "jitter",
        "shimmer": "shimmer",
        "duration": "duration",
    },
}
"""What section 4.1 of the paper names, and what ParaCLAP itself describes: measure → its name in a sentence."""

NOTHING_MEASURED = "speaker has no voice"
"""Where no measure could be taken: then not even a pitch was heard."""


def caption_acoustics(
    utterances: Sequence[Utterance], measured: Mapping[str, Acoustics], features: FeatureSet = "paper"
) -> list[str]:
    """`speaker has a high pitch and has a low jitter and …` of each utterance; `measured` is by utterance id.

    Low, normal and high part the training clips at their 0.3 and 0.7 quantiles; no other split has a say. A
    measure that is missing, or that no training clip has, is left out of the sentence. Raises ValueError where
    there is no training clip.
    """
    training = [measured[utterance.id] for utterance in utterances if utterance.split == TRAIN]
    if not training:
        raise ValueError(
            f"the captions `paraclap` must have clips in split {TRAIN!r} to tell high from low, found none among "
            f"{len(utterances)}"
        )
    names = FEATURE_SETS[features]
    bins = {feature: fit_bins([getattr(clip, feature) for clip in training]) for feature in names}
    return [_sentence(measured[utterance.id], names, bins) for utterance in utterances]


def fit_bins(values: Sequence[float]) -> Bins | None:
    """The 0.3 and 0.7 quantiles of what is not missing; None where all is."""
    known = np.asarray(values, np.float64)
    known = known[~np.isnan(known)]
    if not len(known):
        return None
    low, high = np.quantile(known, (LOW_UP_TO, HIGH_FROM)).tolist()
    return low, high


def level(value: float, bins: Bins) -> str:
    """`low`, `normal` or `high`; all is normal where the two bounds are one."""
    low, high = bins
    if low < high and value <= low:
        return "low"
    return "high" if low < high and value >= high else "normal"


def _sentence(clip: Acoustics, names: Mapping[str, str], bins: Mapping[str, Bins | None]) -> str:
    clauses = [
        f"has a {level(value, bounds)} {name}"
        for feature, name in names.items()
        if not np.isnan(value := getattr(clip, feature)) and (bounds := bins[feature]) is not None
    ]
    return f"speaker {' and '.join(clauses)}" if clauses else NOTHING_MEASURED
