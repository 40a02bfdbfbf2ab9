"""Blocks through a Ray cluster in rounds, until every row is answered.

A block that is lost with its process, its GPU or its node is not left to Ray, which would try it again for ever.
What the store lacks after a round is taken up by the next, in smaller blocks, down to single rows. So nothing is
lost, and what kills each process that touches it is named.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config import Params
from pipeline.features import Keys, Mask
from pipeline.scale.ray_cluster import alive, first_line, ray_module
from pipeline.scale.ray_encoding import Place
from pipeline.scale.ray_watch import Watch
from pipeline.scale.ray_workers import ENCODER_LEAVES, READER_ASKS, Workers, workers_for
from pipeline.support import Progress, counted

SMALLER = (16, 1, 1)
"""Rows in a block, once few blocks are lost at the size before."""

BLOCKS_AN_ENCODER = 4
"""At least, so that all have work until the end."""

AHEAD = 2
"""Blocks that an encoder has, of which it encodes one; alone, one is not lost with another."""

LOST_AT_MOST = 100
"""Blocks in a round, and so many more an encoder; then it is ended, and another begun."""
LOST_AN_ENCODER = 20

DIED = "each process that read or encoded it died"

Rows = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Work:
    """Rows to encode, longest first, and who reads and encodes a block of them."""

    label: str
    unit: str
    rows: pa.Table
    keys: Keys
    lengths: npt.NDArray[np.float64]
    reader: Callable[[pa.Table], pa.Table] | None
    encoder: type
    """Made in an actor with the params and the place, and called with a block."""
    rows_a_block: int


@dataclass(frozen=True)
class Answer:
    """What became of some rows: those that failed have a reason, the others are stored."""

    rows: Rows
    reasons: dict[int, str]


def in_rounds(work: Work, params: Params, place: Place) -> Generator[Answer]:
    """What becomes of the rows of some work, on the cluster that was joined, as it becomes known.

    Raises RuntimeError where an encoder or the store fails as a whole, or every process dies.
    """
    ray = ray_module()
    left = np.arange(len(work.rows))
    size, smaller = 0, deque[int]()
    with Progress(work.label, len(left), work.unit, work=float(work.lengths.sum())) as progress:

        def told(rows: Rows) -> None:
            progress.advance(len(rows), work=float(work.lengths[rows].sum()))

        while len(left):
            cluster = alive()
            workers = workers_for(cluster, params.runtime, at_most=size > 0)
            if not size:
                size = _first_size(work, workers)
                smaller = deque([rows for rows in SMALLER if rows < size] or [1])
            answered = np.zeros(len(work.rows), bool)
            ended: Exception | None = None
            with (
                Watch(alive, cluster) as watch,
                closing(_round(work, left, size, workers, params, place)) as answers,
            ):
                try:
                    for answer in answers:
                        watch.heard()
                        answered[answer.rows] = True
                        told(answer.rows)
                        yield answer
                except ray.exceptions.RayError as error:
                    ended = error
            lost = _suspects_last(left, answered)
            lacking = lost[place.lacks(work.keys[lost])] if len(lost) else lost
            told(np.setdiff1d(lost, lacking))  # stored, and the answer lost
            came, left = answered.any(), lacking
            if len(left):
                print(
                    f"warning: {counted(len(left), work.unit[:-1])} went with processes that died, and are next",
                    file=sys.stderr,
                )
            if came and (ended or len(left) > size * AHEAD * workers.encoders):
                continue  # it was a node that was lost, rather than rows that kill
            if smaller:
                size = smaller.popleft()
            elif ended:
                raise RuntimeError(
                    f"processes on the Ray cluster must not die one after the other, the last by "
                    f"{first_line(ended)}; what was encoded is stored, and why they die is in Ray's logs"
                ) from ended
            else:
                told(left)
                yield Answer(left, dict.fromkeys(left.tolist(), DIED))
                return


def _suspects_last(left: Rows, answered: Mask) -> Rows:
    """Those of the rows left that were not answered, in order; at the end those that others overtook."""
    came = answered[left]
    last = int(np.flatnonzero(came).max(initial=-1))
    return np.concatenate([left[last + 1 :], left[: last + 1][~came[: last + 1]]])


def _first_size(work: Work, workers: Workers) -> int:
    return min(work.rows_a_block, max(1, len(work.rows) // (BLOCKS_AN_ENCODER * workers.encoders)))


def _round(
    work: Work, left: Rows, size: int, workers: Workers, params: Params, place: Place
) -> Generator[Answer]:
    """Answers for what comes through of some rows. Raises RayError where too many blocks are lost."""
    ray = ray_module()
    from ray.data import ActorPoolStrategy, DataContext

    context = DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    context.max_errored_blocks = LOST_AT_MOST + LOST_AN_ENCODER * workers.encoders
    context.max_consecutive_actor_init_deaths = workers.encoders + 3
    numbered = work.rows.append_column("row", pa.array(np.arange(len(work.rows))))
    blocks = [numbered.take(pa.array(left[i : i + size])).combine_chunks() for i in range(0, len(left), size)]
    encoders = min(workers.encoders, len(blocks))
    with _quiet():
        data = ray.data.from_arrow(blocks)
        if work.reader is not None:
            data = data.map_batches(
                work.reader,
                batch_format="pyarrow",
                num_cpus=READER_ASKS,
                concurrency=workers.readers,
                ray_remote_args_fn=partial(dict, max_retries=1),
            )
        data = data.map_batches(
            work.encoder,
            fn_constructor_args=(computing_on(params, "cuda" if workers.gpus else "cpu"), place),
            batch_format="pyarrow",
            compute=ActorPoolStrategy(
                min_size=1,
                max_size=encoders,
                initial_size=encoders,
                max_tasks_in_flight_per_actor=AHEAD if size > 1 else 1,
            ),
            num_cpus=workers.cpus - ENCODER_LEAVES,
            num_gpus=workers.gpus,
            # Ray's default is to try a task again without end.
            ray_remote_args_fn=partial(dict, max_task_retries=0),
        )
        for answers in data.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
            yield _answer(answers)


def _answer(answers: pa.Table) -> Answer:
    for fault in answers.column("fault").drop_null().to_pylist():
        raise RuntimeError(fault)
    failed = answers.filter(pc.is_valid(answers.column("reason")))
    reasons = zip(failed.column("row").to_pylist(), failed.column("reason").to_pylist(), strict=True)
    return Answer(answers.column("row").to_numpy(), dict(reasons))


def computing_on(params: Params, device: str) -> Params:
    """The same params with `runtime.device`."""
    return params.model_copy(update={"runtime": params.runtime.model_copy(update={"device": device})})


@contextmanager
def _quiet() -> Iterator[None]:
    """Within this Ray Data says nothing, unless everything is to be said."""
    logger = logging.getLogger("ray.data")
    before = logger.level
    with warnings.catch_warnings():
        # Of arguments that Ray 2.64 will no longer take, and 2.60 has no others for.
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        try:
            if not os.environ.get("ERCLAP_DEBUG"):
                logger.setLevel(logging.CRITICAL)
            yield
        finally:
            logger.setLevel(before)
