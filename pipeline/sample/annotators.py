"""What was meant and what five listeners wrote down: labels spread, correlate and tie as MSP-Podcast's do."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from pipeline.manifest import LABEL_MAX, LABEL_MIN

ANNOTATORS = 5
DISAGREEMENT = 0.7
"""Standard deviation of one annotator's impression around what was meant."""

# MSP-Podcast's training set: mean and deviation of the labels, and the correlation of valence and arousal.
VALENCE, AROUSAL, CORRELATION = (4.24, 0.84), (4.38, 0.94), 0.30

# Valence and arousal around which a category is heard, and how often it is chosen when several are as near.
CATEGORIES: dict[str, tuple[float, float, float]] = {
    "A": (2.7, 5.6, 1.0),
    "S": (3.0, 3.2, 1.0),
    "H": (5.6, 5.0, 1.5),
    "U": (4.7, 5.9, 0.6),
    "F": (3.0, 5.1, 0.3),
    "D": (2.8, 4.3, 0.5),
    "C": (3.2, 4.0, 0.5),
    "N": (4.2, 4.1, 2.0),
}
CATEGORY_WIDTH = 0.8


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a speaker means to express, on 1..7 and not rounded."""

    valence: float
    arousal: float
    dominance: float


@dataclass(frozen=True, slots=True)
class Annotation:
    """The consensus: means of whole steps 1..7, and the category that most annotators chose."""

    valence: float
    arousal: float
    dominance: float
    emotion: str


def draw_meaning(rng: np.random.Generator, spread: float = 1.0) -> Meaning:
    """Draw what is meant, so that with `spread` 1 the labels are distributed as MSP-Podcast's."""
    noise = (DISAGREEMENT**2 + 1 / 12) / ANNOTATORS  # rounding to whole steps adds 1/12
    covariance = CORRELATION * VALENCE[1] * AROUSAL[1]
    matrix = [[VALENCE[1] ** 2 - noise, covariance], [covariance, AROUSAL[1] ** 2 - noise]]
    v, a = spread * np.linalg.cholesky(np.array(matrix)) @ rng.standard_normal(2)
    d = 0.7 * a + 0.2 * v + 0.3 * rng.standard_normal()
    means = VALENCE[0], AROUSAL[0], AROUSAL[0]
    meant = np.clip(np.array([v, a, d]) + means, LABEL_MIN, LABEL_MAX)
    return Meaning(*(float(x) for x in meant))


def annotate(meaning: Meaning, rng: np.random.Generator) -> Annotation:
    """Draw what five annotators hear: each marks whole steps and one category."""
    meant = [meaning.valence, meaning.arousal, meaning.dominance]
    impressions = rng.normal(meant, DISAGREEMENT, size=(ANNOTATORS, 3))
    marks = np.clip(np.rint(impressions), LABEL_MIN, LABEL_MAX)
    votes = Counter(_category(float(v), float(a), rng) for v, a, _ in impressions)
    valence, arousal, dominance = (round(float(mean), 1) for mean in marks.mean(axis=0))
    return Annotation(valence, arousal, dominance, emotion=votes.most_common(1)[0][0])


def _category(valence: float, arousal: float, rng: np.random.Generator) -> str:
    v, a, popularity = np.array(list(CATEGORIES.values())).T
    squares = ((v - valence) ** 2 + (a - arousal) ** 2) / CATEGORY_WIDTH**2
    weights = popularity * np.exp(-0.5 * (squares - squares.min()))
    return list(CATEGORIES)[rng.choice(len(weights), p=weights / weights.sum())]
