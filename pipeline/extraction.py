"""Stage one: what has no feature yet → batches of like length → the frozen encoders → the store.

Rows go to the store as they come, a shard at a time, so that an interrupted run resumes where it was.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import numpy as np

from pipeline.audio import AudioError, Waveform, check_audible, crop, inside, read_clip
from pipeline.encoders import SpeechEncoder, TextEncoder
from pipeline.encoders.batching import batches_by_length
from pipeline.feature_store import SHARD_ROWS, Features, FeatureStore, sentence_key
from pipeline.manifest import Manifest
from pipeline.progress import Progress

SECONDS_BETWEEN_SHARDS = 120.0
"""At most so much work is lost when a run is killed."""

SENTENCES_AT_ONCE = 1024

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Failure:
    """A clip of the manifest that could not be encoded."""

    id: str
    path: str
    reason: str


def extract_speech(
    manifest: Manifest, root: Path, encoder: SpeechEncoder, store: FeatureStore, *, workers: int = 2
) -> list[Failure]:
    """Encode every distinct clip of the manifest that the store lacks; return those that failed.

    A clip fails where its file is gone, is no longer what `erclap prepare` hashed, or cannot be decoded; the
    others are stored all the same.
    """
    rows = {str(row["sha256"]): row for row in reversed(manifest.table.to_pylist())}
    missing = [rows[key] for key in store.missing(manifest.strings("sha256"))]
    heard = [min(float(row["duration"]), encoder.crop_seconds) for row in missing]
    batches = [[missing[i] for i in b] for b in batches_by_length(heard, encoder.batch_seconds)]

    def read(batch: Sequence[dict[str, object]]) -> list[Waveform | str]:
        return [_read(root, row, encoder.crop_seconds) for row in batch]

    failures: list[Failure] = []
    with (
        ThreadPoolExecutor(workers) as pool,
        Progress("speech", len(missing), "clips") as progress,
        ShardWriter(store) as writer,
    ):
        for batch, waveforms in zip(batches, read_ahead(pool, read, batches, workers + 1), strict=True):
            reasons = {i: w for i, w in enumerate(waveforms) if isinstance(w, str)}
            good = [i for i in range(len(batch)) if i not in reasons]
            features = encoder.encode([w for w in waveforms if not isinstance(w, str)])
            finite = np.asarray(np.isfinite(features).all(axis=1))
            reasons |= {i: "its feature is not finite" for i, ok in zip(good, finite, strict=True) if not ok}
            writer.add([str(batch[i]["sha256"]) for i in good if i not in reasons], features[finite])
            failures += [
                Failure(str(batch[i]["id"]), str(batch[i]["path"]), reason) for i, reason in reasons.items()
            ]
            progress.advance(len(batch))
    return failures


def extract_text(sentences: Iterable[str], encoder: TextEncoder, store: FeatureStore) -> None:
    """Encode every distinct sentence that the store lacks."""
    by_key = {sentence_key(sentence): sentence for sentence in sentences}
    # Sorted by length as a whole, so that the encoder's own batches are of like length.
    missing = sorted(store.missing(by_key), key=lambda key: len(by_key[key]), reverse=True)
    with Progress("text", len(missing), "sentences") as progress, ShardWriter(store) as writer:
        for start in range(0, len(missing), SENTENCES_AT_ONCE):
            keys = missing[start : start + SENTENCES_AT_ONCE]
            writer.add(keys, encoder.encode([by_key[key] for key in keys]))
            progress.advance(len(keys))


class ShardWriter:
    """Collects rows and gives them to a store a full shard at a time, or after two minutes, or at the end.

    What was computed before an interruption is stored too.
    """

    def __init__(self, store: FeatureStore) -> None:
        self._store = store
        self._keys: list[str] = []
        self._features: list[Features] = []
        self._last_shard = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._flush()

    def add(self, keys: Sequence[str], features: Features) -> None:
        """Take rows: `keys` (N) and `features` (N, F)."""
        self._keys += keys
        self._features.append(features)
        late = time.monotonic() - self._last_shard > SECONDS_BETWEEN_SHARDS
        if len(self._keys) >= SHARD_ROWS or late:
            self._flush()

    def _flush(self) -> None:
        if self._keys:
            self._store.append(self._keys, np.concatenate(self._features))
        self._keys, self._features = [], []
        self._last_shard = time.monotonic()


def read_ahead(
    pool: ThreadPoolExecutor, function: Callable[[Item], Result], items: Iterable[Item], ahead: int
) -> Iterator[Result]:
    """The function's results in order, with at most `ahead` of them computed and waiting."""
    waiting: deque[Future[Result]] = deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _read(root: Path, row: dict[str, object], crop_seconds: float) -> Waveform | str:
    """A clip's waveform, or why there is none."""
    try:
        clip = read_clip(inside(root, str(row["path"])))
        if clip.sha256 != row["sha256"]:
            return "changed since `erclap prepare`"
        waveform = crop(clip.waveform, crop_seconds).copy()
        check_audible(waveform)
    except AudioError as error:
        return f"not usable ({error})"
    return waveform
