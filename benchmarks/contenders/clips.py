"""Clips as long as MSP-Podcast's, written and read.

A part of `extraction.py`, no command.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import soundfile

RATE, CROP_SECONDS = 16_000, 10.0

Features = np.ndarray[Any, np.dtype[np.float32]]


def read(file: Path) -> Features:
    samples: Features = soundfile.read(file, dtype="float32")[0][: round(CROP_SECONDS * RATE)]
    return samples


def write_clips(folder: Path, count: int) -> list[Path]:
    """Noise, as long as MSP-Podcast's clips: 2.75 to 11 s, mean 5.65."""
    rng = np.random.default_rng(0)
    seconds = 2.75 + 8.25 * rng.beta(1.3, 2.4, size=count)
    seconds *= 5.65 / seconds.mean()
    folder.mkdir()
    files = []
    for i, length in enumerate(seconds):
        file = folder / f"{i:05}.wav"
        samples = 0.1 * rng.standard_normal(round(float(np.clip(length, 2.75, 11)) * RATE))
        soundfile.write(file, samples.astype(np.float32), RATE, subtype="PCM_16")
        files.append(file)
    return files
