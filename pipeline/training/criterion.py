"""What training minimises: a method's objective, and what else draws both modalities' embeddings together.

A rank loss leaves absolute position free. Two terms fix it: the cosine of a clip and a caption follows the
distance of their labels, and the means of both modalities meet.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pipeline.config import Train
from pipeline.support import WHOLE, Share
from pipeline.training.objectives import Objective, Targets
from pipeline.training.stacked import Compared

FARTHEST = 6.5 * math.sqrt(2)
"""Of two labels of valence and arousal on 0.5 to 7, where captions of the plane lie."""


class Criterion:
    """An objective with `calibration` and `gap` of the settings beside it, each where its weight is not 0."""

    def __init__(self, objective: Objective, settings: Train, share: Share = WHOLE) -> None:
        """With a share, the terms of its clips and texts: the loss is the sum over all shares."""
        self._objective, self._settings, self._share = objective, settings, share

    @property
    def both_ways(self) -> bool:
        """Whether the objective has texts for anchors as well."""
        return self._objective.both_ways

    def targets(self, labels: Tensor, emotions: Tensor, plane: Tensor | None = None) -> Targets:
        """What the loss needs of labels (..., N, 2), emotions (..., N) and the plane's labels (..., M − N, 2)."""
        targets = self._objective.targets(labels, emotions, plane)
        if not self._settings.calibration:
            return targets
        texts = labels if plane is None else torch.cat([labels, plane], -2)
        return (*targets, wanted_cosine(labels[..., self._share.rows(labels.shape[-2]), :], texts))

    def loss(self, compared: Compared, targets: Targets) -> Tensor:
        """(...), one loss a batch; it waits for no device."""
        settings = self._settings
        of_objective = targets[:-1] if settings.calibration else targets
        total = self._objective.loss(compared.similarity, of_objective, compared.part)
        if settings.calibration:
            weight = settings.calibration
            if compared.part is not None:
                weight *= compared.cosine.shape[-2] / compared.part.clips
            total = total + weight * (compared.cosine - targets[-1]).square().mean((-2, -1))
        if settings.gap:
            # The means are of all clips: each share takes as much of what they come to.
            total = total + settings.gap / self._share.shares * squared_gap(compared.speech, compared.text)
        return total


def wanted_cosine(labels: Tensor, texts: Tensor) -> Tensor:
    """1 for equal labels, and 0 for those that lie farthest apart: (..., N, 2), (..., M, 2) → float32 (..., N,
    M)."""
    return 1 - torch.cdist(labels, texts, compute_mode="donot_use_mm_for_euclid_dist").float() / FARTHEST


def squared_gap(speech: Tensor, text: Tensor) -> Tensor:
    """The squared distance of the means of the clips (..., N, E) and of their own captions, the first N of
    text."""
    of_clips = text[..., : speech.shape[-2], :]
    return (speech.mean(-2) - of_clips.mean(-2)).square().sum(-1)
