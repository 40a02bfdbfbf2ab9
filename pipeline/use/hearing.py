"""Recordings as they are given to the windows of them that a speech encoder hears, a batch at a time."""

from __future__ import annotations

import warnings
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from typing import TypeVar

from pipeline.audio import SAMPLING_RATE, Window
from pipeline.encoders import Sound
from pipeline.support import in_order

READERS = 4

Item = TypeVar("Item")


def heard_starts(sounds: Sequence[Sound], seconds: float) -> Generator[tuple[int, Window]]:
    """The start of every recording, with its place; warns of those that last longer."""
    cropped: list[str] = []

    def start(sound: Sound) -> Window:
        waveform = sound.start(seconds)
        end = len(waveform) / SAMPLING_RATE
        if end >= seconds and (whole := sound.seconds()) > seconds:
            cropped.append(f"{sound.name} lasts {whole:.1f} s")
        return Window(0.0, end, waveform)

    with (
        ThreadPoolExecutor(READERS, "read") as pool,
        closing(in_order(pool, start, sounds, 2 * READERS)) as windows,
    ):
        yield from enumerate(windows)
    if cropped:
        more = f" and {len(cropped) - 1} others are longer, too" if len(cropped) > 1 else ""
        warnings.warn(
            f"{min(cropped)}{more}: the first {seconds:g} s are heard; encode_speech with windows=True hears all",
            stacklevel=4,
        )


def heard_windows(sounds: Sequence[Sound], seconds: float, hop: float | None) -> Iterator[tuple[int, Window]]:
    """Every window of every recording, with the recording's place."""
    for place, sound in enumerate(sounds):
        for window in sound.windows(seconds, hop):
            yield place, window


def in_batches(items: Iterator[Item], size: int) -> Iterator[list[Item]]:
    """The items, so many at a time."""
    while batch := list(islice(items, size)):
        yield batch
