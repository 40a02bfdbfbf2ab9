"""A model of a few lines whose embeddings follow from the samples alone, and a folder of short recordings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import soundfile
import torch

from pipeline.recipe import Recipe

SIZE = 6


class FakeEncoder:
    """Statistics that say what was heard: length, loudness, a few samples. It counts what it encodes."""

    def __init__(self, revision: str) -> None:
        self.device, self.crop_seconds = torch.device("cpu"), 1.0
        self.recipe = Recipe("speech", "fake", revision, SIZE, "attentive-stats", "masked", 1.0)
        self.encoded = 0
        self.before_each: Callable[[], object] = lambda: None

    def batches(self, seconds: Iterable[float]) -> Iterator[list[int]]:
        order = np.argsort(-np.asarray(seconds), kind="stable").tolist()
        yield from (order[i : i + 2] for i in range(0, len(order), 2))

    def encode_batches(self, batches):
        for batch in batches:
            for _ in batch:
                self.before_each()
                self.encoded += 1
            yield self.encode_heard(batch)

    def encode_heard(self, batch) -> np.ndarray:
        rows = [[len(w) / 16_000, np.abs(w).mean(), *w[100:400:100], w.std()] for w in batch]
        return np.array(rows, np.float32).reshape(len(batch), SIZE)


class FakeModel:
    """Heads that differ by the seed; valence, arousal and dominance by what was heard, or none."""

    crop_seconds, embedding_size = 1.0, 4

    def __init__(self, seed: int = 0, *, reads: bool = True, revision: str = "sha256:1") -> None:
        self.speech, self.digest = FakeEncoder(revision), f"{seed:012x}"
        self._weights = np.random.default_rng(seed).normal(size=(SIZE, 4)).astype(np.float32)
        self._reads = reads

    def embed_statistics(self, statistics: np.ndarray) -> np.ndarray:
        rows = np.stack([row @ self._weights for row in statistics])
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    def attributes(self, statistics: np.ndarray) -> np.ndarray | None:
        return np.clip(1 + 6 * np.abs(statistics[:, 2:5]) * 3, 1, 7) if self._reads else None


LENGTHS = {"a.wav": 0.5, "b/long.flac": 3.3, "b/two.wav": 2.0, "c d/e.mp3": 1.0, "stereo.ogg": 0.8}
"""Seconds; in windows of a second 1, 4, 2, 1 (an mp3's length differs by a frame) and 1."""


def speak(path: Path, seconds: float, seed: int = 0, rate: int = 16_000) -> Path:
    """Write seeded noise, of two channels where the name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    channels = 2 if "stereo" in path.name else 1
    samples = np.random.default_rng([seed, round(seconds * rate)]).uniform(-0.5, 0.5, round(seconds * rate))
    soundfile.write(path, np.stack([samples] * channels, axis=1), rate)
    return path


def make_corpus(root: Path) -> Path:
    """The recordings of `LENGTHS`, and what is none."""
    for seed, (name, seconds) in enumerate(LENGTHS.items()):
        speak(root / name, seconds, seed)
    (root / "b" / "notes.txt").write_text("no recording")
    speak(root / ".hidden" / "x.wav", 1.0)
    speak(root / "b" / "._long.wav", 1.0)
    return root
