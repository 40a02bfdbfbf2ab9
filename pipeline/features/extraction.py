"""Stage one: what has no feature yet → batches of like length → the frozen encoders → the store.

Clips are read on threads while others are encoded, never more of them ahead than two batches need. Rows go to
the store as they come, a shard at a time, so that an interrupted run resumes where it was. What is planned stays
in columns, with no object a clip.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.audio import AudioError, Unusable, Waveform, inside, read_waveform
from pipeline.features.shards.keys import Keys, packed, packed_column, sentence_keys, values
from pipeline.features.shards.rows import SHARD_ROWS
from pipeline.features.store import Features, FeatureStore, Mask
from pipeline.manifest import Manifest
from pipeline.support import Progress, counted, in_order

if TYPE_CHECKING:  # so that a process which only reads loads no torch
    from pipeline.encoders import SpeechEncoder, TextEncoder

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
    """Encode every distinct clip of the manifest that the store lacks, as `encode_clips` does."""
    return encode_clips(missing_clips(manifest, store.lacks), root, encoder, store, workers=workers)


def extract_text(
    sentences: Sequence[str] | pa.Array, encoder: TextEncoder, store: FeatureStore
) -> Generator[None]:
    """Encode every distinct sentence that the store lacks, as `encode_sentences` does."""
    return encode_sentences(missing_sentences(sentences, store.lacks), encoder, store)


def missing_clips(manifest: Manifest, lacks: Callable[[Keys], Mask]) -> pa.Table:
    """The first row of every distinct clip that is lacked: id, path, sha256, duration.

    `lacks` says of keys (N,) which are, such as a store's own.
    """
    rows = manifest.table.select(["id", "path", "sha256", "duration"])
    keys = rows.column("sha256").dictionary_encode().combine_chunks()
    used, first = np.unique(keys.indices.to_numpy(), return_index=True)
    lacking = lacks(packed_column(keys.dictionary.take(pa.array(used))))
    return rows.take(pa.array(np.sort(first[lacking])))


def missing_sentences(sentences: Sequence[str] | pa.Array, lacks: Callable[[Keys], Mask]) -> pa.Array:
    """Every distinct sentence that is lacked."""
    distinct = pc.unique(pa.array(sentences, pa.string()))
    return distinct.filter(pa.array(lacks(sentence_keys(values(distinct)))))


def encode_clips(
    clips: pa.Table, root: Path, encoder: SpeechEncoder, store: FeatureStore, *, workers: int = 2
) -> Generator[list[Unusable]]:
    """Encode clips, of distinct keys, into a store; yield after each batch what failed.

    A clip fails where its file is gone, is no longer what `erclap prepare` hashed, or cannot be decoded; the
    others are stored all the same. `workers` threads read. Raises ValueError at once where there is something to
    read and no folder to read it from.
    """
    if len(clips) and not root.is_dir():
        raise ValueError(
            f"prepare.root must be the folder of the clips, found no folder {root}, and "
            f"{counted(len(clips), 'clip has', 'clips have')} no feature yet"
        )
    return _encode_clips(clips, root, encoder, store, workers)


def _encode_clips(
    clips: pa.Table, root: Path, encoder: SpeechEncoder, store: FeatureStore, workers: int
) -> Generator[list[Unusable]]:
    heard = np.minimum(clips.column("duration").to_numpy(), encoder.crop_seconds)

    def read(row: int) -> Read:
        clip = clips.slice(row, 1).to_pylist()[0]
        return read_clip(root, clip["id"], clip["path"], clip["sha256"], encoder.crop_seconds)

    # Seconds of speech: counted in clips, long ones would be as many as the shortest that fit a batch.
    longest = max((heard[batch].sum() for batch in encoder.batches(heard)), default=0.0)
    ahead = 2 * longest + workers * encoder.crop_seconds
    rows = (row for batch in encoder.batches(heard) for row in batch)

    def batches(reads: Iterator[Read]) -> Iterator[list[Read]]:
        for batch in encoder.batches(heard):
            yield [next(reads) for _ in batch]

    with (
        ThreadPoolExecutor(workers, "read") as pool,
        Progress("speech", len(clips), "clips", work=float(heard.sum())) as progress,
        ShardWriter(store) as writer,
        closing(in_order(pool, read, rows, ahead, weight=lambda row: float(heard[row]))) as reads,
        closing(encode_read(batches(reads), encoder, writer)) as done,
    ):
        for batch, failed in zip(encoder.batches(heard), done, strict=True):
            progress.advance(len(batch), work=float(heard[batch].sum()))
            yield failed


def read_clip(root: Path, name: str, path: str, sha256: str, crop_seconds: float) -> Read:
    """Read a clip, its `path` relative to the corpus's root, or find why it cannot be."""
    try:
        waveform = read_waveform(inside(root, path), crop_seconds, sha256=sha256)
    except AudioError as error:
        return Read(name, path, sha256, None, str(error))
    return Read(name, path, sha256, waveform)


def encode_read(
    batches: Iterable[list[Read]], encoder: SpeechEncoder, writer: ShardWriter
) -> Generator[list[Unusable]]:
    """Encode clips that were read, a batch at a time, and give what is finite to the writer; yield what failed.

    What every way to run stage one shares. On a CPU a clip's feature does not depend on its batch, to the bit.
    """
    under_way: deque[list[Read]] = deque()

    def waveforms() -> Iterator[list[Waveform]]:
        for batch in batches:
            under_way.append(batch)
            yield [clip.waveform for clip in batch if clip.waveform is not None]

    with closing(encoder.encode_batches(waveforms())) as encoded:
        for features in encoded:
            yield _store(under_way.popleft(), features, writer)


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


def encode_sentences(sentences: pa.Array, encoder: TextEncoder, store: FeatureStore) -> Generator[None]:
    """Encode distinct sentences into a store, a batch a step."""
    lengths = pc.utf8_length(sentences).to_numpy()
    # Sorted by length as a whole, so that the encoder's own batches are of like length.
    order = np.argsort(-lengths, kind="stable")
    work = float(lengths.sum())
    with Progress("text", len(order), "sentences", work=work) as progress, ShardWriter(store) as writer:
        for start in range(0, len(order), SENTENCES_AT_ONCE):
            rows = order[start : start + SENTENCES_AT_ONCE]
            batch = sentences.take(pa.array(rows)).to_pylist()
            writer.add(sentence_keys(batch), encoder.encode(batch))
            progress.advance(len(batch), work=float(lengths[rows].sum()))
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
