"""Stage two: projection heads trained on cached features, by any method's loss and from several seeds at once.

Axes: S seeds, K batches, N utterances of a batch, F feature size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.config import Train
from pipeline.features import PairSource, PlaneTexts
from pipeline.methods import Loss
from pipeline.training.criterion import Criterion
from pipeline.training.density import LabelDensity
from pipeline.training.feeding import VALIDATION_ORDER, Feed, Rows, fixed_batches, taken
from pipeline.training.heads import ProjectionHeads
from pipeline.training.objectives import Targets, objective_of
from pipeline.training.plane import DRAWN_AFTER, Plane
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


def train(
    loss: Loss | None,
    training: PairSource,
    development: PairSource,
    settings: Train,
    *,
    plane: PlaneTexts | None = None,
    device: torch.device | str = "cpu",
    report: Callable[[list[Epoch]], None] = lambda epochs: None,
    seeds_a_stack: int | None = None,
    cuda_graphs: bool = True,
) -> list[Trained]:
    """Train two projection heads a seed with Adam and keep those with the lowest validation loss.

    Each seed of `settings.seed_range` draws its own initial weights and its own order of the rows, and comes to
    what it comes to alone. A training epoch is a fresh order of the rows in full batches; the few that are left
    over wait for another epoch's order. Validation goes through one fixed order, its last batch filled up from
    its first rows. Where `settings.plane_captions` says so, Rank-N-Contrast also learns from captions of
    `plane`, so many beside each batch, by each seed's own draws and in validation by fixed ones. `loss` None
    gives the heads as they are before training. `report` is told every epoch, an Epoch a seed.

    `seeds_a_stack` of the seeds are one stack of matrices: on a GPU all of them, whose step is one graph unless
    `cuda_graphs` is off; on a CPU one, where a seed's optimiser fits the cache and several do not. Stacks run on
    threads, each computed by one: a step's products are too small to be worth a second (benchmarks/RESULTS.md),
    and no figure depends on how many there are.

    Raises ValueError where a split has fewer rows than a batch, or where the loss needs emotions that the
    corpus does not have, and RuntimeError where the loss of a seed diverges.
    """
    device = torch.device(device)
    _check_splits(loss, training, development, settings)
    seeds = list(settings.seed_range)
    heads = [initial_heads(seed, training.feature_sizes, settings) for seed in seeds]
    if loss is None:
        return [Trained(seed, one.eval(), [], None) for seed, one in zip(seeds, heads, strict=True)]

    names = sorted({*training.emotions, *development.emotions}, key=str)
    codes = {emotion: code for code, emotion in enumerate(names)}
    ranks = loss == "rank-n-contrast"
    criterion = Criterion(
        objective_of(loss, settings, LabelDensity(training.labels, device)),
        settings if ranks else settings.model_copy(update={"calibration": 0, "gap": 0}),
    )
    beside = None
    if ranks and settings.plane_captions:
        if plane is None:
            raise ValueError("train.plane_captions must have captions to draw from, found no plane")
        beside = Plane(plane, training.labels, settings, device)
    size = seeds_a_stack or (len(seeds) if device.type == "cuda" else 1)
    stacks = [
        _Stack(
            seeds[i : i + size],
            heads[i : i + size],
            criterion,
            settings,
            beside,
            device,
            cuda_graphs,
        )
        for i in range(0, len(seeds), size)
    ]
    learnt, held_out = Feed(training, device, codes), Feed(development, device, codes)
    with _at_once(stacks, device) as at_once:
        for number in range(1, settings.epochs + 1):
            for rows in learnt.blocks(number):
                at_once(_Stack.learn, rows)
            for rows in held_out.blocks(VALIDATION_ORDER):
                at_once(_Stack.validate, rows)
            report([epoch for stack in stacks for epoch in stack.end_epoch(number)])
    return [trained for stack in stacks for trained in stack.best_heads()]


def initial_heads(seed: int, feature_sizes: tuple[int, int], settings: Train) -> ProjectionHeads:
    """Heads before training, as the seed draws them."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ProjectionHeads(
            *feature_sizes, settings.embedding_size, settings.temperature, relu=settings.relu
        )


class _Stack:
    """Seeds that are trained as one stack of matrices."""

    def __init__(
        self,
        seeds: list[int],
        heads: list[ProjectionHeads],
        criterion: Criterion,
        settings: Train,
        plane: Plane | None,
        device: torch.device,
        cuda_graphs: bool,
    ) -> None:
        self.seeds, self.batch_size, self.plane = seeds, settings.batch_size, plane
        self.heads, self.criterion = StackedHeads(heads, device), criterion
        self.stepping = Stepping(self.heads, criterion, settings)
        graphed = cuda_graphs and device.type == "cuda"
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
        batches = torch.stack(orders)[:, : count * self.batch_size].to(rows.speech.device)
        batches = batches.view(len(self.seeds), count, self.batch_size)  # (S, K, N)
        for some in torch.split(batches, self._ahead(), 1):
            drawn = None
            if self.plane is not None:
                drawn = torch.stack([self.plane.draw(some.shape[1], one) for one in self.draws])  # (S, K, P)
            targets = self._targets(rows, some, drawn)
            for k in range(some.shape[1]):
                texts = self._texts(rows, some[:, k], None if drawn is None else drawn[:, k])
                self.step(taken(rows.speech, some[:, k]), texts, tuple(target[:, k] for target in targets))
        self.steps += count

    @torch.no_grad()
    def validate(self, rows: Rows) -> None:
        """The loss of every batch of the rows, in one order for all seeds and epochs."""
        batches = fixed_batches(len(rows), self.batch_size).to(rows.speech.device)  # (K, N)
        fixed = self.plane.fixed(len(batches)) if self.plane is not None else None
        for start in range(0, len(batches), self._ahead()):
            some = batches[start : start + self._ahead()]
            drawn = None if fixed is None else fixed[start : start + self._ahead()]
            targets = self._targets(rows, some, drawn)
            speech, text = taken(rows.speech, some), self._texts(rows, some, drawn)  # (K, N, F), (K, M, F)
            seeds = len(self.seeds)
            speech, text = (
                part.reshape(1, -1, part.shape[-1]).expand(seeds, -1, -1) for part in (speech, text)
            )
            compared = self.heads.compare(speech, text, len(some))  # (S, K, ...)
            repeated = tuple(target.expand(seeds, *target.shape) for target in targets)
            self.validated += self.criterion.loss(compared, repeated).sum(1)
        self.validations += len(batches)

    def end_epoch(self, number: int) -> list[Epoch]:
        """Keep the weights of the seeds that are at their lowest. Raises RuntimeError where one diverged."""
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

    def _texts(self, rows: Rows, batches: Tensor, drawn: Tensor | None) -> Tensor:
        """Text of batches (B, N) and the captions of the plane (B, P) that are drawn for them, (B, M, F)."""
        text = taken(rows.text, batches)
        if self.plane is None or drawn is None:
            return text
        return torch.cat([text, taken(self.plane.text, drawn)], 1)

    def _targets(self, rows: Rows, batches: Tensor, drawn: Tensor | None) -> Targets:
        """Of batches (..., N) with the captions of the plane (..., P) that are drawn for them."""
        of_plane = None if self.plane is None or drawn is None else self.plane.labels[drawn]
        return self.criterion.targets(rows.labels[batches], rows.emotions[batches], of_plane)

    def _ahead(self) -> int:
        """Batches whose targets are made at once."""
        candidates = self.batch_size + (self.plane.count if self.plane is not None else 0)
        return max(1, SIMILARITIES_AHEAD // (self.batch_size * candidates))


@contextmanager
def _at_once(
    stacks: list[_Stack], device: torch.device
) -> Iterator[Callable[[Callable[[_Stack, Rows], None], Rows], None]]:
    """A function that has every stack do something with rows: on a CPU as many at a time as torch has threads.

    Torch's threads are afterwards as many as before.
    """
    if device.type != "cpu":
        with torch.cuda.device(device):  # graphs are captured on the current one

            def in_turn(work: Callable[[_Stack, Rows], None], rows: Rows) -> None:
                for stack in stacks:
                    work(stack, rows)

            yield in_turn
        return
    threads = torch.get_num_threads()

    def at_once(work: Callable[[_Stack, Rows], None], rows: Rows) -> None:
        for _ in pool.map(lambda stack: work(stack, rows), stacks):
            pass

    try:
        workers = min(threads, len(stacks))
        with ThreadPoolExecutor(workers, "train", initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield at_once
    finally:
        torch.set_num_threads(threads)  # new threads take what was set last, by whichever thread


def _check_splits(loss: Loss | None, training: PairSource, development: PairSource, settings: Train) -> None:
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
