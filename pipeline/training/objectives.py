"""A method's loss in the training loop: what labels say is worked out for many batches ahead.

Batches lie on leading axes, as everywhere in training: S seeds, K batches, N utterances of a batch, M
candidates: the utterances' captions and then those of the plane, which belong to no clip.

Where several ranks train together, each takes the terms of its share of the anchors, n of N clips and m of M
texts, among all candidates; their sum over the ranks is the loss.
"""

from __future__ import annotations

from typing import Protocol, assert_never

import torch
from torch import Tensor

from pipeline.config import Train
from pipeline.methods import Loss
from pipeline.support import WHOLE, Share
from pipeline.training.density import LabelDensity
from pipeline.training.losses import (
    Ranking,
    one_way_contrast,
    rank_candidates,
    rank_n_contrast,
    ranked_contrast,
    squared_label_distance,
    supervised_contrastive,
    symmetric_cross_entropy,
)
from pipeline.training.stacked import Part

RANKED_AS_TAKEN = 2
"""Tensors that targets have where nothing is ranked ahead: labels of the clips, and of the texts."""

Targets = tuple[Tensor, ...]
"""What similarities are compared to; every tensor has the batches' leading axes."""


class Objective(Protocol):
    """A loss in two halves."""

    @property
    def both_ways(self) -> bool:
        """Whether texts are anchors as well."""

    def targets(self, labels: Tensor, emotions: Tensor, plane: Tensor | None = None) -> Targets:
        """What the loss needs of labels (..., N, 2), emotions (..., N) and the plane's labels (..., M − N, 2)."""

    def loss(self, similarity: Tensor, targets: Targets, part: Part | None = None) -> Tensor:
        """(..., N, M) → (...), or of a part of it, (..., n, M); it waits for no device."""


class SymmetricCrossEntropy:
    """Pairs alone count."""

    both_ways = True

    def targets(self, labels: Tensor, emotions: Tensor, plane: Tensor | None = None) -> Targets:
        return ()

    def loss(self, similarity: Tensor, targets: Targets, part: Part | None = None) -> Tensor:
        return symmetric_cross_entropy(similarity)


class SupervisedContrastive:
    """Whoever shares the emotion is a positive."""

    both_ways = True

    def targets(self, labels: Tensor, emotions: Tensor, plane: Tensor | None = None) -> Targets:
        return (emotions,)

    def loss(self, similarity: Tensor, targets: Targets, part: Part | None = None) -> Tensor:
        return supervised_contrastive(similarity, targets[0])


class SharedContrast:
    """What a share of the anchors adds to either of these."""

    both_ways = True

    def __init__(self, share: Share, *, by_emotion: bool) -> None:
        self._share, self._by_emotion = share, by_emotion

    def targets(self, labels: Tensor, emotions: Tensor, plane: Tensor | None = None) -> Targets:
        """Classes of all (..., N) and of the anchors (..., n): emotions, or one each."""
        own = self._share.rows(emotions.shape[-1])
        if not self._by_emotion:
            emotions = torch.arange(emotions.shape[-1], device=emotions.device).expand_as(emotions)
        return emotions, emotions[..., own]

    def loss(self, similarity: Tensor, targets: Targets, part: Part | None = None) -> Tensor:
        classes, own = targets
        reverse = similarity.mT if part is None or part.from_text is None else part.from_text
        both = one_way_contrast(similarity, own, classes) + one_way_contrast(reverse, own, classes)
        return _of_all(both / 2, own.shape[-1], classes.shape[-1])


class RankNContrast:
    """Candidates are ranked by the distance of their labels.

    Captions of the plane are candidates of every clip and, in both directions, anchors that rank the batch's
    clips.
    """

    RANKED_AHEAD = 512
    """Larger batches are ranked as their loss is taken, a part at a time: a ranking has 40 bytes a pair."""

    def __init__(self, settings: Train, density: LabelDensity | None = None, share: Share = WHOLE) -> None:
        """With a density, an utterance weighs one over that of its labels, in batches of mean weight 1."""
        self.both_ways = settings.directions == "both"
        self._candidates = settings.candidates
        self._plane_weight = settings.plane_weight
        self._density, self._share = density, share

    def targets(self, labels: Tensor, emotions: Tensor, plane: Tensor | None = None) -> Targets:
        texts = labels if plane is None else torch.cat([labels, plane], -2)
        if texts.shape[-2] > self.RANKED_AHEAD:
            return (labels, texts)
        # Without the plane the distance is symmetric: the text's ranking is the speech's.
        ways = (0, 1) if self.both_ways and plane is not None else (0,)
        rankings = [
            rank_candidates(
                self._distance(labels, texts, way),
                candidates=self._candidates,
                weights=self._weights(labels, texts, way),
            )
            for way in ways
        ]
        return tuple(tensor for ranking in rankings for tensor in ranking)

    def loss(self, similarity: Tensor, targets: Targets, part: Part | None = None) -> Tensor:
        clips, texts = similarity.shape[-2:] if part is None else (part.clips, part.texts)
        anchored_in_speech = _of_all(self._one_way(similarity, targets, 0), similarity.shape[-2], clips)
        if not self.both_ways:
            return anchored_in_speech
        # Transposed no sooner: autograd adds gradients in an order that follows from that of their use.
        reverse = similarity.mT if part is None or part.from_text is None else part.from_text
        anchored_in_text = _of_all(self._one_way(reverse, targets, 1), reverse.shape[-2], texts)
        return (anchored_in_speech + anchored_in_text) / 2

    def _one_way(self, similarity: Tensor, targets: Targets, way: int) -> Tensor:
        """The mean over the anchors, which are clips (way 0) or texts (way 1)."""
        if len(targets) != RANKED_AS_TAKEN:
            size = len(Ranking._fields)
            return ranked_contrast(similarity, Ranking(*(targets[-size:] if way else targets[:size])))
        labels, texts = targets
        return rank_n_contrast(
            similarity,
            self._distance(labels, texts, way),
            candidates=self._candidates,
            weights=self._weights(labels, texts, way),
        )

    def _distance(self, labels: Tensor, texts: Tensor, way: int) -> Tensor:
        """Of the share's anchors and all candidates: clips and texts (..., n, M), or the reverse (..., m, N)."""
        anchors, candidates = (texts, labels) if way else (labels, texts)
        own = anchors if self._share.whole else anchors[..., self._share.rows(anchors.shape[-2]), :]
        return squared_label_distance(own, candidates)

    def _weights(self, labels: Tensor, texts: Tensor, way: int) -> Tensor | None:
        """Of the same pairs."""
        *batches, count, _ = labels.shape
        size = texts.shape[-2]
        if self._density is None and (self._plane_weight == 1 or size == count):
            return None
        of_plane = torch.full((*batches, size - count), self._plane_weight, dtype=torch.float64).to(
            labels.device
        )
        ones = torch.ones((*batches, count), dtype=torch.float64, device=labels.device)
        clips = ones if self._density is None else self._density.weights(labels)
        if way:
            anchors = torch.cat([clips, of_plane], -1)[..., self._share.rows(size)]
            return anchors[..., None].expand(*anchors.shape, count)
        candidates = torch.cat([ones, of_plane], -1)
        return clips[..., self._share.rows(count), None] * candidates[..., None, :]


def objective_of(loss: Loss, settings: Train, density: LabelDensity, share: Share = WHOLE) -> Objective:
    """The objective of a method's loss; `density` is that of the training labels, and used where asked for."""
    if loss != "rank-n-contrast" and not share.whole:
        return SharedContrast(share, by_emotion=loss == "supervised-contrastive")
    if loss == "symmetric-cross-entropy":
        return SymmetricCrossEntropy()
    if loss == "supervised-contrastive":
        return SupervisedContrastive()
    if loss != "rank-n-contrast":
        assert_never(loss)
    return RankNContrast(settings, density if settings.anchor_weights == "inverse-density" else None, share)


def _of_all(mean: Tensor, anchors: int, count: int) -> Tensor:
    """What the mean over some of `count` anchors adds to that over all."""
    return mean if anchors == count else mean * (anchors / count)
