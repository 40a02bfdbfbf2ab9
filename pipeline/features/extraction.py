"""Stage one: what has no feature yet → batches of like length → the frozen encoders → the store.

Clips are read on threads while others are encoded, never more of them ahead than two batches need. Rows go to
the store as they come, a shard at a time, so that an interrupted run resumes where it was. What is planned stays
in columns, with no object a clip.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.audio import AudioError, Unusable, Waveform, inside, read_waveform
from pipeline.encoders import SpeechEncoder, TextEncoder
from pipeline.features.shards.keys import Keys, packed, packed_column, sentence_keys, values
from pipeline.features.shards.rows import SHARD_ROWS
from pipeline.features.store import Features, FeatureStore
from pipeline.manifest import Manifest
from pipeline.support import Progress, in_order

SECONDS_BETWEEN_SHARDS = 120.0
"""At most so much work, and the batch under way, is lost when a run is killed."""

SENTENCES_AT_ONCE = 1024


@dataclass(frozen=True, slots=True)
class Read:
    """A clip of the manifest as it was read: its waveform, or why there is none."""

    id: str
    path: str
    sha256: str
    waveform: Waveform | None
    reason: str = ""


def extract(speech: Generator[list[Unusable]], text: Generator[None]) -> list[Unusable]:
    """Run both encoders in one go, sentences first; return what failed.

    Sentences take minutes where clips take hours, and each has a remaining time of its own only if it does not
    wait for the other: by turns, a clip had to wait for a thousand sentences.
    """
    failures: list[Unusable] = []
    with closing(speech), closing(text):
        for _ in text:
            pass
        for failed in speech:
            failures += failed
    return failures


def extract_speech(
    manifest: Manifest, root: Path, encoder: SpeechEncoder, store: FeatureStore, *, workers: int = 2
) -> Generator[list[Unusable]]:
    """Encode every distinct clip of the manifest that the store lacks; yield after each batch what failed.

    A clip fails where its file is gone, is no longer what `erclap prepare` hashed, or cannot be decoded; the
    others are stored all the same. `workers` threads read. Raises ValueError at once where there is something to
    read and no folder to read it from.
    """
    clips = missing_clips(manifest, store)
    if len(clips) and not root.is_dir():
        raise ValueError(
            f"prepare.root must be the folder of the clips, found no folder {root}, and {len(clips)} of "
            f"{len(manifest)} clips have no feature yet"
        )
    return _encode_clips(clips, root, encoder, store, workers)


def _encode_clips(
    clips: pa.Table, root: Path, encoder: SpeechEncoder, store: FeatureStore, workers: int
) -> Generator[list[Unusable]]:
    heard = np.minimum(clips.column("duration").to_numpy(), encoder.crop_seconds)
    under_way: deque[list[Read]] = deque()

    def read(row: int) -> Read:
        return _read(root, clips.slice(row, 1), encoder.crop_seconds)

    def waveforms(reads: Iterator[Read]) -> Iterator[list[Waveform]]:
        for batch in encoder.batches(heard):
            under_way.append([next(reads) for _ in batch])
            yield [clip.waveform for clip in under_way[-1] if clip.waveform is not None]

    # Seconds of speech: counted in clips, long ones would be as many as the shortest that fit a batch.
    longest = max((heard[batch].sum() for batch in encoder.batches(heard)), default=0.0)
    ahead = 2 * longest + workers * encoder.crop_seconds
    rows = (row for batch in encoder.batches(heard) for row in batch)
    with (
        ThreadPoolExecutor(workers, "read") as pool,
        Progress("speech", len(clips), "clips", work=float(heard.sum())) as progress,
        ShardWriter(store) as writer,
        closing(in_order(pool, read, rows, ahead, weight=lambda row: float(heard[row]))) as reads,
        closing(encoder.encode_batches(waveforms(reads))) as encoded,
    ):
        for batch, features in zip(encoder.batches(heard), encoded, strict=True):
            failed = _store(under_way.popleft(), features, writer)
            progress.advance(len(batch), work=float(heard[batch].sum()))
            yield failed


def missing_clips(manifest: Manifest, store: FeatureStore) -> pa.Table:
    """The first row of every distinct clip that the store lacks: id, path, sha256, duration."""
    rows = manifest.table.select(["id", "path", "sha256", "duration"])
    keys = rows.column("sha256").dictionary_encode().combine_chunks()
    used, first = np.unique(keys.indices.to_numpy(), return_index=True)
    lacking = store.lacks(packed_column(keys.dictionary.take(pa.array(used))))
    return rows.take(pa.array(np.sort(first[lacking])))


def _read(root: Path, row: pa.Table, crop_seconds: float) -> Read:
    """Read the clip of a manifest's row."""
    clip = row.to_pylist()[0]
    waveform, reason = None, ""
    try:
        waveform = read_waveform(inside(root, clip["path"]), crop_seconds, sha256=clip["sha256"])
    except AudioError as error:
        reason = str(error)
    return Read(clip["id"], clip["path"], clip["sha256"], waveform, reason)


def _store(clips: Sequence[Read], features: Features, writer: ShardWriter) -> list[Unusable]:
    """Give the features of those clips that could be read to the writer; return the clips that failed."""
    read = [clip for clip in clips if clip.waveform is not None]
    finite = np.asarray(np.isfinite(features).all(axis=1))
    writer.add(packed([clip.sha256 for clip in read])[finite], features[finite])
    failed = [Unusable(clip.id, clip.path, clip.reason) for clip in clips if clip.waveform is None]
    return failed + [
        Unusable(clip.id, clip.path, "its feature is not finite")
        for clip, ok in zip(read, finite, strict=True)
        if not ok
    ]


def extract_text(
    sentences: Sequence[str] | pa.Array, encoder: TextEncoder, store: FeatureStore
) -> Generator[None]:
    """Encode every distinct sentence that the store lacks, a batch a step."""
    column = pc.unique(pa.array(sentences, pa.string()))
    keys, lengths = sentence_keys(values(column)), pc.utf8_length(column).to_numpy()
    missing = np.flatnonzero(store.lacks(keys))
    # Sorted by length as a whole, so that the encoder's own batches are of like length.
    missing = missing[np.argsort(-lengths[missing], kind="stable")]
    work = float(lengths[missing].sum())
    with Progress("text", len(missing), "sentences", work=work) as progress, ShardWriter(store) as writer:
        for start in range(0, len(missing), SENTENCES_AT_ONCE):
            batch = missing[start : start + SENTENCES_AT_ONCE]
            writer.add(keys[batch], encoder.encode(column.take(pa.array(batch)).to_pylist()))
            progress.advance(len(batch), work=float(lengths[batch].sum()))
            yield


class ShardWriter:
    """Collects rows and gives them to a store a full shard at a time, or after two minutes, or at the end.

    What was given to it before an interruption is stored too.
    """

    def __init__(self, store: FeatureStore) -> None:
        self._store = store
        self._rows: list[tuple[Keys, Features]] = []
        self._count = 0
        self._last_shard = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._flush()

    def add(self, keys: Keys, features: Features) -> None:
        """Take rows: `keys` (N) and `features` (N, F)."""
        self._rows.append((keys, features))
        self._count += len(keys)
        late = time.monotonic() - self._last_shard > SECONDS_BETWEEN_SHARDS
        if late or self._count >= SHARD_ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._count:
            keys, features = (np.concatenate(part) for part in zip(*self._rows, strict=True))
            self._store.append(keys, features)
        self._rows, self._count = [], 0
        self._last_shard = time.monotonic()
