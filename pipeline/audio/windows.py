"""A recording of any length in windows as long as the encoder hears, cut while it is decoded."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.audio import ogg
from pipeline.audio.balance import Balance
from pipeline.audio.reading import (
    MARGIN_SECONDS,
    Clip,
    blocks,
    check_rate,
    opened,
    sha256_of,
    what_is_silent,
)
from pipeline.audio.sound import Forward
from pipeline.audio.waveform import (
    MIN_SAMPLES,
    NEVER_LOUDER,
    SAMPLING_RATE,
    AudioError,
    SilentError,
    Waveform,
    average,
    check_audible,
    check_not_silent,
    to_mono_16k,
)
from pipeline.audio.wholeness import check_whole

SHORTEST = MIN_SAMPLES / SAMPLING_RATE
"""Seconds of a window, and from one to the next."""


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a recording that has something to hear."""

    start: float
    """Seconds from the recording's start."""
    end: float
    waveform: Waveform
    """(samples,) mono at 16 kHz."""


def read_windows(
    file: Path, seconds: float, hop: float | None = None, *, sha256: str | None = None
) -> Generator[Window]:
    """The windows of an audio file of any length, in order, by one decoding, in memory that `seconds` bounds.

    A window begins every `hop` seconds, or every `seconds` where it is not given, so that they tile. The last one
    ends where the recording does and is as long as the others, unless the whole recording is shorter. Silent ones
    are left out. The first has the bits of `read_waveform(file, seconds)`, and none depends on what lies more than
    a second from it. Where `sha256` is given, the file must have that hash.

    Raises AudioError as `inspect_clip` does, of what is found at the file's end when that is reached: all windows
    of a file are good only then. SilentError where all are silent; ValueError for a hop or a length under 25 ms.
    """
    cutter = Cutter(seconds, hop)
    with opened(file) as descriptor:
        if sha256 is not None and sha256_of(descriptor) != sha256:
            raise AudioError("changed since it was first read")
        yield from _cut(descriptor, cutter)


def inspect_windows(
    file: Path, seconds: float, hop: float | None = None
) -> tuple[Clip, list[tuple[float, float]]]:
    """What a whole file is, and the start and end in seconds of each window that `read_windows` gives of it.

    Raises as `read_windows`.
    """
    cutter, spans = Cutter(seconds, hop), []
    with opened(file) as descriptor:
        sha256, windows = sha256_of(descriptor), _cut(descriptor, cutter)
        try:
            while True:
                window = next(windows)
                spans.append((window.start, window.end))
        except StopIteration as end:
            sound: Decoded = end.value
    duration = sound.frames / sound.rate
    return Clip(sha256, sound.rate, sound.channels, duration, sound.cancels), spans


def hash_file(file: Path) -> str:
    """The sha256 of a plain file's bytes. Raises PassingAudioError or AudioError where it cannot be read."""
    with opened(file) as descriptor:
        return sha256_of(descriptor)


def windows_of(
    samples: npt.NDArray[np.float32],
    seconds: float,
    hop: float | None = None,
    *,
    sampling_rate: int = SAMPLING_RATE,
) -> list[Window]:
    """The windows of samples (frames,) or (frames, channels), as `read_windows` gives them of such a file."""
    cutter = Cutter(seconds, hop)
    cutter.begin(sampling_rate)
    mono = average(samples) if samples.ndim == 2 else samples
    return [*cutter.add(np.asarray(mono, np.float32)), *cutter.finish()]


@dataclass(frozen=True, slots=True)
class Decoded:
    """What the decoding of a whole file found."""

    rate: int
    channels: int
    frames: int
    cancels: bool


def _cut(descriptor: int, cutter: Cutter) -> Generator[Window, None, Decoded]:
    """An open file's windows, and what it is."""
    if reason := ogg.fault(descriptor):
        raise AudioError(reason)
    balance, frames = Balance(), 0
    with Forward(descriptor) as sound:
        rate, channels = check_rate(sound), sound.channels
        cutter.begin(rate)
        for block in blocks(sound, sound.frames):
            mean = average(block)
            if channels > 1:
                balance.add(block, mean)
            frames += len(block)
            yield from cutter.add(mean)
        check_whole(sound, descriptor, frames)
    try:
        yield from cutter.finish()
    except SilentError:
        raise SilentError(what_is_silent(descriptor, frames / rate)) from None
    return Decoded(rate, channels, frames, balance.cancels)


class Cutter:
    """Windows out of mono samples that come block by block; it keeps no more of them than a window takes.

    Places in the recording are counted in samples at 16 kHz. Samples at another rate are resampled a window at a
    time, from a place where a sample of both rates lies, with a margin on either side.
    """

    def __init__(self, seconds: float, hop: float | None) -> None:
        hop = seconds if hop is None else hop
        for name, value in (("seconds", seconds), ("hop", hop)):
            if not SHORTEST <= value < math.inf:
                raise ValueError(f"{name} must be at least {SHORTEST:g} and finite, found {value!r}")
        self._seconds = seconds
        self._size, self._hop = round(seconds * SAMPLING_RATE), round(hop * SAMPLING_RATE)
        self._pieces = deque([np.empty(0, np.float32)])
        self._first = self._total = 0  # of the samples kept, and of all, at their own rate
        self._next = 0
        self._audible = False

    def begin(self, rate: int) -> None:
        """The samples will be at this rate, in Hz."""
        common = math.gcd(rate, SAMPLING_RATE)
        self._rate, self._in, self._out = rate, rate // common, SAMPLING_RATE // common
        margin = 0.0 if rate == SAMPLING_RATE else MARGIN_SECONDS
        self._lead, self._span = round(margin * SAMPLING_RATE), math.ceil((self._seconds + margin) * rate)

    def add(self, samples: Waveform) -> Iterator[Window]:
        """Take in the samples that follow; give the windows that are complete with their margin."""
        self._pieces.append(samples)
        self._total += len(samples)
        while self._total >= self._end(self._next):
            yield from self._window(self._next)
            self._next += self._hop
        self._forget()

    def finish(self) -> Iterator[Window]:
        """The windows that are left when there are no more samples. Raises SilentError where all were silent."""
        length = self._length()
        while self._next + self._size <= length:
            yield from self._window(self._next)
            self._next += self._hop
        if self._next == 0 or self._next - self._hop + self._size < length:
            yield from self._window(max(0, length - self._size))
        if not self._audible:
            raise SilentError(f"silent throughout: {NEVER_LOUDER}")

    def _window(self, start: int) -> Iterator[Window]:
        """The window that begins here, or none where it is silent."""
        begin = self._begin(start)
        self._pieces = deque([np.concatenate(self._pieces)])
        samples = self._pieces[0][begin - self._first : self._end(start) - self._first]
        lead = start - begin // self._in * self._out
        waveform = to_mono_16k(samples, self._rate)[lead : lead + self._size].copy()
        try:
            check_audible(waveform)
            if self._rate != SAMPLING_RATE:  # where a constant's sudden start and end would be heard
                at = start * self._rate // SAMPLING_RATE - begin
                check_not_silent(samples[at : at + math.ceil(self._seconds * self._rate)])
        except SilentError:
            return
        self._audible = True
        yield Window(start / SAMPLING_RATE, (start + len(waveform)) / SAMPLING_RATE, waveform)

    def _begin(self, start: int) -> int:
        """The first sample that a window takes."""
        return max(0, start - self._lead) // self._out * self._in

    def _end(self, start: int) -> int:
        """Behind the last sample that it takes, where there are so many."""
        return -(-start * self._rate // SAMPLING_RATE) + self._span

    def _length(self) -> int:
        """How long the recording is so far: what soxr makes of so many samples."""
        return (2 * self._total * SAMPLING_RATE + self._rate) // (2 * self._rate)

    def _forget(self) -> None:
        """Drop what neither the next window takes nor the last one, if the recording were to end here."""
        needed = self._begin(max(0, min(self._next, self._length() - self._size)))
        while self._pieces and self._first + len(self._pieces[0]) <= needed:
            self._first += len(self._pieces.popleft())
        if self._pieces and self._first < needed:
            self._pieces[0] = self._pieces[0][needed - self._first :].copy()
            self._first = needed
