"""A small index of real audio files, and in place of a model a few lines that embed by hashes."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pyarrow as pa
import soundfile

from pipeline.use.bank import CaptionBank
from pipeline.use.index.disk import write_tables, writing
from pipeline.use.index.index import Index
from pipeline.use.page.library import Library

DIGEST, SIZE, WINDOW_SECONDS = "0123456789ab", 8, 2.0

HOSTILE = "<img src=x onerror=document.title='ran'>.wav"

RECORDINGS = {
    "a/anger.wav": 2.0,
    "a/bliss.flac": 2.0,
    "b/calm.ogg": 2.0,
    "b/dread.mp3": 2.0,
    "b/elation.aiff": 2.0,
    f"c/{HOSTILE}": 2.0,
    "c/long.wav": 6.0,
    "c/sigh.wav": 1.0,
}
"""Path → seconds. In the order of the index, whose windows are as many and two more of the long one."""

CAPTIONS = ["The person is calm.", "The person is angry.", "The person is elated.", "The person is sad."]
PLACES = [[5.0, 2.0], [1.5, 6.5], [6.5, 6.5], [2.0, 2.0]]


def unit(*words: object) -> np.ndarray:
    """An embedding that only these words have."""
    seed = int.from_bytes(hashlib.sha256(repr(words).encode()).digest()[:8])
    drawn = np.random.default_rng(seed).standard_normal(SIZE).astype(np.float32)
    return drawn / np.linalg.norm(drawn)


class FakeModel:
    """Embeds the sentence “window N” as that window, and any other by its hash."""

    name, digest, crop_seconds, embedding_size = "a model", DIGEST, WINDOW_SECONDS, SIZE

    def __init__(self, *, captions: bool = True, attributes: bool = True) -> None:
        bank = CaptionBank(CAPTIONS, np.array(PLACES), np.array([unit(text) for text in CAPTIONS]))
        self.model = SimpleNamespace(
            bank=bank if captions else None, origin={"title": "A model", "corpus": {"synthetic": True}}
        )
        self.speech = SimpleNamespace(encode_heard=self._heard)
        self._has_attributes = attributes

    def embed_sentences(self, sentences: Sequence[str]) -> np.ndarray:
        return np.array([unit(int(s[7:])) if s.startswith("window ") else unit(s) for s in sentences])

    def _heard(self, waveforms: Sequence[np.ndarray]) -> np.ndarray:
        return np.array([[len(w), float(np.abs(w).mean())] for w in waveforms], np.float32)

    def embed_statistics(self, statistics: np.ndarray) -> np.ndarray:
        return np.array([unit(*row.tolist()) for row in statistics])

    def attributes(self, statistics: np.ndarray) -> np.ndarray | None:
        return np.full((len(statistics), 3), [3.0, 5.0, 4.0], np.float32) if self._has_attributes else None


def write_recordings(root: Path) -> None:
    """The files, of seeded noise that swells."""
    for number, (path, seconds) in enumerate(RECORDINGS.items()):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(number).standard_normal(round(16_000 * seconds))
        soundfile.write(root / path, 0.2 * noise * np.linspace(0.1, 1, len(noise)), 16_000)


def write_index(
    root: Path,
    folder: Path,
    *,
    paths: Sequence[str] = (*RECORDINGS,),
    attributes: bool = True,
    model: str = DIGEST,
) -> None:
    """An index of some of the files; window N has the embedding of N, and lies along the plane's diagonal."""
    found = [(root / path).stat() for path in paths]
    windows = [
        (file, start, min(start + WINDOW_SECONDS, RECORDINGS[path]))
        for file, path in enumerate(paths)
        for start in np.arange(0, RECORDINGS[path], WINDOW_SECONDS)
    ]
    places = np.linspace(1.5, 6.5, len(windows))
    with writing(folder, {"root": str(root), "model": model, "seconds": 2.0, "hop": 2.0}) as temporary:
        np.save(temporary / "embeddings.npy", np.array([unit(row) for row in range(len(windows))]))
        write_tables(
            temporary,
            pa.table(
                {
                    "path": list(paths),
                    "size": [one.st_size for one in found],
                    "mtime_ns": [one.st_mtime_ns for one in found],
                    "sha256": [hashlib.sha256((root / path).read_bytes()).hexdigest() for path in paths],
                    "duration": [RECORDINGS[path] for path in paths],
                    "sampling_rate": [16_000] * len(paths),
                }
            ),
            pa.table(
                dict(zip(("file", "start", "end"), map(list, zip(*windows, strict=True)), strict=True))
                | {
                    name: pa.array(places if attributes else [None] * len(windows), pa.float32())
                    for name in ("valence", "arousal", "dominance")
                }
            ),
        )


def open_library(index: Path, *, clock: Callable[[], float] = time.monotonic, **options: Any) -> Library:
    """What is searched, by the model of a few lines."""
    model = cast(Any, FakeModel(**options))
    return Library(model, lambda: Index.open(index), index / "index.json", clock=clock)
