"""One recording, window by window: its embeddings and the encoder's own reading of each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.audio import read_windows
from pipeline.use.embedding import Embedder
from pipeline.use.given import Embeddings, unit_mean
from pipeline.use.hearing import in_batches

TOGETHER = 32
"""Windows in memory at once."""


@dataclass(frozen=True)
class Heard:
    """A recording's W windows."""

    spans: list[tuple[float, float]]
    """Where each begins and ends, in seconds."""
    embeddings: Embeddings
    """(W, E) of length one."""
    attributes: Embeddings | None
    """(W, 3) valence, arousal, dominance on 1..7; None where the encoder reads something else."""

    @property
    def mean(self) -> Embeddings:
        """What stands for the whole recording, (E,)."""
        return unit_mean(self.embeddings)


def hear(model: Embedder, file: Path, hop: float | None = None) -> Heard:
    """Embed a recording of any length, a window every `hop` seconds. Raises AudioError as `read_windows` does."""
    spans, embeddings, attributes = [], [], []
    for batch in in_batches(read_windows(file, model.crop_seconds, hop), TOGETHER):
        statistics = model.speech.encode_heard([window.waveform for window in batch])
        spans += [(window.start, window.end) for window in batch]
        embeddings.append(model.embed_statistics(statistics))
        attributes.append(model.attributes(statistics))
    told = [part for part in attributes if part is not None]
    return Heard(spans, np.concatenate(embeddings), np.concatenate(told) if told else None)
