"""The windows that have no features yet → the frozen speech encoder → the store, a shard at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from pipeline.audio import SAMPLING_RATE, AudioError, Waveform, Window, read_windows
from pipeline.encoders import SpeechEncoder
from pipeline.features import FeatureStore, ShardWriter, packed
from pipeline.support import Progress, merged
from pipeline.use.index.looking import Looked, window_key

SECONDS_TOGETHER = 640.0
"""Of speech that is read before its batches are chosen, so that they are of like length."""

NOT_FINITE = "its feature is not finite"

Keyed = tuple[str, Window]
"""A window behind its key."""


def encode_missing(
    looked: Sequence[Looked],
    root: Path,
    encoder: SpeechEncoder,
    store: FeatureStore,
    hop: float,
    workers: int,
) -> tuple[int, dict[str, str]]:
    """Encode the windows of these recordings that the store lacks, each once; return how many.

    Beside it, by hash, why a recording could not be read this time. `workers` threads read. What was encoded is
    stored at least every two minutes, so that whoever kills it loses no more.
    """
    lacking = set(store.missing([key for one in looked for key in one.keys]))
    reading = {one.sha256: one for one in looked if not lacking.isdisjoint(one.keys)}
    failed: dict[str, str] = {}

    def windows(one: Looked) -> Iterator[Keyed]:
        file = root / one.found.path
        try:
            for window in read_windows(file, encoder.crop_seconds, hop, sha256=one.sha256):
                if (key := window_key(one.sha256, window.start, window.end)) in lacking:
                    yield key, window
        except (AudioError, OSError) as error:
            failed[one.sha256] = str(error)

    under_way: deque[list[tuple[str, float]]] = deque()

    def batches(items: Iterator[Keyed]) -> Iterator[list[Waveform]]:
        for group in _groups(items):
            for batch in encoder.batches([_seconds(window) for _, window in group]):
                under_way.append([(group[i][0], _seconds(group[i][1])) for i in batch])
                yield [group[i][1].waveform for i in batch]

    work = sum(
        end - start
        for one in reading.values()
        for key, (start, end) in zip(one.keys, one.spans.tolist(), strict=True)
        if key in lacking
    )
    encoded = 0
    with (
        Progress("speech", len(lacking), "windows", work=work) as progress,
        ShardWriter(store) as writer,
        closing(merged(map(windows, reading.values()), workers, 16)) as items,
        closing(encoder.encode_batches(batches(items))) as features,
    ):
        for rows in features:
            batch = under_way.popleft()
            finite = np.isfinite(rows).all(axis=1)
            writer.add(packed([key for key, _ in batch])[finite], rows[finite])
            encoded += int(finite.sum())
            progress.advance(len(batch), work=sum(seconds for _, seconds in batch))
    return encoded, failed


def _seconds(window: Window) -> float:
    return len(window.waveform) / SAMPLING_RATE


def _groups(items: Iterator[Keyed]) -> Generator[list[Keyed]]:
    group: list[Keyed] = []
    seconds = 0.0
    for key, window in items:
        group.append((key, window))
        seconds += _seconds(window)
        if seconds >= SECONDS_TOGETHER:
            yield group
            group, seconds = [], 0.0
    if group:
        yield group
