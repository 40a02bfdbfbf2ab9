"""What Praat measures in a waveform: pitch, loudness, roughness and pace of a voice, each a number or missing.

Praat comes as the package praat-parselmouth, which the extra `acoustic` installs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.ndimage import label
from scipy.signal import find_peaks

from pipeline.audio import SAMPLING_RATE, Waveform, inside, read_waveform

VERSION = 1
"""Goes up when a measure gives other numbers."""

PITCH_FLOOR, PITCH_CEILING = 75.0, 600.0
"""Hz, Praat's standard range."""

PITCH_SECONDS = 3 / PITCH_FLOOR
"""Three of the longest periods, which is what Praat's autocorrelation looks at."""

PERIODS = (0.0, 0.0, 0.0001, 0.02, 1.3)
"""Praat's standard for jitter: the whole time, periods in seconds, how many times as long a next one may be."""

AMPLITUDES = (*PERIODS, 1.6)
"""The same for shimmer, and how many times as strong a next period may be."""

HEARING_THRESHOLD = 2e-5
"""Pascal, 0 dB, where full scale counts as one pascal."""

CONTOUR_FLOOR = 50.0
"""Hz, the lowest pitch whose periods the intensity contour must not follow."""

CONTOUR_SECONDS = 6.4 / CONTOUR_FLOOR
"""Praat's window for it."""

# De Jong and Wempe (2009), Praat script to detect syllable nuclei and measure speech rate automatically.
LOUDEST_SHARE, BELOW_LOUDEST = 0.99, 25.0
"""What is sounding is at most so many dB below the loudest frames, those beyond this quantile."""

DIP = 2.0
"""dB by which the intensity falls on either side of a syllable's nucleus."""

SHORTEST_PAUSE, SHORTEST_SOUND = 0.3, 0.1
"""Seconds; what is shorter belongs to what is around it."""


class Acoustics(NamedTuple):
    """The measures of one waveform; NaN is one that cannot be taken."""

    pitch: float
    """Hz, mean of the voiced frames."""
    pitch_variation: float
    """Semitones, standard deviation of the voiced frames."""
    intensity: float
    """dB, of the mean square; full scale counts as one pascal, as Praat has it."""
    jitter: float
    """Mean difference of neighbouring periods, as a share of the mean period: Praat's jitter (local)."""
    shimmer: float
    """Mean difference of neighbouring periods' amplitudes, as a share of their mean: Praat's shimmer (local)."""
    duration: float
    """Seconds."""
    articulation_rate: float
    """Syllable nuclei a second of phonation, pauses left out."""


def praat() -> Any:
    """The package parselmouth. Raises RuntimeError where it is not installed."""
    try:
        import parselmouth
    except ImportError:
        raise RuntimeError(
            "the captions `paraclap` must have Praat to measure clips, praat-parselmouth is not installed: "
            "in the clone, pip install -e '.[acoustic]' -c constraints.txt, or take paraclap out of train.methods"
        ) from None
    return parselmouth


def method() -> str:
    """What the numbers depend on beside the waveform: our version and Praat's."""
    return f"{VERSION}, praat {praat().PRAAT_VERSION}"


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip of the manifest to measure."""

    id: str
    path: str
    sha256: str


def measure_clip(root: Path, heard_seconds: float, clip: Clip) -> Acoustics:
    """Measure the first `heard_seconds` of a clip under `root`. Raises AudioError where it cannot be read."""
    return measure(read_waveform(inside(root, clip.path), heard_seconds, sha256=clip.sha256))


def measure(waveform: Waveform) -> Acoustics:
    """Measure a waveform, (samples,) mono at 16 kHz, of any length.

    Its mean is subtracted first. What is too short for a measure (40 ms for pitch, jitter and shimmer, 128 ms for
    the articulation rate), silent or without voice is NaN, never 0. Raises ValueError for another shape or a
    sample that is not finite, and RuntimeError where Praat is not installed.
    """
    if waveform.ndim != 1 or not np.isfinite(waveform).all():
        raise ValueError(
            f"a waveform must be (samples,) and finite, found the shape {waveform.shape} with "
            f"{int((~np.isfinite(waveform)).sum())} samples that are not"
        )
    duration = len(waveform) / SAMPLING_RATE
    samples = waveform.astype(np.float64)
    samples -= samples.mean() if len(samples) else 0.0
    power = float(np.mean(samples**2)) if len(samples) else 0.0
    missing = math.nan
    heard = Acoustics(missing, missing, missing, missing, missing, duration, missing)
    if not power:
        return heard
    heard = heard._replace(intensity=10 * math.log10(power / HEARING_THRESHOLD**2))
    if duration < PITCH_SECONDS:
        return heard
    parselmouth = praat()
    sound = parselmouth.Sound(samples, SAMPLING_RATE)
    pitch = sound.to_pitch_ac(pitch_floor=PITCH_FLOOR, pitch_ceiling=PITCH_CEILING)
    frequencies = pitch.selected_array["frequency"]
    voiced = frequencies[frequencies > 0]
    jitter, shimmer = _roughness(parselmouth.praat.call, sound, pitch)
    return heard._replace(
        pitch=float(voiced.mean()) if len(voiced) else missing,
        pitch_variation=float((12 * np.log2(voiced)).std(ddof=1)) if len(voiced) > 1 else missing,
        jitter=jitter,
        shimmer=shimmer,
        articulation_rate=_articulation_rate(sound, pitch),
    )


def _roughness(call: Any, sound: Any, pitch: Any) -> tuple[float, float]:
    """Jitter (local) and shimmer (local), of the periods that Praat finds by cross-correlation."""
    pulses = call([sound, pitch], "To PointProcess (cc)")
    jitter = float(call(pulses, "Get jitter (local)", *PERIODS))
    return jitter, float(call([sound, pulses], "Get shimmer (local)", *AMPLITUDES))


def _articulation_rate(sound: Any, pitch: Any) -> float:
    """Voiced peaks of the intensity contour a second of what is sounding, after de Jong and Wempe.

    A peak counts where the contour falls by 2 dB on either side of it before it rises higher; in their script the
    dip after it is enough, and the last peak of a clip never counts.
    """
    if sound.duration < CONTOUR_SECONDS:
        return math.nan
    contour = sound.to_intensity(CONTOUR_FLOOR)
    levels, times = contour.values[0], contour.xs()
    threshold = max(np.quantile(levels, LOUDEST_SHARE, method="hazen") - BELOW_LOUDEST, levels.min())
    edges = np.concatenate([[0.0], (times[1:] + times[:-1]) / 2, [sound.duration]])
    sounding = _without_short(levels >= threshold, edges)
    peaks, _ = find_peaks(levels, height=threshold, prominence=DIP)
    nuclei = sum(
        bool(sounding[peak]) and not math.isnan(pitch.get_value_at_time(times[peak])) for peak in peaks
    )
    return nuclei / float(np.diff(edges)[sounding].sum()) if nuclei else math.nan


def _without_short(sounding: npt.NDArray[np.bool_], edges: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Frames that are sounding, short pauses filled, then short sounds dropped; `edges` are the frames' times."""
    lengths = np.diff(edges)
    for state, shortest in ((False, SHORTEST_PAUSE), (True, SHORTEST_SOUND)):
        runs, count = label(sounding == state)
        seconds = np.bincount(runs, lengths, minlength=count + 1)
        short = seconds < shortest
        short[0] = False  # the frames of the other state
        sounding = np.where(short[runs], not state, sounding)
    return sounding
