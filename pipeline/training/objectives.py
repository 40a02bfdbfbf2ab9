"""A method's loss in the training loop: what labels say is worked out for many batches ahead.

Batches lie on leading axes, as everywhere in training: S seeds, K batches, N utterances of a batch.
"""

from __future__ import annotations

from typing import Protocol, assert_never

from torch import Tensor

from pipeline.config import Train
from pipeline.methods import Loss
from pipeline.training.density import LabelDensity
from pipeline.training.losses import (
    Ranking,
    rank_candidates,
    rank_n_contrast,
    ranked_contrast,
    squared_label_distance,
    supervised_contrastive,
    symmetric_cross_entropy,
)

Targets = tuple[Tensor, ...]
"""What similarities are compared to; every tensor has the batches' leading axes."""


class Objective(Protocol):
    """A loss in two halves."""

    def targets(self, labels: Tensor, emotions: Tensor) -> Targets:
        """What the loss needs of labels (..., N, 2) and emotions (..., N)."""

    def loss(self, similarity: Tensor, targets: Targets) -> Tensor:
        """(..., N, N) → (...); it waits for no device."""


class SymmetricCrossEntropy:
    """Pairs alone count."""

    def targets(self, labels: Tensor, emotions: Tensor) -> Targets:
        return ()

    def loss(self, similarity: Tensor, targets: Targets) -> Tensor:
        return symmetric_cross_entropy(similarity)


class SupervisedContrastive:
    """Whoever shares the emotion is a positive."""

    def targets(self, labels: Tensor, emotions: Tensor) -> Targets:
        return (emotions,)

    def loss(self, similarity: Tensor, targets: Targets) -> Tensor:
        return supervised_contrastive(similarity, targets[0])


class RankNContrast:
    """Candidates are ranked by the distance of their labels."""

    RANKED_AHEAD = 512
    """Larger batches are ranked as their loss is taken, a part at a time: a ranking has 40 bytes a pair."""

    def __init__(self, settings: Train, density: LabelDensity | None = None) -> None:
        """With a density, an anchor weighs one over that of its labels, in batches of mean weight 1."""
        self._candidates = settings.candidates
        self._both = settings.directions == "both"
        self._density = density

    def targets(self, labels: Tensor, emotions: Tensor) -> Targets:
        if labels.shape[-2] > self.RANKED_AHEAD:
            return (labels,)
        distance = squared_label_distance(labels, labels)
        # Among one batch's labels the distance is symmetric: the text's ranking is the speech's.
        return tuple(
            rank_candidates(distance, candidates=self._candidates, weights=self._pair_weights(labels))
        )

    def loss(self, similarity: Tensor, targets: Targets) -> Tensor:
        anchored_in_speech = self._one_way(similarity, targets)
        if not self._both:
            return anchored_in_speech
        return (anchored_in_speech + self._one_way(similarity.mT, targets)) / 2

    def _one_way(self, similarity: Tensor, targets: Targets) -> Tensor:
        if len(targets) > 1:
            return ranked_contrast(similarity, Ranking(*targets))
        labels = targets[0]
        return rank_n_contrast(
            similarity,
            squared_label_distance(labels, labels),
            candidates=self._candidates,
            weights=self._pair_weights(labels),
        )

    def _pair_weights(self, labels: Tensor) -> Tensor | None:
        """(..., N, 2) → (..., N, N), a row for each anchor."""
        if self._density is None:
            return None
        count = labels.shape[-2]
        return self._density.weights(labels)[..., None].expand(*labels.shape[:-1], count)


def objective_of(loss: Loss, settings: Train, density: LabelDensity) -> Objective:
    """The objective of a method's loss; `density` is that of the training labels, and used where asked for."""
    if loss == "symmetric-cross-entropy":
        return SymmetricCrossEntropy()
    if loss == "supervised-contrastive":
        return SupervisedContrastive()
    if loss != "rank-n-contrast":
        assert_never(loss)
    return RankNContrast(settings, density if settings.anchor_weights == "inverse-density" else None)
