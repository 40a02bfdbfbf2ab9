"""A method's loss in the training loop: what labels say is worked out for many batches ahead.

Batches lie on leading axes, as everywhere in training: S seeds, K batches, N utterances of a batch, M
candidates: the utterances' captions and then those of the plane, which belong to no clip.
"""

from __future__ import annotations

from typing import Protocol, assert_never

import torch
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

RANKED_AS_TAKEN = 2
"""Tensors that targets have where nothing is ranked ahead: labels of the clips, and of the texts."""

Targets = tuple[Tensor, ...]
"""What similarities are compared to; every tensor has the batches' leading axes."""


class Objective(Protocol):
    """A loss in two halves."""

    def targets(self, labels: Tensor, emotions: Tensor, plane: Tensor | None = None) -> Targets:
        """What the loss needs of labels (..., N, 2), emotions (..., N) and the plane's labels (..., M − N, 2)."""

    def loss(self, similarity: Tensor, targets: Targets) -> Tensor:
        """(..., N, M) → (...); it waits for no device."""


class SymmetricCrossEntropy:
    """Pairs alone count."""

    def targets(self, labels: Tensor, emotions: Tensor, plane: Tensor | None = None) -> Targets:
        return ()

    def loss(self, similarity: Tensor, targets: Targets) -> Tensor:
        return symmetric_cross_entropy(similarity)


class SupervisedContrastive:
    """Whoever shares the emotion is a positive."""

    def targets(self, labels: Tensor, emotions: Tensor, plane: Tensor | None = None) -> Targets:
        return (emotions,)

    def loss(self, similarity: Tensor, targets: Targets) -> Tensor:
        return supervised_contrastive(similarity, targets[0])


class RankNContrast:
    """Candidates are ranked by the distance of their labels.

    Captions of the plane are candidates of every clip and, in both directions, anchors that rank the batch's
    clips.
    """

    RANKED_AHEAD = 512
    """Larger batches are ranked as their loss is taken, a part at a time: a ranking has 40 bytes a pair."""

    def __init__(self, settings: Train, density: LabelDensity | None = None) -> None:
        """With a density, an utterance weighs one over that of its labels, in batches of mean weight 1."""
        self._candidates = settings.candidates
        self._both = settings.directions == "both"
        self._plane_weight = settings.plane_weight
        self._density = density

    def targets(self, labels: Tensor, emotions: Tensor, plane: Tensor | None = None) -> Targets:
        texts = labels if plane is None else torch.cat([labels, plane], -2)
        if texts.shape[-2] > self.RANKED_AHEAD:
            return (labels, texts)
        from_speech, from_text = self._pair_weights(labels, texts)
        distance = squared_label_distance(labels, texts)
        rankings = [rank_candidates(distance, candidates=self._candidates, weights=from_speech)]
        if self._both and plane is not None:
            rankings.append(
                rank_candidates(distance.mT.contiguous(), candidates=self._candidates, weights=from_text)
            )
        # Without the plane the distance is symmetric: the text's ranking is the speech's.
        return tuple(tensor for ranking in rankings for tensor in ranking)

    def loss(self, similarity: Tensor, targets: Targets) -> Tensor:
        if len(targets) == RANKED_AS_TAKEN:
            return self._unranked_loss(similarity, *targets)
        size = len(Ranking._fields)
        anchored_in_speech = ranked_contrast(similarity, Ranking(*targets[:size]))
        if not self._both:
            return anchored_in_speech
        return (anchored_in_speech + ranked_contrast(similarity.mT, Ranking(*targets[-size:]))) / 2

    def _unranked_loss(self, similarity: Tensor, labels: Tensor, texts: Tensor) -> Tensor:
        from_speech, from_text = self._pair_weights(labels, texts)
        distance = squared_label_distance(labels, texts)
        anchored_in_speech = rank_n_contrast(
            similarity, distance, candidates=self._candidates, weights=from_speech
        )
        if not self._both:
            return anchored_in_speech
        anchored_in_text = rank_n_contrast(
            similarity.mT, distance.mT, candidates=self._candidates, weights=from_text
        )
        return (anchored_in_speech + anchored_in_text) / 2

    def _pair_weights(self, labels: Tensor, texts: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Of the pairs of speech anchors and texts (..., N, M), and of text anchors and speech (..., M, N)."""
        *batches, count, _ = labels.shape
        size = texts.shape[-2]
        if self._density is None and (self._plane_weight == 1 or size == count):
            return None, None
        of_plane = torch.full((*batches, size - count), self._plane_weight, dtype=torch.float64).to(
            labels.device
        )
        ones = torch.ones((*batches, count), dtype=torch.float64, device=labels.device)
        anchors = ones if self._density is None else self._density.weights(labels)
        candidates, text_anchors = torch.cat([ones, of_plane], -1), torch.cat([anchors, of_plane], -1)
        from_text = text_anchors[..., None].expand(*batches, size, count)
        return anchors[..., None] * candidates[..., None, :], from_text


def objective_of(loss: Loss, settings: Train, density: LabelDensity) -> Objective:
    """The objective of a method's loss; `density` is that of the training labels, and used where asked for."""
    if loss == "symmetric-cross-entropy":
        return SymmetricCrossEntropy()
    if loss == "supervised-contrastive":
        return SupervisedContrastive()
    if loss != "rank-n-contrast":
        assert_never(loss)
    return RankNContrast(settings, density if settings.anchor_weights == "inverse-density" else None)
