"""A mono waveform at 16 kHz, what the encoder hears: made of samples of any rate, cropped, and checked."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import soxr

SAMPLING_RATE = 16_000
"""Hz, what WavLM hears."""

MIN_SAMPLES = 400
"""WavLM's receptive field, 25 ms: a shorter clip gives no frame."""

LOUDEST = 1e3
"""Of full scale, far beyond what any recording holds; the encoder would overflow."""

SILENCE = 2.0**-13
"""Of full scale, −78 dB: four steps of 16 bits. Recorded silence is seldom all zeros, but has dither of a step."""

NEVER_LOUDER = f"never louder than {SILENCE:.5f} of full scale around its mean"

Waveform = npt.NDArray[np.float32]


class AudioError(ValueError):
    """A clip that cannot be used, with the reason; the caller adds which clip."""


class SilentError(AudioError):
    """There is nothing to hear."""


def to_mono_16k(samples: npt.NDArray[np.float32], sampling_rate: int) -> Waveform:
    """Samples (frames,) or (frames, channels) at any rate, in Hz, to (samples,) mono at 16 kHz.

    Channels are averaged, other rates are resampled (soxr, high quality).
    """
    if samples.ndim == 2:
        samples = average(samples)
    if sampling_rate != SAMPLING_RATE:
        samples = soxr.resample(samples, sampling_rate, SAMPLING_RATE, quality="HQ")
    return np.ascontiguousarray(samples, dtype=np.float32)


def average(samples: npt.NDArray[np.float32]) -> Waveform:
    """The mean of (frames, channels): numpy's own takes twenty times longer over so short an axis."""
    total = samples[:, 0].copy()
    for channel in range(1, samples.shape[1]):
        total += samples[:, channel]
    total /= np.float32(samples.shape[1])
    return total


def check_audible(waveform: Waveform) -> None:
    """Raise AudioError unless a 16 kHz waveform has something to hear, SilentError where it is silent."""
    if len(waveform) < MIN_SAMPLES:
        raise AudioError(
            f"a clip must be at least {MIN_SAMPLES / SAMPLING_RATE * 1000:.0f} ms long, "
            f"found {len(waveform) / SAMPLING_RATE * 1000:.1f} ms"
        )
    check_not_silent(waveform)


def check_not_silent(waveform: Waveform) -> None:
    """Raise SilentError where samples, of any rate, hardly differ; AudioError for what no recording holds."""
    low, high = check_levels(waveform)
    if high - low < 2 * SILENCE:
        raise SilentError(f"silent throughout: {NEVER_LOUDER}")


def check_levels(samples: npt.NDArray[np.float32]) -> tuple[float, float]:
    """The lowest and the highest sample. Raises AudioError for what no recording holds."""
    low, high = float(samples.min()), float(samples.max())  # either is NaN where a sample is
    if not (math.isfinite(low) and math.isfinite(high)):
        raise AudioError("holds samples that are not finite numbers")
    if (peak := max(-low, high)) > LOUDEST:
        raise AudioError(f"samples must be within -1..1 or a little over, found {peak:.3g}")
    return low, high


def crop(waveform: Waveform, seconds: float) -> Waveform:
    """The first `seconds` of a 16 kHz waveform."""
    return waveform[: round(seconds * SAMPLING_RATE)]
