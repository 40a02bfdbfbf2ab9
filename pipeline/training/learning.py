"""Seeds that are trained as one stack of matrices: their steps, their validation, and their best epochs.

Axes: S seeds, K batches, N utterances of a batch, M texts, P captions of the plane among them, F feature size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.config import Train
from pipeline.support import WHOLE
from pipeline.training.criterion import Criterion
from pipeline.training.feeding import Rows, fixed_batches, taken
from pipeline.training.heads import ProjectionHeads
from pipeline.training.objectives import Targets
from pipeline.training.plane import DRAWN_AFTER, Plane
from pipeline.training.ranks import Features, Own, Ranks
from pipeline.training.stacked import StackedHeads
from pipeline.training.stepping import GraphedStep, Stepping

SIMILARITIES_AHEAD = 1 << 18
"""Of so many the targets are made at once, and so many are validated at once: 64 batches of 64."""


@dataclass(frozen=True)
class Epoch:
    """What one epoch of one seed came to; losses are means over batches."""

    epoch: int
    train_loss: float
    validation_loss: float
    temperature: float


@dataclass(frozen=True)
class Trained:
    """Heads as they were after the epoch with the lowest validation loss, and how training went."""

    seed: int
    heads: ProjectionHeads
    history: list[Epoch]
    best: Epoch | None
    """None for heads that were not trained."""


class Stack:
    """Seeds that are trained as one stack of matrices, by this process or by several ranks."""

    def __init__(
        self,
        seeds: list[int],
        heads: list[ProjectionHeads],
        criterion: Criterion,
        settings: Train,
        plane: Plane | None,
        device: torch.device,
        cuda_graphs: bool,
        ranks: Ranks | None = None,
    ) -> None:
        self.seeds, self.batch_size, self.plane, self.ranks = seeds, settings.batch_size, plane, ranks
        self.heads, self.criterion = StackedHeads(heads, device), criterion
        self.stepping = Stepping(self.heads, criterion, settings, ranks)
        graphed = cuda_graphs and device.type == "cuda" and ranks is None
        self.step = GraphedStep(self.stepping) if graphed else self.stepping.step
        self.shuffles = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.draws = [torch.Generator().manual_seed(seed + DRAWN_AFTER) for seed in seeds]
        self.validated = torch.zeros(len(seeds), device=device)
        self.steps = self.validations = 0
        self.lowest = torch.full((len(seeds),), math.inf, device=device)
        self.best_weights = self.heads.copy_weights()
        self.histories: list[list[Epoch]] = [[] for _ in seeds]

    def learn(self, rows: Rows) -> None:
        """A step on every full batch of the rows, in each seed's own order."""
        count = len(rows) // self.batch_size
        orders = [torch.randperm(len(rows), generator=shuffle) for shuffle in self.shuffles]
        batches = torch.stack(orders)[:, : count * self.batch_size]
        batches = batches.view(len(self.seeds), count, self.batch_size)  # (S, K, N)
        own = self._own(rows, batches)
        batches = batches.to(rows.labels.device)
        for start in range(0, count, self._ahead()):
            some = batches[:, start : start + self._ahead()]
            drawn = None
            if self.plane is not None:
                drawn = torch.stack([self.plane.draw(some.shape[1], one) for one in self.draws])  # (S, K, P)
            targets = self._targets(rows, some, drawn)
            for k in range(some.shape[1]):
                of_plane = None if drawn is None else drawn[:, k]
                features = self._features(rows, own.at((slice(None), start + k)), of_plane)
                self.step(features, tuple(target[:, k] for target in targets))
        self.steps += count

    @torch.no_grad()
    def validate(self, rows: Rows) -> None:
        """The loss of every batch of the rows, in one order for all seeds and epochs."""
        batches = fixed_batches(len(rows), self.batch_size)  # (K, N)
        own = self._own(rows, batches)
        batches = batches.to(rows.labels.device)
        fixed = self.plane.fixed(len(batches)) if self.plane is not None else None
        for start in range(0, len(batches), self._ahead()):
            some = slice(start, start + self._ahead())
            drawn = None if fixed is None else fixed[some]
            features = self._features(rows, own.at(some), drawn).repeated(len(self.seeds))  # (S, K, ...)
            targets = self._targets(rows, batches[some], drawn)
            repeated = tuple(target.expand(len(self.seeds), *target.shape) for target in targets)
            self.validated += self.criterion.loss(self.stepping.compare(features), repeated).sum(1)
        self.validations += len(batches)

    def end_epoch(self, number: int) -> list[Epoch]:
        """Keep the weights of the seeds that are at their lowest. Raises RuntimeError where one diverged."""
        if self.ranks is not None:
            self.ranks.sum(self.stepping.losses, self.validated)
            self.ranks.take_first(self.heads.parameters.values())
        train_loss, validation_loss = self.stepping.losses / self.steps, self.validated / self.validations
        lower = validation_loss < self.lowest
        self.lowest = torch.where(lower, validation_loss, self.lowest)
        for name, weights in self.heads.copy_weights().items():
            chosen = lower.view(-1, *[1] * (weights.ndim - 1))
            self.best_weights[name] = torch.where(chosen, weights, self.best_weights[name])
        figures = torch.stack([train_loss, validation_loss, self.heads.temperature.detach()], 1).tolist()
        epochs = [Epoch(number, *figures_of_one) for figures_of_one in figures]
        for seed, history, epoch in zip(self.seeds, self.histories, epochs, strict=True):
            if not (math.isfinite(epoch.train_loss) and math.isfinite(epoch.validation_loss)):
                raise RuntimeError(
                    f"the loss must stay finite, found training {epoch.train_loss} and validation "
                    f"{epoch.validation_loss} in epoch {number} of seed {seed}: lower train.learning_rate"
                )
            history.append(epoch)
        self.stepping.losses.zero_()
        self.validated.zero_()
        self.steps = self.validations = 0
        return epochs

    def best_heads(self) -> list[Trained]:
        """The heads of each seed's best epoch."""
        return [
            Trained(seed, heads, history, min(history, key=lambda epoch: epoch.validation_loss))
            for seed, heads, history in zip(
                self.seeds, self.heads.unstack(self.best_weights), self.histories, strict=True
            )
        ]

    def _own(self, rows: Rows, batches: Tensor) -> Own:
        """Of batches (..., N) of the rows what is embedded here, on the rows' device."""
        if self.ranks is None:
            return Own(batches.to(rows.labels.device))
        drawn = 0 if self.plane is None else self.plane.count
        return self.ranks.own(batches, rows.own, drawn).to(rows.labels.device)

    def _features(self, rows: Rows, own: Own, drawn: Tensor | None) -> Features:
        """Of batches, and of the captions of the plane (..., P) that are drawn for them."""
        text = taken(rows.text, own.rows)
        if self.plane is not None and drawn is not None:
            share = WHOLE if self.ranks is None else self.ranks.share
            text = torch.cat([text, taken(self.plane.text, drawn[..., share.rows(self.plane.count)])], -2)
        return Features(taken(rows.speech, own.rows), text, own.placed)

    def _targets(self, rows: Rows, batches: Tensor, drawn: Tensor | None) -> Targets:
        """Of batches (..., N) with the captions of the plane (..., P) that are drawn for them."""
        of_plane = None if self.plane is None or drawn is None else self.plane.labels[drawn]
        return self.criterion.targets(rows.labels[batches], rows.emotions[batches], of_plane)

    def _ahead(self) -> int:
        """Batches whose targets are made at once."""
        candidates = self.batch_size + (self.plane.count if self.plane is not None else 0)
        return max(1, SIMILARITIES_AHEAD // (self.batch_size * candidates))
