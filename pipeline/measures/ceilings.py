"""How far order can come on frozen features by a linear reading of valence and arousal in place of heads.

Clips and prompts become points of the plane of valence and arousal, each read off its features by a ridge
regression or known exactly, and a prompt retrieves the clip whose point is nearest. Nothing is trained.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.measures.ordinality import OrdinalConsistency
from pipeline.measures.probe import concordance
from pipeline.measures.ridge import LinearMap, Moments

Embeddings = NDArray[np.floating[Any]]
Doubles = NDArray[np.float64]

PENALTIES = tuple(float(f"{10 ** (power / 2):.3g}") for power in range(-12, 3))
"""What is tried, 1e-6 to 10 in half decades: a share of the features' mean variance."""


@dataclass(frozen=True)
class Fitted:
    """What one modality's reading is made from."""

    moments: Moments
    """Of the features and labels that it is fitted to."""
    features: Embeddings
    """(D, F) of development, by which its penalty is chosen."""
    labels: Doubles
    """(D, 2), theirs."""


@dataclass(frozen=True)
class Reading:
    """A ridge regression from features (N, F) to points of the plane, (N, 2)."""

    penalty: float
    """As a share of the features' mean variance."""
    read: LinearMap


def best_reading(fitted: Fitted) -> Reading:
    """The regression whose penalty suits development best.

    That is the one of `PENALTIES` with the largest concordance there, a mean over the labels; of several the
    largest penalty. Its values are then stretched to the variance of the labels that it was fitted to: a
    regression shrinks them towards their mean, that of speech more than that of text.

    Raises ValueError for shapes that do not fit.
    """
    lines = {penalty: fitted.moments.ridge(penalty) for penalty in reversed(PENALTIES)}
    agreement = {
        penalty: float(concordance(line(fitted.features), fitted.labels).mean())
        for penalty, line in lines.items()
    }
    best = max(agreement, key=lambda penalty: agreement[penalty])
    return Reading(best, fitted.moments.spread_out(lines[best]))


@dataclass(frozen=True)
class Ceiling:
    """Where clips and prompts lie under one of the ceilings."""

    clips: Doubles
    """(N, 2)"""
    prompts: Doubles
    """(M, 2)"""
    penalties: dict[str, float]
    """`speech` and `text`, where they are read → the ridge's."""


@dataclass(frozen=True)
class MeasuredCeiling:
    """How far order comes where valence and arousal are read off the features, or known."""

    ordinality: dict[str, OrdinalConsistency]
    """`aoc` or `voc` → the lists' taus and retrievals."""
    penalties: dict[str, float]
    """`speech` and `text`, where they are read → the ridge's, as a share of the features' mean variance."""


def ceilings(
    speech: Fitted,
    texts: Mapping[str, Fitted],
    clips: Embeddings,
    labels: Doubles,
    prompts: Embeddings,
    prompt_labels: Doubles,
) -> dict[str, Ceiling]:
    """Every ceiling, from what is read to what is known.

    Args:
        speech: what the reading of speech is made from.
        texts: name of a ceiling → what its reading of text is made from.
        clips: (N, F), features of the clips to retrieve.
        labels: (N, 2), their valence and arousal.
        prompts: (M, G), features of the ordinality test's prompts.
        prompt_labels: (M, 2), the valence and arousal that they ask for.

    Returns: those of `texts`; `text-known`, where only speech is read; and `both-known`.

    Raises ValueError for shapes that do not fit.
    """
    heard = best_reading(speech)
    points, penalties = heard.read(clips), {"speech": heard.penalty}
    found = {}
    for name, fitted in texts.items():
        said = best_reading(fitted)
        found[name] = Ceiling(points, said.read(prompts), penalties | {"text": said.penalty})
    found["text-known"] = Ceiling(points, prompt_labels, penalties)
    found["both-known"] = Ceiling(labels, prompt_labels, {})
    return found
