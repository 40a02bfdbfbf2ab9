"""How emotion sounds: valence and arousal to eSpeak NG's parameters and a few audio effects.

Nothing is said by loudness: WavLM normalises every layer of its front end and cannot hear it. Every cue lies
below 4 kHz, so that a clip at 8 kHz still carries it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import soxr
from scipy import signal

from pipeline.manifest import LABEL_MAX, LABEL_MIN
from pipeline.sample.espeak import SAMPLING_RATE, Espeak
from pipeline.sample.voices import Speaker

Samples = npt.NDArray[np.float32]

TILT_HZ, SMILE_HZ, ROUGHNESS_HZ = 1_000.0, 2_600.0, 55.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """How one utterance is spoken."""

    rate: int
    """Words a minute."""
    pitch: int
    pitch_range: int
    """Both as eSpeak NG counts them, 0..99."""
    formants: float
    """Factor on all formants."""
    tilt: float
    """dB above 1 kHz: vocal effort."""
    smile: float
    """dB around 2.6 kHz: spread lips."""
    glide: float
    """Octaves by which the pitch rises from the start to the end."""
    roughness: float
    """Depth 0..1 of the amplitude modulation that makes a voice harsh."""


def express(valence: float, arousal: float, speaker: Speaker, rng: np.random.Generator) -> Delivery:
    """Draw how a speaker expresses a valence and an arousal, both on 1..7.

    Arousal raises rate, pitch, pitch range and vocal effort. Valence spreads the lips (formants up, stronger
    around 2.6 kHz), widens the pitch range, lets the pitch rise, and smooths the voice. The draw is what a
    speaker varies from one utterance to the next without meaning anything by it.
    """
    a = 2 * (arousal - LABEL_MIN) / (LABEL_MAX - LABEL_MIN) - 1
    v = 2 * (valence - LABEL_MIN) / (LABEL_MAX - LABEL_MIN) - 1
    rate, pitch, pitch_range, tilt, smile, glide, roughness = rng.standard_normal(7)
    formants = speaker.formants * (1 + 0.08 * v)
    octaves = np.log2(speaker.pitch / formants) + 0.6 * a + 0.06 * pitch
    return Delivery(
        rate=round(float(np.clip(speaker.rate * 2 ** (0.65 * a + 0.05 * rate), 90, 400))),
        pitch=round(float(np.clip(50 + 50 * octaves, 0, 99))),
        pitch_range=round(float(np.clip(50 + 40 * a + 20 * v + 4 * pitch_range, 0, 99))),
        formants=float(formants),
        tilt=float(16 * a + tilt),
        smile=float(18 * v + smile),
        glide=float(0.5 * v + 0.04 * glide),
        roughness=float(np.clip(0.45 - 0.85 * v + 0.06 * roughness, 0, 0.95)),
    )


def perform(espeak: Espeak, text: str, speaker: Speaker, delivery: Delivery) -> Samples:
    """Speak a text as delivered: (samples,) mono at eSpeak NG's rate, without silence around it, peak 1."""
    spoken = espeak.speak(
        text,
        voice=speaker.accent,
        variant=speaker.variant,
        rate=delivery.rate,
        pitch=delivery.pitch,
        pitch_range=delivery.pitch_range,
    )
    spoken = _trim(spoken)
    shaped = _glide(spoken, delivery.formants, delivery.glide)
    shaped = signal.sosfilt(_high_shelf(TILT_HZ, delivery.tilt), shaped)
    shaped = signal.sosfilt(_peak(SMILE_HZ, delivery.smile), shaped)
    time = np.arange(len(shaped)) / SAMPLING_RATE
    shaped *= 1 + delivery.roughness * np.sin(2 * np.pi * ROUGHNESS_HZ * time)
    return np.asarray(shaped / np.abs(shaped).max(), dtype=np.float32)


def _trim(samples: Samples) -> Samples:
    """Cut silence from both ends."""
    heard = np.flatnonzero(np.abs(samples) > 0.01 * np.abs(samples).max(initial=0.0))
    if len(heard) == 0:
        raise RuntimeError("eSpeak NG must make a sound, it gave silence: reinstall espeakng-loader")
    return samples[heard[0] : heard[-1] + 1]


def _glide(samples: Samples, factor: float, octaves: float) -> npt.NDArray[np.float64]:
    """Play `factor` times faster, and ever faster, by `octaves` from the start to the end."""
    twice = soxr.resample(samples, SAMPLING_RATE, 2 * SAMPLING_RATE)  # so that interpolation keeps the highs
    speed = factor * 2 ** (octaves * np.linspace(-0.5, 0.5, len(samples)))
    count = int(len(samples) / speed.mean())
    speed = factor * 2 ** (octaves * np.linspace(-0.5, 0.5, count))
    return np.asarray(np.interp(2 * np.cumsum(speed), np.arange(len(twice)), twice), dtype=np.float64)


def _high_shelf(hertz: float, gain: float) -> npt.NDArray[np.float64]:
    """One second-order section that adds `gain` dB above a frequency (Bristow-Johnson's cookbook)."""
    root, w = 10 ** (gain / 40), 2 * np.pi * hertz / SAMPLING_RATE
    cosine, alpha = np.cos(w), np.sin(w) / np.sqrt(2)
    side = 2 * np.sqrt(root) * alpha
    b = [
        root * ((root + 1) + (root - 1) * cosine + side),
        -2 * root * ((root - 1) + (root + 1) * cosine),
        root * ((root + 1) + (root - 1) * cosine - side),
    ]
    a = [
        (root + 1) - (root - 1) * cosine + side,
        2 * ((root - 1) - (root + 1) * cosine),
        (root + 1) - (root - 1) * cosine - side,
    ]
    return np.asarray([[*b, *a]], dtype=np.float64) / float(a[0])


def _peak(hertz: float, gain: float, quality: float = 1.2) -> npt.NDArray[np.float64]:
    """One second-order section that adds `gain` dB around a frequency (Bristow-Johnson's cookbook)."""
    root, w = 10 ** (gain / 40), 2 * np.pi * hertz / SAMPLING_RATE
    alpha = np.sin(w) / (2 * quality)
    b = [1 + alpha * root, -2 * np.cos(w), 1 - alpha * root]
    a = [1 + alpha / root, -2 * np.cos(w), 1 - alpha / root]
    return np.asarray([[*b, *a]], dtype=np.float64) / float(a[0])
