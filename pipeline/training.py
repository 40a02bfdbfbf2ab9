"""Stage two: projection heads trained on cached features, by any method's loss."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.config import Train
from pipeline.heads import ProjectionHeads
from pipeline.losses import (
    rank_n_contrast,
    squared_label_distance,
    supervised_contrastive,
    symmetric_cross_entropy,
)
from pipeline.methods import Loss
from pipeline.pairs import Pairs


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to; losses are means over batches."""

    epoch: int
    train_loss: float
    validation_loss: float
    temperature: float


@dataclass(frozen=True)
class Trained:
    """Heads as they were after the epoch with the lowest validation loss, and how training went."""

    heads: ProjectionHeads
    history: list[Epoch]
    best: Epoch | None
    """None for heads that were not trained."""


@dataclass(frozen=True)
class Tensors:
    """Pairs as tensors on one device, so that nothing is copied within the loop."""

    speech: Tensor
    text: Tensor
    labels: Tensor
    """(N, 2) float64"""
    emotions: Tensor
    """(N,) int64"""

    @classmethod
    def of(cls, pairs: Pairs, device: torch.device, codes: dict[str | None, int]) -> Tensors:
        return cls(
            torch.from_numpy(pairs.speech).to(device),
            torch.from_numpy(pairs.text).to(device),
            torch.from_numpy(pairs.labels).to(device),
            torch.tensor([codes[emotion] for emotion in pairs.emotions], device=device),
        )

    def take(self, rows: Tensor) -> Tensors:
        return Tensors(self.speech[rows], self.text[rows], self.labels[rows], self.emotions[rows])


def train(
    loss: Loss | None,
    training: Pairs,
    development: Pairs,
    settings: Train,
    *,
    device: torch.device | str = "cpu",
    report: Callable[[Epoch], None] = lambda epoch: None,
) -> Trained:
    """Train two projection heads with Adam and keep those with the lowest validation loss.

    A training epoch is a fresh order of the rows in full batches; the few that are left over wait for another
    epoch's order. Validation goes through one fixed order, its last batch filled up from its first rows.
    `loss` None gives the heads as they are before training. `report` is told every epoch.

    Raises ValueError where a split has fewer rows than a batch, or where the loss needs emotions that the
    corpus does not have, and RuntimeError where the loss diverges.
    """
    device = torch.device(device)
    for name, pairs in (("training", training), ("development", development)):
        if len(pairs) < settings.batch_size:
            raise ValueError(
                f"the {name} split must have at least a batch of rows, found {len(pairs)} rows and "
                f"train.batch_size {settings.batch_size}"
            )
    emotions = [*training.emotions, *development.emotions]
    if loss == "supervised-contrastive" and None in emotions:
        raise ValueError(
            f"the supervised contrastive loss needs every utterance's emotion, found none for "
            f"{emotions.count(None)} of {len(emotions)}"
        )
    codes = {emotion: code for code, emotion in enumerate(sorted(set(emotions), key=str))}
    torch.manual_seed(settings.seed)
    heads = ProjectionHeads(
        training.speech.shape[1], training.text.shape[1], settings.embedding_size, settings.temperature
    ).to(device)
    if loss is None:
        return Trained(heads.eval(), [], None)

    rows, held_out = Tensors.of(training, device, codes), Tensors.of(development, device, codes)
    shuffle = torch.Generator().manual_seed(settings.seed)
    validation = _fixed_batches(len(development), settings.batch_size, shuffle, device)
    optimiser = torch.optim.Adam(heads.parameters(), lr=settings.learning_rate, fused=True)
    history: list[Epoch] = []
    best, best_weights = None, copy.deepcopy(heads.state_dict())
    for number in range(1, settings.epochs + 1):
        order = torch.randperm(len(training), generator=shuffle).to(device)
        full = len(order) // settings.batch_size
        batches = order[: full * settings.batch_size].view(full, settings.batch_size)
        total = torch.zeros((), device=device)
        for batch in batches:
            value = batch_loss(loss, heads, rows.take(batch), settings)
            optimiser.zero_grad()
            value.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            heads.bound_temperature()
            total += value.detach()
        epoch = Epoch(
            epoch=number,
            train_loss=float(total) / len(batches),
            validation_loss=_validate(loss, heads, held_out, validation, settings),
            temperature=float(heads.temperature.detach()),
        )
        if not (math.isfinite(epoch.train_loss) and math.isfinite(epoch.validation_loss)):
            raise RuntimeError(
                f"the loss must stay finite, found training {epoch.train_loss} and validation "
                f"{epoch.validation_loss} in epoch {number}: lower train.learning_rate"
            )
        history.append(epoch)
        report(epoch)
        if best is None or epoch.validation_loss < best.validation_loss:
            best, best_weights = epoch, copy.deepcopy(heads.state_dict())
    heads.load_state_dict(best_weights)
    return Trained(heads.eval(), history, best)


def batch_loss(loss: Loss, heads: ProjectionHeads, batch: Tensors, settings: Train) -> Tensor:
    """One batch's loss, a scalar."""
    similarity = heads(batch.speech, batch.text)
    if loss == "symmetric-cross-entropy":
        return symmetric_cross_entropy(similarity)
    if loss == "supervised-contrastive":
        return supervised_contrastive(similarity, batch.emotions)
    distance = squared_label_distance(batch.labels, batch.labels)
    anchored_in_speech = rank_n_contrast(similarity, distance, candidates=settings.candidates)
    if settings.directions == "speech-to-text":
        return anchored_in_speech
    anchored_in_text = rank_n_contrast(similarity.T, distance.T, candidates=settings.candidates)
    return (anchored_in_speech + anchored_in_text) / 2


def _fixed_batches(count: int, batch_size: int, shuffle: torch.Generator, device: torch.device) -> Tensor:
    """Row numbers, (batches, batch_size)."""
    order = torch.randperm(count, generator=shuffle)
    filled = torch.cat([order, order[: -count % batch_size]])
    return filled.to(device).view(-1, batch_size)


@torch.no_grad()
def _validate(loss: Loss, heads: ProjectionHeads, rows: Tensors, batches: Tensor, settings: Train) -> float:
    values = [batch_loss(loss, heads, rows.take(batch), settings) for batch in batches]
    return float(torch.stack(values).mean())
