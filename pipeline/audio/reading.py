"""Audio files: the start of one as the encoder hears it, or the whole of one hashed and checked."""

from __future__ import annotations

import hashlib
import math
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt
import soundfile

from pipeline.audio import foreign, ogg
from pipeline.audio.balance import Balance
from pipeline.audio.sound import Forward
from pipeline.audio.waveform import (
    MIN_SAMPLES,
    NEVER_LOUDER,
    SAMPLING_RATE,
    SILENCE,
    AudioError,
    SilentError,
    Waveform,
    average,
    check_audible,
    check_levels,
    check_not_silent,
    crop,
    to_mono_16k,
)
from pipeline.audio.wholeness import check_whole

__all__ = [
    "MIN_SAMPLES",
    "SAMPLING_RATE",
    "AudioError",
    "Clip",
    "PassingAudioError",
    "Waveform",
    "check_audible",
    "crop",
    "inside",
    "inspect_clip",
    "read_waveform",
    "to_mono_16k",
]

MIN_RATE, MAX_RATE = 4_000, 768_000
"""Hz; below there is no speech to hear, and a rate of 1 Hz would make hours of a second."""

MARGIN_SECONDS = 0.1
"""Read beyond a crop, several times the resampler's filter, so that what follows changes no sample of the crop."""

BLOCK_SAMPLES = 1 << 18
"""Decoded at once, all channels together: one MiB."""

HASHED_BYTES = 1 << 18
"""Read at once."""

SYSTEM_ERROR = 2
"""libsndfile's code for the operating system's errors."""

NO_FRAME = 7
"""libsndfile's code for what is no plain file. Ours is one: it is an mp3 in which its decoder finds no frame."""


class PassingAudioError(AudioError):
    """A clip that cannot be used now and may be later, unchanged: absent, unreadable, being written."""


@dataclass(frozen=True, slots=True)
class Clip:
    """What a whole audio file is."""

    sha256: str
    sampling_rate: int
    """Hz."""
    channels: int
    duration: float
    """Seconds."""
    cancels: bool = False
    """Whether its channels cancel each other out, all but nothing of them being left in their mean."""


def inspect_clip(file: Path, heard_seconds: float) -> Clip:
    """Hash a file, decode the whole of it in blocks, and check all that the encoder relies on.

    Any format of libsndfile's, any number of channels. Memory is bounded by `heard_seconds`, not by the file.
    Raises AudioError where it is not audio, truncated, an Ogg that is damaged or of several streams, shorter than
    25 ms or not finite, where samples are far beyond full scale, or where the first `heard_seconds` are silent;
    PassingAudioError where it cannot be read now.
    """
    with opened(file) as descriptor:
        sha256 = sha256_of(descriptor)
        if reason := ogg.fault(descriptor):
            raise AudioError(reason)
        with Forward(descriptor) as sound:
            rate, channels = sound.samplerate, sound.channels
            balance = Balance()
            start = _start(sound, heard_seconds, balance)
            frames = len(start) + _check_rest(sound, len(start))
            check_whole(sound, descriptor, frames)
        _heard(descriptor, start, rate, heard_seconds)
    return Clip(sha256, rate, channels, frames / rate, balance.cancels)


def read_waveform(file: Path, seconds: float, *, sha256: str | None = None) -> Waveform:
    """The first `seconds` of an audio file, (samples,) mono float32 at 16 kHz.

    No more is decoded than this takes, and what follows in the file changes no bit of it. Where `sha256` is
    given, the file must have that hash. Raises AudioError as `inspect_clip` does, for what was read of it but
    for an Ogg's damage, and where the hash is another.
    """
    with opened(file) as descriptor:
        # First, so that the bytes are in memory when libsndfile asks for them: it opens one file at a time.
        if sha256 is not None and sha256_of(descriptor) != sha256:
            raise AudioError("changed since `erclap prepare`")
        with Forward(descriptor) as sound:
            rate, start = sound.samplerate, _start(sound, seconds)
            if len(start) < _frames(sound, seconds) or len(start) == sound.promised:
                check_whole(sound, descriptor, len(start))
        waveform = _heard(descriptor, start, rate, seconds)
    return waveform if waveform.flags.owndata else waveform.copy()


@contextmanager
def opened(file: Path) -> Iterator[int]:
    """A plain file's descriptor, at its start. What goes wrong with it is an AudioError with the reason."""
    descriptor = None
    try:
        # Without blocking: a FIFO is opened at once, and then refused.
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise AudioError("not a plain file")
        yield descriptor
        after = os.fstat(descriptor)
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise PassingAudioError("changed while it was read")
    except FileNotFoundError:
        raise PassingAudioError(foreign.absent(file)) from None
    except OSError as error:
        raise PassingAudioError(f"not readable ({error.strerror or error})") from error
    except soundfile.LibsndfileError as error:
        _name_what_it_is(descriptor)
        kind = PassingAudioError if error.code == SYSTEM_ERROR else AudioError
        says = "no frame of it can be decoded" if error.code == NO_FRAME else error.error_string.rstrip(".")
        raise kind(f"not readable as audio ({says})") from error
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _name_what_it_is(descriptor: int | None) -> None:
    """Raise AudioError where what is not readable as audio can be told by its first bytes."""
    head = os.pread(descriptor, foreign.LOOKED_AT, 0) if descriptor is not None else b""
    if found := foreign.pointer(head):
        raise PassingAudioError(found)
    if found := foreign.page(head):
        raise AudioError(f"{found}, not audio")
    if descriptor is not None and not head:
        raise AudioError("empty (0 bytes)")


_buffers = threading.local()


def sha256_of(descriptor: int) -> str:
    """The hash of a whole file. Its position stays where it is."""
    if not hasattr(_buffers, "bytes"):
        _buffers.bytes = memoryview(bytearray(HASHED_BYTES))
    digest, offset = hashlib.sha256(), 0
    while count := os.preadv(descriptor, [_buffers.bytes], offset):
        digest.update(_buffers.bytes[:count])
        offset += count
    return digest.hexdigest()


def check_rate(sound: soundfile.SoundFile) -> int:
    """A file's sampling rate, in Hz. Raises AudioError for one that no speech has."""
    rate: int = sound.samplerate
    if not MIN_RATE <= rate <= MAX_RATE:
        raise AudioError(
            f"speech needs a sampling rate of at least {MIN_RATE} Hz and at most {MAX_RATE}, found {rate}"
        )
    return rate


def _frames(sound: soundfile.SoundFile, seconds: float) -> int:
    """How many samples of each channel it takes to hear `seconds`, as far as the header says that they exist."""
    span = seconds if sound.samplerate == SAMPLING_RATE else seconds + MARGIN_SECONDS
    return int(min(math.ceil(span * sound.samplerate), sound.frames))


def _start(sound: soundfile.SoundFile, seconds: float, balance: Balance | None = None) -> Waveform:
    """What it takes to hear `seconds`, mono at the file's own rate; shorter where the file ends.

    `balance` is told of what is averaged.
    """
    check_rate(sound)
    start = np.empty(_frames(sound, seconds), np.float32)
    done = 0
    if sound.channels == 1:
        while done < len(start) and (count := len(sound.read(dtype="float32", out=start[done:]))):
            check_levels(start[done : done + count])
            done += count
    else:
        for block in blocks(sound, len(start)):
            start[done : done + len(block)] = mean = average(block)
            if balance is not None:
                balance.add(block, mean)
            done += len(block)
    return start if done == len(start) else start[:done].copy()


def _check_rest(sound: soundfile.SoundFile, done: int) -> int:
    """Decode what follows the `done` samples read so far; return how many there are, of each channel."""
    return sum(len(block) for block in blocks(sound, sound.frames - done))


def blocks(sound: soundfile.SoundFile, frames: int) -> Iterator[npt.NDArray[np.float32]]:
    """The next `frames` and no more, or as many as there are, checked: (frames, channels), in one buffer."""
    if frames <= 0:
        return
    buffer = np.empty((min(frames, max(1, BLOCK_SAMPLES // sound.channels)), sound.channels), np.float32)
    while frames and len(block := sound.read(dtype="float32", out=buffer[:frames])):
        check_levels(block)
        yield block
        frames -= len(block)


def _heard(descriptor: int, start: Waveform, rate: int, seconds: float) -> Waveform:
    """A file's first `seconds` as the encoder hears them, checked; of silence it says what is true of the file."""
    waveform = crop(to_mono_16k(start, rate), seconds)
    try:
        check_audible(waveform)
        if rate != SAMPLING_RATE:  # where a constant's sudden start and end would be heard
            check_not_silent(start[: math.ceil(seconds * rate)])
    except SilentError:
        raise SilentError(what_is_silent(descriptor, seconds)) from None
    return waveform


def what_is_silent(descriptor: int, seconds: float) -> str:
    """The reason why nothing is heard of a file's first `seconds`: decoded again, since it is seldom asked."""
    done = 0
    with Forward(descriptor) as sound:
        end = seconds * sound.samplerate
        low, high = np.full((2, sound.channels + 1), [[np.inf], [-np.inf]], np.float32)
        for block in blocks(sound, int(min(math.ceil(end), sound.frames))):
            each_and_mean = np.column_stack([block, average(block)])
            low = np.minimum(low, each_and_mean.min(axis=0))
            high = np.maximum(high, each_and_mean.max(axis=0))
            done += len(block)
        where = f"in its first {seconds:g} s" if done >= end and sound.frames > end else "throughout"
    *each, mean = (high - low).tolist()
    if mean < 2 * SILENCE <= max(each):
        return f"its channels cancel each other out {where}: their mean is {NEVER_LOUDER}"
    return f"silent {where}: {NEVER_LOUDER}"


def inside(root: Path, path: str) -> Path:
    """The file at `path` under `root`, links resolved.

    Raises ValueError where it would lie outside: AudioError where a link of the corpus's is what leads there.
    """
    if "\0" in path:
        raise ValueError(f"a clip's path must not hold a NUL, found {path!r}")
    folder = os.path.realpath(root)
    file = Path(os.path.realpath(root / path))
    if file.is_relative_to(folder):
        return file
    plain = PurePosixPath(path)
    if plain.is_absolute() or ".." in plain.parts:
        raise ValueError(f"a clip's path must stay inside its corpus's root {root}, found {path}")
    for part in (*reversed(plain.parents), plain):
        target = Path(os.path.realpath(root / part))
        if not target.is_relative_to(folder):
            break
    raise AudioError(
        f"{part} is a link to {target}, outside of prepare.root {root}: set prepare.root to the folder where the "
        "audio lies, or mount it there"
    )
