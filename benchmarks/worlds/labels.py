"""What is meant in an utterance, and what annotators write down of it.

A part of the simulated worlds, no command.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.manifest import DEVELOPMENT, LABEL_MAX, LABEL_MIN, TRAIN
from pipeline.sample.annotators import CATEGORIES, CATEGORY_WIDTH
from worlds.arrays import Doubles, Features

TEST1 = "test1"


@dataclass(frozen=True)
class Moments:
    """Of a split's labels: mean and deviation of valence and arousal, and their correlation."""

    valence: tuple[float, float]
    arousal: tuple[float, float]
    correlation: float


# Computed on release 1.8, four classes.
PUBLISHED = {
    TRAIN: Moments((4.24, 0.84), (4.38, 0.94), 0.30),
    DEVELOPMENT: Moments((4.24, 0.84), (4.38, 0.94), 0.30),
    TEST1: Moments((4.32, 0.89), (4.44, 0.93), 0.36),
}

FEWEST_ANNOTATORS, SHARE_OF_FEWEST, STOPPING, MOST_ANNOTATORS = 5, 0.5, 0.4, 30
DISAGREEMENT = 0.9
"""Mean deviation of one annotator's impression from what was meant."""

DOMINANCE = {"A": 5.2, "S": 3.2, "H": 4.8, "U": 4.3, "F": 3.4, "D": 4.6, "C": 4.7, "N": 4.2}
"""Of the classes whose valence and arousal the sample's annotators know."""

SPEAKER_SIZE, CONTENT_SIZE = 16, 32
ROWS_A_SPEAKER = 60


@dataclass(frozen=True)
class Heard:
    """A split before it has features."""

    meant: Doubles
    """(N, 3) valence, arousal, dominance"""
    labels: Doubles
    """(N, 2)"""
    dominance: Doubles
    disagreement: Doubles
    emotions: list[str]
    unheard: Doubles
    """(N, 3) standard normal: the direction in which speech errs."""
    voice: Features
    """(N, SPEAKER_SIZE + CONTENT_SIZE)"""


def listen(
    rows: int,
    moments: Moments,
    voice: Doubles,
    rng: np.random.Generator,
    disagreement: float = DISAGREEMENT,
) -> Heard:
    """What is meant in so many utterances, and what annotators write down of it."""
    more = rng.geometric(STOPPING, rows)
    annotators = FEWEST_ANNOTATORS + np.where(rng.random(rows) < SHARE_OF_FEWEST, 0, more)
    annotators = np.minimum(annotators, MOST_ANNOTATORS)
    spread = disagreement * np.sqrt(rng.gamma(8, 1 / 8, rows))
    meant = _mean_valence_and_arousal(rows, moments, float(((spread**2 + 1 / 12) / annotators).mean()), rng)
    valence, arousal = (meant - [moments.valence[0], moments.arousal[0]]).T
    dominance = moments.arousal[0] + 0.7 * arousal + 0.2 * valence + 0.3 * rng.standard_normal(rows)
    meant = np.column_stack([meant, dominance])
    labels, deviation = np.empty((rows, 3)), np.empty((rows, 3))
    for count in np.unique(annotators):
        some = np.flatnonzero(annotators == count)
        heard = rng.normal(meant[some, None], spread[some, None, None], size=(len(some), count, 3))
        marks = np.clip(np.rint(heard), LABEL_MIN, LABEL_MAX)
        labels[some], deviation[some] = marks.mean(axis=1), marks.std(axis=1, ddof=1)
    speakers = rng.standard_normal((-(-rows // ROWS_A_SPEAKER), SPEAKER_SIZE))
    said = rng.standard_normal((rows, CONTENT_SIZE))
    sounding = np.hstack([voice[0] * speakers[rng.integers(len(speakers), size=rows)], voice[1] * said])
    return Heard(
        meant,
        labels[:, :2],
        labels[:, 2],
        deviation[:, :2].mean(axis=1),
        _choose_emotions(meant, rng),
        rng.standard_normal((rows, 3)),
        sounding.astype(np.float32),
    )


def _mean_valence_and_arousal(rows: int, moments: Moments, noise: float, rng: np.random.Generator) -> Doubles:
    """(rows, 2), so that with the annotators' noise the labels have the moments."""
    covariance = moments.correlation * moments.valence[1] * moments.arousal[1]
    matrix = [
        [moments.valence[1] ** 2 - noise, covariance],
        [covariance, moments.arousal[1] ** 2 - noise],
    ]
    means = moments.valence[0], moments.arousal[0]
    drawn: Doubles = rng.multivariate_normal(means, matrix, rows)
    return drawn


def _choose_emotions(meant: Doubles, rng: np.random.Generator) -> list[str]:
    names = list(CATEGORIES)
    centroids = np.array([[*CATEGORIES[name][:2], DOMINANCE[name]] for name in names])
    popularity = np.array([CATEGORIES[name][2] for name in names])
    squares = np.square(meant[:, None] - centroids).sum(axis=2) / CATEGORY_WIDTH**2
    weights = popularity * np.exp(-0.5 * (squares - squares.min(axis=1, keepdims=True)))
    bounds = (weights / weights.sum(axis=1, keepdims=True)).cumsum(axis=1)
    chosen = (rng.random((len(meant), 1)) > bounds[:, :-1]).sum(axis=1)
    return [names[i] for i in chosen]
