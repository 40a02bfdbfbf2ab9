"""Stage two: projection heads trained on cached features, by any method's loss and from several seeds at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch

from pipeline.config import Train
from pipeline.features import PairSource, PlaneTexts
from pipeline.methods import Loss
from pipeline.support import WHOLE, Share
from pipeline.training.criterion import Criterion
from pipeline.training.density import LabelDensity
from pipeline.training.feeding import VALIDATION_ORDER, Feed, Rows
from pipeline.training.heads import ProjectionHeads
from pipeline.training.learning import Epoch, Stack, Trained
from pipeline.training.objectives import objective_of
from pipeline.training.plane import Plane
from pipeline.training.ranks import Ranks


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
    ranks: Ranks | None = None,
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

    Where `ranks` train together, all of them call this with the same settings and splits, each with the features
    of its share of the rows. They go through the batches that one process would, which they compute together,
    and all return what it would, but for the order in which numbers are added; all seeds are one stack.

    Raises ValueError where a split has fewer rows than a batch, a batch fewer than there are ranks, or where the
    loss needs emotions that the corpus does not have, and RuntimeError where the loss of a seed diverges.
    """
    device = torch.device(device)
    share = WHOLE if ranks is None else ranks.share
    _check_splits(loss, training, development, settings, share)
    seeds = list(settings.seed_range)
    heads = [initial_heads(seed, training.feature_sizes, settings) for seed in seeds]
    if loss is None:
        return [Trained(seed, one.eval(), [], None) for seed, one in zip(seeds, heads, strict=True)]

    names = sorted({*training.emotions, *development.emotions}, key=str)
    codes = {emotion: code for code, emotion in enumerate(names)}
    by_rank = loss == "rank-n-contrast"
    criterion = Criterion(
        objective_of(loss, settings, LabelDensity(training.labels, device), share),
        settings if by_rank else settings.model_copy(update={"calibration": 0, "gap": 0}),
        share,
    )
    beside = None
    if by_rank and settings.plane_captions:
        if plane is None:
            raise ValueError("train.plane_captions must have captions to draw from, found no plane")
        beside = Plane(plane, training.labels, settings, device)
    together = device.type == "cuda" or ranks is not None  # ranks talk of one step at a time
    size = seeds_a_stack or (len(seeds) if together else 1)
    stacks = [
        Stack(
            seeds[i : i + size],
            heads[i : i + size],
            criterion,
            settings,
            beside,
            device,
            cuda_graphs,
            ranks,
        )
        for i in range(0, len(seeds), size)
    ]
    learnt, held_out = Feed(training, device, codes), Feed(development, device, codes)
    with _at_once(stacks, device) as at_once:
        for number in range(1, settings.epochs + 1):
            for rows in learnt.blocks(number):
                at_once(Stack.learn, rows)
            for rows in held_out.blocks(VALIDATION_ORDER):
                at_once(Stack.validate, rows)
            report([epoch for stack in stacks for epoch in stack.end_epoch(number)])
    return [trained for stack in stacks for trained in stack.best_heads()]


def initial_heads(seed: int, feature_sizes: tuple[int, int], settings: Train) -> ProjectionHeads:
    """Heads before training, as the seed draws them."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ProjectionHeads(
            *feature_sizes, settings.embedding_size, settings.temperature, relu=settings.relu
        )


@contextmanager
def _at_once(
    stacks: list[Stack], device: torch.device
) -> Iterator[Callable[[Callable[[Stack, Rows], None], Rows], None]]:
    """A function that has every stack do something with rows: on a CPU as many at a time as torch has threads.

    Torch's threads are afterwards as many as before.
    """
    if device.type != "cpu":
        with torch.cuda.device(device):  # graphs are captured on the current one

            def in_turn(work: Callable[[Stack, Rows], None], rows: Rows) -> None:
                for stack in stacks:
                    work(stack, rows)

            yield in_turn
        return
    threads = torch.get_num_threads()

    def at_once(work: Callable[[Stack, Rows], None], rows: Rows) -> None:
        for _ in pool.map(lambda stack: work(stack, rows), stacks):
            pass

    try:
        workers = min(threads, len(stacks))
        with ThreadPoolExecutor(workers, "train", initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield at_once
    finally:
        torch.set_num_threads(threads)  # new threads take what was set last, by whichever thread


def _check_splits(
    loss: Loss | None, training: PairSource, development: PairSource, settings: Train, share: Share
) -> None:
    if settings.batch_size < share.shares:
        raise ValueError(
            f"train.batch_size must be at least as many as train together, {share.shares} ranks, found "
            f"{settings.batch_size}"
        )
    for name, pairs in (("training", training), ("development", development)):
        if loss and pairs.share != share:
            raise ValueError(f"the {name} split must be read by {share}, found {pairs.share}")
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
