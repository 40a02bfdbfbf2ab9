"""Arousal and valence can be heard in simple measures, on average over speakers."""

import numpy as np
import pytest
from scipy import signal

from pipeline.sample.espeak import SAMPLING_RATE, Espeak
from pipeline.sample.expression import Delivery, express, perform
from pipeline.sample.voices import CORPUS_VARIANTS, draw_speaker

TEXT = "Our dinner is next on the list."
SPEAKERS = [
    draw_speaker(f"S{i}", variant, np.random.default_rng(i))
    for i, variant in enumerate(["Annie", "Lee", "ed", "rob", "shelby", "victor"])
]


def deliveries(valence: float, arousal: float) -> list[Delivery]:
    return [express(valence, arousal, speaker, np.random.default_rng(1)) for speaker in SPEAKERS]


def spoken(valence: float, arousal: float) -> list[np.ndarray]:
    espeak = Espeak()
    pairs = zip(SPEAKERS, deliveries(valence, arousal), strict=True)
    return [perform(espeak, TEXT, speaker, delivery) for speaker, delivery in pairs]


def band(samples: np.ndarray, low: float, high: float) -> float:
    """dB in a band of frequencies, in Hz, against the whole clip."""
    frequencies, power = signal.welch(samples, SAMPLING_RATE, nperseg=1024)
    inside = (frequencies >= low) & (frequencies < high)
    return float(10 * np.log10(power[inside].sum() / power.sum()))


def modulation(samples: np.ndarray) -> float:
    """How much of the envelope moves at the rate of a harsh voice."""
    envelope = np.abs(signal.hilbert(samples))
    frequencies, power = signal.welch(envelope - envelope.mean(), SAMPLING_RATE, nperseg=8192)
    return float(power[(frequencies > 50) & (frequencies < 60)].sum() / power[frequencies < 300].sum())


def test_arousal_speeds_up_and_raises_the_highs() -> None:
    calm, excited = spoken(4, 2.5), spoken(4, 5.5)
    for before, after in zip(calm, excited, strict=True):
        assert len(after) < 0.85 * len(before)
        assert band(after, 1_500, 4_000) > band(before, 1_500, 4_000) + 3


def test_arousal_raises_pitch_and_its_range() -> None:
    for calm, excited in zip(deliveries(4, 2.5), deliveries(4, 5.5), strict=True):
        assert excited.pitch > calm.pitch
        assert excited.pitch_range > calm.pitch_range


def test_valence_spreads_the_lips_and_smooths_the_voice() -> None:
    sad, glad = spoken(2.5, 4), spoken(5.5, 4)
    for before, after in zip(sad, glad, strict=True):
        assert band(after, 2_000, 3_400) > band(before, 2_000, 3_400) + 3
        assert modulation(after) < modulation(before)


def test_valence_hardly_changes_the_duration() -> None:
    sad, glad = spoken(2.5, 4), spoken(5.5, 4)
    ratios = [len(after) / len(before) for before, after in zip(sad, glad, strict=True)]
    assert ratios == pytest.approx([1.0] * len(ratios), abs=0.12)


def test_speech_has_no_silence_around_it_and_peaks_at_one() -> None:
    for samples in spoken(4, 4):
        assert np.abs(samples).max() == pytest.approx(1)
        assert np.abs(samples[:400]).max() > 0.003
        assert np.abs(samples[-400:]).max() > 0.003


def test_extremes_stay_within_what_espeak_takes() -> None:
    espeak = Espeak()
    for i, variant in enumerate(CORPUS_VARIANTS):
        speaker = draw_speaker("S", variant, np.random.default_rng(i), spread=3)
        valence, arousal = [(1, 1), (1, 7), (7, 1), (7, 7)][i % 4]
        samples = perform(espeak, TEXT, speaker, express(valence, arousal, speaker, np.random.default_rng(i)))
        assert np.isfinite(samples).all()
