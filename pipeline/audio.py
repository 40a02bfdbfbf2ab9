"""Any audio file to a mono waveform at 16 kHz, cropped to what the encoder hears."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

SAMPLING_RATE = 16_000
"""Hz, what WavLM hears."""

MIN_RATE = 4_000
"""Hz; below it there is no speech to hear, and a rate of 1 Hz would make hours of a second."""

MIN_SAMPLES = 400
"""WavLM's receptive field, 25 ms: a shorter clip gives no frame."""

LOUDEST = 1e3
"""Of full scale, far beyond what any recording holds; the encoder would overflow."""

BLOCK_FRAMES = 1 << 20

STREAMED_WAV = 0x7FFF0000
"""Sizes from here on are what programs write that do not know the size yet: sox, ffmpeg, espeak-ng."""

SILENCE = 2.0**-13
"""Of full scale, −78 dB: four steps of 16 bits. Recorded silence is seldom all zeros, but has dither of a step."""

Waveform = npt.NDArray[np.float32]


class AudioError(ValueError):
    """A clip that cannot be used, with the reason; the caller adds which clip."""


@dataclass(frozen=True, slots=True)
class Clip:
    """A whole decoded file: what it is and how it sounds."""

    sha256: str
    sampling_rate: int
    channels: int
    duration: float
    """Seconds."""
    waveform: Waveform
    """(samples,) mono at 16 kHz, not cropped."""


def decode(data: bytes) -> Clip:
    """Decode the bytes of an audio file (wav, flac, mp3, ogg, any rate, any channels).

    Channels are averaged, other rates are resampled (soxr, high quality). Raises AudioError where nothing can
    be heard: not audio, truncated, empty, shorter than 25 ms, not finite, or silent throughout.
    """
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            rate, channels, expected = file.samplerate, file.channels, file.frames
            # In blocks, so that a header which promises more than there is costs no memory.
            blocks = list(file.blocks(BLOCK_FRAMES, dtype="float32", always_2d=True))
            samples = np.concatenate(blocks) if blocks else np.empty((0, channels), np.float32)
    except soundfile.LibsndfileError as error:
        raise AudioError(f"not readable as audio ({error.error_string.rstrip('.')})") from error
    if len(samples) < expected:
        raise AudioError(f"truncated: its header promises {expected} samples, {len(samples)} are there")
    if (promised := _riff_size(data)) > len(data):
        raise AudioError(f"truncated: its header promises {promised} bytes, {len(data)} are there")
    if _ogg_is_open(data):
        raise AudioError("truncated: its last page is not marked as the last")
    if rate < MIN_RATE:
        raise AudioError(f"speech needs a sampling rate of at least {MIN_RATE} Hz, found {rate}")
    waveform = to_mono_16k(samples, rate)
    check_audible(waveform)
    return Clip(
        sha256=hashlib.sha256(data).hexdigest(),
        sampling_rate=rate,
        channels=channels,
        duration=len(samples) / rate,
        waveform=waveform,
    )


def _riff_size(data: bytes) -> int:
    """How long a wav's header says that the file is; 0 for another format or for one written to a stream.

    libsndfile takes a shortened wav for a short one.
    """
    if data[:4] != b"RIFF":
        return 0
    size = int.from_bytes(data[4:8], "little")
    return 0 if size >= STREAMED_WAV else size + 8


def _ogg_is_open(data: bytes) -> bool:
    """Whether an ogg file lacks its end: libsndfile takes a shortened one for a short one."""
    if data[:4] != b"OggS":
        return False
    page = data[data.rfind(b"OggS") :]
    if len(page) < 27:
        return True
    segments = page[26]
    last = bool(page[5] & 4)
    return not last or len(page) < 27 + segments + sum(page[27 : 27 + segments])


def to_mono_16k(samples: npt.NDArray[np.float32], sampling_rate: int) -> Waveform:
    """Samples (frames,) or (frames, channels) at any rate, in Hz, to (samples,) mono at 16 kHz."""
    if samples.ndim == 2:
        samples = samples.mean(axis=1, dtype=np.float32)
    if sampling_rate != SAMPLING_RATE:
        samples = soxr.resample(samples, sampling_rate, SAMPLING_RATE, quality="HQ")
    return np.ascontiguousarray(samples, dtype=np.float32)


def check_audible(waveform: Waveform) -> None:
    """Raise AudioError unless a 16 kHz waveform has something to hear."""
    if len(waveform) < MIN_SAMPLES:
        raise AudioError(
            f"a clip must be at least {MIN_SAMPLES / SAMPLING_RATE * 1000:.0f} ms long, "
            f"found {len(waveform) / SAMPLING_RATE * 1000:.1f} ms"
        )
    if not np.isfinite(waveform).all():
        raise AudioError("holds samples that are not finite numbers")
    if (peak := float(np.abs(waveform).max())) > LOUDEST:
        raise AudioError(f"samples must be within -1..1 or a little over, found {peak:.3g}")
    swing = float(waveform.max()) - float(waveform.min())
    if swing < 2 * SILENCE:
        raise AudioError(f"silent throughout: never louder than {SILENCE:.5f} of full scale around its mean")


def crop(waveform: Waveform, seconds: float) -> Waveform:
    """The first `seconds` of a 16 kHz waveform."""
    return waveform[: round(seconds * SAMPLING_RATE)]


def read_clip(file: Path) -> Clip:
    """Decode a file. Raises AudioError as `decode` does, and where it is absent, unreadable or no plain file."""
    try:
        if file.exists() and not file.is_file():
            raise AudioError("not a plain file")
        return decode(file.read_bytes())
    except FileNotFoundError:
        raise AudioError("no such file") from None
    except OSError as error:
        raise AudioError(f"not readable ({error.strerror or error})") from error


def inside(root: Path, path: str) -> Path:
    """The file at `path` under `root`. Raises ValueError where it would lie outside."""
    if "\0" in path:
        raise ValueError(f"a clip's path must not hold a NUL, found {path!r}")
    file = (root / path).resolve()
    if not file.is_relative_to(root.resolve()):
        raise ValueError(f"a clip's path must stay inside its corpus's root {root}, found {path}")
    return file
