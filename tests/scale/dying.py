"""Encoders and readers for a cluster's processes, which load nothing and die where a test asks for it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.features import FeatureStore, packed_column
from pipeline.scale.ray_encoding import ClipReader, answered

POISON, ONCE = "poison.wav", "once.wav"


class DyingReader(ClipReader):
    """Dies of one clip, whenever it reads it."""

    def __call__(self, block: pa.Table) -> pa.Table:
        if POISON in block.column("path").to_pylist():
            os._exit(1)
        return super().__call__(block)


class DyingEncoder:
    """Stores the mean and the first samples of each clip; dies once with a clip."""

    def __init__(self, params, place):
        self.place = place

    def __call__(self, block):
        return answered(block, self.encode)

    def encode(self, block):
        marker = self.place.root.parent / "died"
        if ONCE in block.column("path").to_pylist() and not marker.exists():
            marker.touch()
            os._exit(1)
        heard = [row for row in range(len(block)) if not block.column("reason")[row].as_py()]
        block, all_rows = block.take(heard), block
        features = np.array(
            [feature(np.asarray(wave)) for wave in block.column("waveform").to_pylist()], np.float32
        ).reshape(-1, 4)
        log(self.place.root, block.column("path").to_pylist())
        FeatureStore(self.place.root, self.place.recipe).append(
            packed_column(block.column("sha256")), features
        )
        rows = zip(all_rows.column("row").to_pylist(), all_rows.column("reason").to_pylist(), strict=True)
        return {row: reason for row, reason in rows if reason}


class SlowEncoder(DyingEncoder):
    """Takes its time."""

    def encode(self, block):
        time.sleep(0.1 * len(block))
        return super().encode(block)


def feature(waveform: np.ndarray) -> np.ndarray:
    return np.array([waveform.mean(), *waveform[:3]], np.float32)


def log(root: Path, paths: list[str]) -> None:
    """Note what is computed, by whichever process."""
    with (root.parent / "computed").open("a") as file:
        file.write("".join(f"{path}\n" for path in paths))
