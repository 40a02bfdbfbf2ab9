"""The measures: what signals were built with, what Praat's own commands say, and none where there is none."""

from __future__ import annotations

import math
import sys
import warnings
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import parselmouth
import pytest
from hypothesis import given, settings, strategies as st
from parselmouth.praat import call

from pipeline.audio.waveform import SAMPLING_RATE, Waveform, to_mono_16k
from pipeline.captions.acoustics import Acoustics, measure

PRAATS = ("pitch", "pitch_variation", "intensity", "jitter", "shimmer")
"""The measures that are Praat's commands to the digit."""

VOICED = ("pitch", "pitch_variation", "jitter", "shimmer", "articulation_rate")
"""The measures that need a voice."""


def at(seconds: float) -> npt.NDArray[np.float64]:
    return np.arange(round(seconds * SAMPLING_RATE)) / SAMPLING_RATE


def harmonics(f0: npt.NDArray[np.float64], count: int = 8) -> npt.NDArray[np.float64]:
    """A tone whose fundamental is `f0` Hz at each sample."""
    phase = 2 * np.pi * np.cumsum(f0) / SAMPLING_RATE
    return 0.1 * sum((np.sin(k * phase) / k for k in range(1, count + 1)), np.zeros(len(f0)))


def pulses(periods: npt.NDArray[np.float64], amplitudes: npt.NDArray[np.float64]) -> Waveform:
    """A pulse without a mean, 0.3 ms wide, after each of the periods (seconds), of each of the amplitudes."""
    moments = 0.1 + np.cumsum(periods)
    time = at(moments[-1] + 0.1)
    samples = np.zeros(len(time))
    for moment, amplitude in zip(moments, amplitudes, strict=True):
        square = ((time - moment) / 3e-4) ** 2
        samples += amplitude * (1 - square) * np.exp(-square / 2)
    return samples.astype(np.float32)


def relative_differences(values: npt.NDArray[np.float64]) -> float:
    """The mean difference of neighbours as a share of the mean, in a plain loop."""
    differences = [abs(values[i] - values[i - 1]) for i in range(1, len(values))]
    return float(sum(differences) / len(differences) / np.mean(values))


def syllables(a_second: float, seconds: float, carrier: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The carrier, loud and soft again so many times a second, beginning and ending softly."""
    return carrier * (0.55 - 0.45 * np.cos(2 * np.pi * a_second * at(seconds)))


@pytest.mark.parametrize("f0", [85, 120, 210.5, 333, 480])
def test_the_pitch_of_a_tone_is_its_fundamental(f0):
    clip = measure(harmonics(np.full(16_000, f0, float)).astype(np.float32))
    assert clip.pitch == pytest.approx(f0, rel=1e-3)
    assert clip.pitch_variation < 0.02
    assert clip.jitter < 1e-3
    assert clip.shimmer < 1e-3


@pytest.mark.parametrize("depth", [0.5, 2, 4])
def test_the_variation_of_a_pitch_that_swings_is_its_deviation_in_semitones(depth):
    f0 = 180 * 2 ** (depth * np.sin(2 * np.pi * at(4)) / 12)
    clip = measure(harmonics(f0).astype(np.float32))
    assert clip.pitch_variation == pytest.approx(depth / math.sqrt(2), rel=0.02)


@pytest.mark.parametrize("share", [0.002, 0.01, 0.03])
@pytest.mark.parametrize("period", [1 / 110, 1 / 220])
def test_jitter_is_that_of_the_periods_that_pulses_were_set_at(share, period):
    rng = np.random.default_rng([round(1 / period), round(1000 * share)])
    periods = period * (1 + share * rng.uniform(-1, 1, 300))
    clip = measure(pulses(periods, np.full(300, 0.3)))
    assert clip.jitter == pytest.approx(relative_differences(periods[1:]), rel=0.1)
    assert clip.pitch == pytest.approx(1 / period, rel=0.01)


@pytest.mark.parametrize("share", [0.02, 0.1, 0.2])
@pytest.mark.parametrize("period", [1 / 110, 1 / 220])
def test_shimmer_is_that_of_the_amplitudes_that_pulses_have(share, period):
    rng = np.random.default_rng([round(1 / period), round(1000 * share)])
    amplitudes = 0.3 * (1 + share * rng.uniform(-1, 1, 300))
    clip = measure(pulses(np.full(300, period), amplitudes))
    assert clip.shimmer == pytest.approx(relative_differences(amplitudes), rel=0.05)
    assert clip.jitter < 2e-3


def test_the_intensity_is_that_of_the_mean_square_and_twice_as_loud_is_six_decibels_more():
    tone = 0.2 * np.sin(2 * np.pi * 200 * at(1))
    soft, loud = (measure((gain * tone).astype(np.float32)).intensity for gain in (1, 2))
    assert soft == pytest.approx(10 * math.log10(0.2**2 / 2 / 2e-5**2), abs=0.01)
    assert loud - soft == pytest.approx(20 * math.log10(2), abs=1e-3)


@pytest.mark.parametrize("a_second", [2, 4, 6])
@pytest.mark.parametrize("pause", [0.0, 1.5])
def test_the_articulation_rate_counts_syllables_and_no_pause(a_second, pause):
    spoken = syllables(a_second, 3, harmonics(np.full(48_000, 150.0)))
    silence = 1e-5 * np.random.default_rng(0).standard_normal(round(pause * SAMPLING_RATE))
    clip = measure(np.concatenate([spoken, silence, spoken]).astype(np.float32))
    # The contour begins 64 ms within the clip, and its window carries sound on into the pause.
    assert clip.articulation_rate == pytest.approx(a_second, rel=0.08)
    assert clip.duration == 6 + pause


def test_what_has_no_voice_has_no_syllables():
    noise = np.random.default_rng(0).standard_normal(48_000)
    clip = measure((0.1 * syllables(4, 3, noise)).astype(np.float32))
    assert math.isnan(clip.articulation_rate)


def by_commands(waveform: Waveform) -> Acoustics:
    """What Praat's own commands say, with their standard settings; syllables by the published script."""
    sound = parselmouth.Sound(waveform.astype(np.float64), SAMPLING_RATE)
    call(sound, "Subtract mean")
    pitch = call(sound, "To Pitch (ac)", 0, 75, 15, "no", 0.03, 0.45, 0.01, 0.35, 0.14, 600)
    periods = call([sound, pitch], "To PointProcess (cc)")
    return Acoustics(
        pitch=call(pitch, "Get mean", 0, 0, "Hertz"),
        pitch_variation=call(pitch, "Get standard deviation", 0, 0, "semitones"),
        intensity=call(sound, "Get intensity (dB)"),
        jitter=call(periods, "Get jitter (local)", 0, 0, 0.0001, 0.02, 1.3),
        shimmer=call([sound, periods], "Get shimmer (local)", 0, 0, 0.0001, 0.02, 1.3, 1.6),
        duration=call(sound, "Get total duration"),
        articulation_rate=rate_by_script(sound, pitch),
    )


def rate_by_script(sound: parselmouth.Sound, pitch: parselmouth.Pitch) -> float:
    """De Jong and Wempe's steps (2009) in Praat's commands, with the pitch given."""
    contour = call(sound, "To Intensity", 50, 0, "yes")
    loudest = call(contour, "Get quantile", 0, 0, 0.99)
    threshold = max(loudest - 25, call(contour, "Get minimum", 0, 0, "Parabolic"))
    below = -25 - (call(contour, "Get maximum", 0, 0, "Parabolic") - loudest)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", parselmouth.PraatWarning)  # of a clip without a silence
        parts = call(contour, "To TextGrid (silences)", below, 0.3, 0.1, "silent", "sounding")
    curve = call(call(contour, "Down to Matrix"), "To Sound (slice)", 1)
    extrema = call(curve, "To PointProcess (extrema)", "Left", "yes", "no", "Sinc70")
    times = [
        call(extrema, "Get time from index", i + 1) for i in range(call(extrema, "Get number of points"))
    ]
    peaks = [t for t in times if call(curve, "Get value at time", 1, t, "Cubic") > threshold]
    nuclei = 0
    for peak, following in pairwise(peaks):
        dip = call(contour, "Get minimum", peak, following, "None")
        part = call(parts, "Get interval at time", 1, peak)
        nuclei += (
            abs(call(curve, "Get value at time", 1, peak, "Cubic") - dip) > 2
            and call(parts, "Get label of interval", 1, part) == "sounding"
            and not math.isnan(call(pitch, "Get value at time", peak, "Hertz", "linear"))
        )
    phonation = call(parts, "Get total duration of intervals where", 1, "is equal to", "sounding")
    return nuclei / phonation if nuclei else math.nan


def voice(seed: int, seconds: float = 3.0) -> Waveform:
    """Something like a voice: a pitch that wanders, roughness, syllables of uneven length, breath."""
    rng = np.random.default_rng(seed)
    time = at(seconds)
    wander = np.interp(time, np.linspace(0, seconds, 13), rng.normal(0, 3, 13))
    loudness = np.interp(time, np.linspace(0, seconds, 25), rng.uniform(-25, 0, 25))
    f0 = rng.uniform(100, 260) * 2 ** ((wander + 0.3 * rng.standard_normal(len(time))) / 12)
    breath = 10 ** rng.uniform(-4, -2) * rng.standard_normal(len(time))
    return (harmonics(f0) * 10 ** (loudness / 20) + breath + rng.uniform(-0.1, 0.1)).astype(np.float32)


@pytest.fixture(scope="module")
def spoken() -> list[Waveform]:
    """Sentences of several synthetic speakers, with a pause within."""
    from pipeline.sample.espeak import SAMPLING_RATE as RATE, Espeak

    sentences = (
        "I have never seen so many people at the station before breakfast.",
        "Tell me about it later. We have to leave in a minute or two.",
        "What a wonderful surprise! Nobody had told me that you would be here.",
    )
    speaker = Espeak()
    return [
        to_mono_16k(speaker.speak(text, pitch=pitch, rate=rate), RATE)
        for text in sentences
        for pitch, rate in ((30, 140), (50, 175), (80, 230))
    ]


def assert_same(ours: Acoustics, theirs: Acoustics) -> None:
    for name in (*PRAATS, "duration"):
        assert getattr(ours, name) == pytest.approx(getattr(theirs, name), rel=1e-6, nan_ok=True), name


@pytest.mark.parametrize("seed", range(8))
def test_praats_own_commands_say_the_same_of_something_like_a_voice(seed):
    assert_same(measure(voice(seed)), by_commands(voice(seed)))


def test_praats_own_commands_say_the_same_of_synthetic_speech(spoken):
    for waveform in spoken:
        assert_same(measure(waveform), by_commands(waveform))


def test_the_published_script_finds_about_as_many_syllables(spoken):
    ours, theirs = ([f(waveform).articulation_rate for waveform in spoken] for f in (measure, by_commands))
    assert np.corrcoef(ours, theirs)[0, 1] > 0.8
    assert max(theirs) > 1.4 * min(theirs)  # or to agree would be no feat
    np.testing.assert_allclose(ours, theirs, rtol=0.2)


def test_noise_has_a_loudness_and_no_voice(noise):
    clip = measure(noise(3.0))
    assert all(math.isnan(getattr(clip, name)) for name in VOICED)
    assert clip.intensity == pytest.approx(10 * math.log10(0.1**2 / 2e-5**2), abs=0.1)


@pytest.mark.parametrize("level", [0.0, 0.5, -1.0])
def test_of_silence_the_duration_alone_is_measured(level):
    clip = measure(np.full(8_000, level, np.float32))
    assert clip.duration == 0.5
    assert all(math.isnan(getattr(clip, name)) for name in (*VOICED, "intensity"))


def test_an_offset_changes_nothing():
    before, after = measure(voice(0)), measure(voice(0) + np.float32(0.25))
    assert after == pytest.approx(before, rel=1e-3)


def test_a_clip_of_50_ms_has_a_pitch_and_no_rate():
    clip = measure(harmonics(np.full(800, 150.0)).astype(np.float32))
    assert clip.pitch == pytest.approx(150, rel=0.01)
    assert math.isfinite(clip.jitter)
    assert math.isnan(clip.articulation_rate)


@pytest.mark.parametrize("samples", [0, 1, 2, 100, 399, 639])
def test_a_clip_too_short_for_three_periods_has_no_pitch(samples):
    clip = measure(harmonics(np.full(samples, 150.0)).astype(np.float32))
    assert clip.duration == samples / SAMPLING_RATE
    assert all(math.isnan(getattr(clip, name)) for name in VOICED)


def test_clipping_leaves_the_pitch_as_it_is():
    tone = harmonics(np.full(32_000, 150.0))
    clip = measure(np.clip(20 * tone, -1, 1).astype(np.float32))
    assert clip.pitch == pytest.approx(150, rel=1e-3)
    assert clip.intensity > measure(tone.astype(np.float32)).intensity


PARTS = st.tuples(
    st.sampled_from(["noise", "tone", "click", "offset", "clipped"]),
    st.floats(1e-6, 1e3),
    st.floats(20, 4000),
)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 12_000), st.lists(PARTS, max_size=4), st.integers(0, 99))
def test_any_waveform_is_measured_without_a_word(samples, parts, seed):
    rng = np.random.default_rng(seed)
    waveform = np.zeros(samples)
    for kind, amplitude, frequency in parts:
        if kind == "noise":
            waveform += amplitude * rng.standard_normal(samples)
        elif kind == "tone":
            waveform += amplitude * np.sin(2 * np.pi * frequency * np.arange(samples) / SAMPLING_RATE)
        elif kind == "click":
            waveform[samples // 2 : samples // 2 + 3] += amplitude
        elif kind == "offset":
            waveform += amplitude
        else:
            waveform = np.clip(waveform * amplitude, -1, 1)
    clip = measure(waveform.astype(np.float32))
    assert not np.isinf(clip).any()
    assert math.isnan(clip.pitch) or 74 < clip.pitch < 601
    assert math.isnan(clip.articulation_rate) or clip.articulation_rate > 0


@pytest.mark.parametrize(
    "waveform", [np.zeros((10, 2), np.float32), np.full(10, np.nan, np.float32), np.float32([0, np.inf])]
)
def test_what_is_no_waveform_is_refused(waveform):
    with pytest.raises(ValueError, match=r"must be \(samples,\) and finite, found the shape"):
        measure(waveform)


def test_without_praat_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "parselmouth", None)
    with pytest.raises(RuntimeError, match=r"pip install -e '\.\[acoustic\]'"):
        measure(voice(0))
