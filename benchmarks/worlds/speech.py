"""Speech features of what was meant, with the error by which a probe reaches the published concordance.

A part of the simulated worlds, no command.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pipeline.manifest import TRAIN
from pipeline.measures.probe import concordance
from worlds.arrays import Doubles, Features
from worlds.labels import TEST1, Heard
from worlds.maps import RandomMap

CONCORDANCE = (0.58, 0.62)
"""A linear probe's, valence and arousal: the published one of the fine-tuned WavLM on unseen speakers."""

PROBE_ROWS = 12_000
PENALTY = 1e-3
"""Of the probe's ridge, as a share of the mean variance of a feature."""


def latent(heard: Heard, errors: tuple[float, float]) -> Features:
    """What the speech of a split is made of, (N, 3 + SPEAKER_SIZE + CONTENT_SIZE)."""
    deviations = np.array([*errors, sum(errors) / 2])
    sounding = heard.meant + deviations * heard.unheard - 4
    return np.hstack([1.5 * sounding.astype(np.float32), heard.voice])


def calibrate(
    speak: RandomMap, heard: Mapping[str, Heard], *, rounds: int = 2, halvings: int = 7
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Errors of valence and arousal by which a linear probe reaches CONCORDANCE, and what it reaches.

    By bisection on the one and then the other, in rounds, since they correlate.
    """
    errors = [1.0, 1.0]
    for turn in range(rounds):
        for attribute in (0, 1):
            low, high = (0.0, 4.0) if turn == 0 else (0.7 * errors[attribute], 1.4 * errors[attribute])
            for _ in range(halvings):
                errors[attribute] = (low + high) / 2
                if _probe_speech(speak, heard, errors)[attribute] > CONCORDANCE[attribute]:
                    low = errors[attribute]
                else:
                    high = errors[attribute]
    return (errors[0], errors[1]), _probe_speech(speak, heard, errors)


def _probe_speech(speak: RandomMap, heard: Mapping[str, Heard], errors: list[float]) -> tuple[float, float]:
    features, labels = [], []
    for name, rows in ((TRAIN, PROBE_ROWS), (TEST1, PROBE_ROWS // 2)):
        features.append(speak(latent(heard[name], (errors[0], errors[1]))[:rows]))
        labels.append(heard[name].labels[:rows])
    return probe(features[0], labels[0], features[1], labels[1])


def probe(
    features: Features, labels: Doubles, test_features: Features, test_labels: Doubles
) -> tuple[float, float]:
    """Concordance of a ridge regression, valence and arousal."""
    mean, target = features.mean(axis=0), labels.mean(axis=0)
    centred = features - mean
    gram = centred.T @ centred
    gram[np.diag_indices_from(gram)] += PENALTY * np.trace(gram) / len(gram)
    weights = np.linalg.solve(gram, centred.T @ (labels - target).astype(np.float32))
    predicted = (test_features - mean) @ weights + target
    valence, arousal = concordance(predicted, test_labels).tolist()
    return valence, arousal
