"""What the whole run will take, from what was measured: time, disk and memory."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.captions import describe
from pipeline.config import Params, Train
from pipeline.features import Pairs, PlaneTexts
from pipeline.manifest import DEVELOPMENT, TRAIN
from pipeline.measures import wasserstein
from pipeline.methods import METHODS, Loss, learns_from_plane, settings_of
from pipeline.training import train
from stages.check.corpus import Seen
from stages.check.encoders import Rates
from stages.check.findings import Finding

ROWS_TIMED, BATCHES_TIMED = 2560, (2, 20)
"""So many rows make as many batches as they do, but neither fewer nor more than that."""

SENTENCES_TIMED = 300
POINTS_TIMED = 400

SECONDS_TO_START = 3.0
"""Of each process that DVC starts."""

SECONDS_TO_SPEAK = 0.016
"""An utterance of the sample."""

GROWTH_OF_TRANSPORT = 2.3
"""The power of the number of points by which the time of exact transport grows."""


@dataclass(frozen=True)
class Cost:
    """Of one stage."""

    stage: str
    seconds: float
    disk: float
    """Bytes."""
    memory: float
    """Bytes, at the peak."""


def check_costs(params: Params, seen: Seen, rates: Rates, costs: list[Cost]) -> Iterator[Finding]:
    """Estimate every stage and say what they come to; `costs` is filled."""
    if not seen.splits:
        yield Finding("warn", "cost", "cannot be told without the corpus")
        return
    costs += _costs(params, seen, rates)
    unknown = [cost.stage for cost in costs if cost.seconds < 0]
    starting = SECONDS_TO_START * (len(costs) + len(params.train.methods))
    total = starting + sum(cost.seconds for cost in costs if cost.seconds > 0)
    told = ", ".join(f"{cost.stage} {duration(cost.seconds)}" for cost in costs if cost.seconds >= 0)
    memory = max(costs, key=lambda cost: cost.memory)
    rest = f" and {', '.join(unknown)}, which cannot be told yet" if unknown else ""
    yield Finding(
        "ok",
        "cost",
        f"about {duration(total)} ({told}, starting {duration(starting)}){rest}; "
        f"{sum(c.disk for c in costs) / 1e9:.2f} GB written; "
        f"at most {memory.memory / 1e9:.1f} GB of memory ({memory.stage})",
    )


def _costs(params: Params, seen: Seen, rates: Rates) -> list[Cost]:
    clips, counts = len(seen.splits), Counter(seen.splits)
    variants = {METHODS[name].captions for name in params.train.methods} | {"va"}
    sentences = clips * len(variants - {"template"}) + 28 * params.caption.prompt_lists
    if any(learns_from_plane(params.train, name) for name in params.train.methods):
        sentences += params.caption.plane.captions
    row = 4.0 * sum(rates.sizes)
    weights = 2.0e9 if rates.sizes[0] >= 1024 else 0.4e9
    extract = -1.0
    if rates.speech is not None and rates.text is not None:
        heard = seen.heard(params.extract.speech.crop_seconds) or 2.0
        extract = clips * heard * rates.speech + sentences * rates.text + rates.seconds_to_load
    held = (counts[TRAIN] + counts[DEVELOPMENT]) * row
    pairs, test = min(params.evaluate.pairs, counts[params.evaluate.split]), counts[params.evaluate.split]
    embedded = 4.0 * params.train.embedding_size * 2 * (test + counts[params.evaluate.probe_split])
    seeds, methods = params.train.seeds, len(params.train.methods)
    return [
        Cost(
            "prepare",
            clips * (seen.seconds_a_clip / params.runtime.threads if seen.utterances else SECONDS_TO_SPEAK),
            400.0 * clips,
            0.3e9 + 2e3 * clips,
        ),
        Cost("caption", sentences * _seconds_a_sentence(), 150.0 * sentences, 0.3e9 + 4e3 * clips),
        Cost("extract", extract, clips * 4.0 * rates.sizes[0] + sentences * 4.0 * rates.sizes[1], weights),
        Cost("train", _training_seconds(params, counts, rates), 4e6 * seeds * methods, 0.5e9 + held),
        Cost(
            "evaluate",
            seeds * _evaluation_seconds(params, pairs, test),
            2e7,
            0.5e9 + embedded + test * row + 3 * 8.0 * pairs**2 * params.runtime.threads,
        ),
    ]


def _seconds_a_sentence() -> float:
    started = time.monotonic()
    for i in range(SENTENCES_TIMED):
        describe(4.0, 4.0, np.random.default_rng(i))
    return (time.monotonic() - started) / SENTENCES_TIMED


def _training_seconds(params: Params, counts: Counter[str], rates: Rates) -> float:
    """A few batches of each loss, and from them all epochs of all methods."""
    batch = min(params.train.batch_size, max(counts[TRAIN], 2))  # a larger one is refused, not waited for
    settings = params.train.model_copy(update={"batch_size": batch})
    fewest, most = BATCHES_TIMED
    batches_timed = min(max(ROWS_TIMED // batch, fewest), most)
    timed = _pairs(batch * batches_timed, rates.sizes)
    seconds: dict[tuple[Loss, bool], float] = {}
    total = 0.0
    for name in params.train.methods:
        loss = METHODS[name].loss
        if loss is None:
            continue
        kind = loss, learns_from_plane(settings, name)
        if kind not in seconds:
            seconds[kind] = _an_epoch(loss, timed, settings_of(settings, name)) / batches_timed
        # A step of validation takes about a third of one of training.
        batches = counts[TRAIN] / batch + counts[DEVELOPMENT] / batch / 3
        total += seconds[kind] * batches * params.train.epochs * params.train.seeds
    return total


def _an_epoch(loss: Loss, pairs: Pairs, settings: Train) -> float:
    one = settings.model_copy(update={"epochs": 1, "seeds": 1})
    repeated = np.resize(np.arange(len(pairs)), max(len(pairs), settings.plane_captions))
    plane = PlaneTexts(pairs.text[repeated], pairs.labels[repeated])
    started = time.monotonic()
    train(loss, pairs, pairs, one, plane=plane)
    first = time.monotonic() - started
    started = time.monotonic()
    train(loss, pairs, pairs, one.model_copy(update={"epochs": 2}), plane=plane)
    return max(time.monotonic() - started - first, first / 10) / 1.33


def _evaluation_seconds(params: Params, pairs: int, test: int) -> float:
    """Exact transport of a few points, and from it all trials; retrieval is a product of matrices."""
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal((min(POINTS_TIMED, pairs), params.train.embedding_size)) for _ in range(2))
    started = time.monotonic()
    wasserstein(x, y)
    one = 2 * (time.monotonic() - started) * (pairs / len(x)) ** GROWTH_OF_TRANSPORT  # W1 and W2
    aligned = sum(METHODS[name].aligned for name in params.train.methods)
    trials = params.evaluate.trials if test > pairs else 1
    return float(one * trials * aligned / params.runtime.threads + 5 + 1e-4 * test)


def _pairs(rows: int, sizes: tuple[int, int]) -> Pairs:
    rng = np.random.default_rng(0)
    return Pairs(
        ids=[str(i) for i in range(rows)],
        speech=rng.standard_normal((rows, sizes[0]), np.float32),
        text=rng.standard_normal((rows, sizes[1]), np.float32),
        labels=np.round(rng.uniform(1, 7, (rows, 2)), 1),
        emotions=["AHNS"[i % 4] for i in range(rows)],
    )


def duration(seconds: float) -> str:
    """`40 s`, `12 min`, `3.5 h`, `9 days`."""
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.{0 if seconds >= 10 * size else 1}f} {unit}"
    return f"{seconds:.0f} s"
