"""A recording of any length in windows, from files and from arrays, the first as `read_waveform` gives it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from pipeline.audio import AudioError, PassingAudioError, inspect_clip, read_waveform
from pipeline.audio.windows import hash_file, inspect_windows, read_windows, windows_of

SECONDS = 1.0


def noise(rate: int, seconds: float, channels: int = 1, seed: int = 0) -> np.ndarray:
    """Samples that 16 bits hold exactly, (frames,) or (frames, channels)."""
    shape = (round(rate * seconds),) if channels == 1 else (round(rate * seconds), channels)
    return np.random.default_rng(seed).integers(-9000, 9000, shape).astype(np.float32) / 2**15


def written(folder: Path, samples: np.ndarray, rate: int, suffix: str = "wav") -> Path:
    path = folder / f"recording.{suffix}"
    soundfile.write(path, samples, rate)
    return path


def spans(windows) -> list[tuple[float, float]]:
    return [(window.start, window.end) for window in windows]


@pytest.mark.parametrize(
    ("suffix", "rates"),
    [
        ("wav", [4_000, 8_000, 11_025, 16_000, 22_050, 44_100, 44_101, 48_000, 192_000]),
        ("flac", [16_000, 44_100]),
        ("mp3", [16_000, 44_100]),
        ("ogg", [16_000, 48_000]),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_the_first_window_is_what_read_waveform_gives_bit_for_bit(tmp_path, suffix, rates, channels):
    for rate in rates:
        for seconds in (0.5, 1.0, 1.04, 3.3):
            path = written(tmp_path, noise(rate, seconds, channels), rate, suffix)
            first = next(read_windows(path, SECONDS))
            heard = read_waveform(path, SECONDS)
            assert first.start == 0
            assert first.end == len(heard) / 16_000
            assert np.array_equal(first.waveform, heard)


@pytest.mark.parametrize(
    ("length", "hop", "starts"),
    [
        (0.5, None, [0]),
        (1.0, None, [0]),
        (1.0001, None, [0, 0.0001]),
        (2.0, None, [0, 1]),
        (2.5, None, [0, 1, 1.5]),
        (2.5, 0.5, [0, 0.5, 1, 1.5]),
        (2.6, 0.5, [0, 0.5, 1, 1.5, 1.6]),
        (5.5, 2, [0, 2, 4, 4.5]),
        (40.0, 30, [0, 30, 39]),
    ],
)
def test_windows_begin_every_hop_and_the_last_ends_where_the_recording_does(length, hop, starts):
    for rate in (16_000, 8_000, 22_050):
        samples = noise(rate, length)
        total = round(len(samples) * 16_000 / rate) / 16_000
        found = windows_of(samples, SECONDS, hop, sampling_rate=rate)
        assert [window.start for window in found] == pytest.approx(starts, abs=1e-4)
        assert found[-1].end == total
        assert all(len(window.waveform) == min(16_000, round(total * 16_000)) for window in found)
        assert all(round((w.end - w.start) * 16_000) == len(w.waveform) for w in found)


def test_windows_at_the_encoders_rate_are_the_recordings_own_samples():
    samples = noise(16_000, 3.7)
    for window in windows_of(samples, SECONDS, 0.3):
        start = round(window.start * 16_000)
        assert np.array_equal(window.waveform, samples[start : start + 16_000])


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 44_101])
def test_a_file_and_its_array_have_the_same_windows_bit_for_bit_however_it_is_decoded(
    tmp_path, monkeypatch, rate
):
    samples = noise(rate, 4.3, 2)
    path = written(tmp_path, samples, rate)
    for hop in (None, 0.4):
        of_array = windows_of(samples, SECONDS, hop, sampling_rate=rate)
        for block in (1 << 18, 1 << 12):
            monkeypatch.setattr("pipeline.audio.reading.BLOCK_SAMPLES", block)
            of_file = list(read_windows(path, SECONDS, hop))
            assert spans(of_file) == spans(of_array)
            assert all(np.array_equal(a.waveform, b.waveform) for a, b in zip(of_file, of_array, strict=True))


def test_no_window_depends_on_what_lies_beyond_the_margin():
    rate = 44_100
    samples = noise(rate, 6)
    other = noise(rate, 6, seed=1)
    changed = np.concatenate([other[:rate], samples[rate : 4 * rate], other[4 * rate :]])
    for a, b in zip(
        windows_of(samples, SECONDS, 0.5, sampling_rate=rate),
        windows_of(changed, SECONDS, 0.5, sampling_rate=rate),
        strict=True,
    ):
        if a.start >= 1.2 and a.end <= 3.8:
            assert np.array_equal(a.waveform, b.waveform)


def test_a_window_is_near_what_resampling_the_whole_gives():
    rate = 44_100
    time = np.arange(rate * 5) / rate
    samples = (0.3 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)
    expected = 0.3 * np.sin(2 * np.pi * 440 * np.arange(16_000 * 5) / 16_000)
    for window in windows_of(samples, SECONDS, 0.7, sampling_rate=rate)[1:-1]:
        start = round(window.start * 16_000)
        assert np.abs(window.waveform - expected[start : start + 16_000]).max() < 1e-4


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_silent_windows_are_left_out_and_a_silent_recording_is_refused(tmp_path, rate):
    samples = noise(rate, 4)
    samples[rate : 2 * rate + 1] = 0
    samples[3 * rate :] = 0.25
    path = written(tmp_path, samples, rate)
    assert spans(read_windows(path, SECONDS)) == [(0, 1), (2, 3)]
    assert inspect_windows(path, SECONDS)[1] == [(0, 1), (2, 3)]
    path = written(tmp_path, np.zeros(3 * rate), rate)
    with pytest.raises(AudioError, match="silent throughout: never louder"):
        list(read_windows(path, SECONDS))
    left = noise(rate, 2)
    path = written(tmp_path, np.column_stack([left, -left]), rate)
    with pytest.raises(AudioError, match="its channels cancel each other out throughout"):
        list(read_windows(path, SECONDS))


def test_inspecting_says_what_inspect_clip_does_and_which_windows_there_are(tmp_path):
    for rate, channels in ((16_000, 1), (44_100, 2)):
        path = written(tmp_path, noise(rate, 2.5, channels), rate)
        clip, found = inspect_windows(path, SECONDS, 0.5)
        assert clip == inspect_clip(path, SECONDS)
        assert found == spans(read_windows(path, SECONDS, 0.5, sha256=clip.sha256))
        assert hash_file(path) == clip.sha256


def test_what_inspect_clip_refuses_is_refused_here(tmp_path):
    whole = written(tmp_path, noise(16_000, 3), 16_000).read_bytes()
    broken = {
        "truncated.wav": (whole[:-5000], "truncated: its header promises"),
        "empty.wav": (b"", r"empty \(0 bytes\)"),
        "page.wav": (b"<!DOCTYPE html><html>", "a web page, not audio"),
        "noise.wav": (os.urandom(3000), "not readable as audio"),
        "pointer.wav": (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
    }
    for name, (content, reason) in broken.items():
        (tmp_path / name).write_bytes(content)
        for look in (inspect_clip, inspect_windows, lambda *given: list(read_windows(*given))):
            with pytest.raises(AudioError, match=reason):
                look(tmp_path / name, SECONDS)
    for samples, reason in (
        (noise(16_000, 0.02), "at least 25 ms long"),
        (noise(16_000, 0), "at least 25 ms long, found 0.0 ms"),
        (np.r_[noise(16_000, 2.5), np.float32(np.nan)], "not finite"),
        (np.r_[noise(16_000, 2.5), np.float32(1e6)], "within -1..1 or a little over"),
    ):
        soundfile.write(tmp_path / "odd.wav", samples, 16_000, subtype="FLOAT")
        with pytest.raises(AudioError, match=reason):
            list(read_windows(tmp_path / "odd.wav", SECONDS))
    with pytest.raises(PassingAudioError, match="no such file"):
        list(read_windows(tmp_path / "gone.wav", SECONDS))
    with pytest.raises(AudioError, match="not a plain file"):
        hash_file(tmp_path)


def test_a_file_that_is_another_one_by_now_is_refused(tmp_path):
    path = written(tmp_path, noise(16_000, 2), 16_000)
    with pytest.raises(AudioError, match="changed since it was first read"):
        next(read_windows(path, SECONDS, sha256="0" * 64))
    windows = read_windows(path, SECONDS)
    next(windows)
    os.utime(path, (1, 1))
    with pytest.raises(PassingAudioError, match="changed while it was read"):
        list(windows)


def test_no_more_is_kept_than_a_window_takes():
    from pipeline.audio.windows import Cutter

    for rate, hop in ((16_000, 1.0), (44_101, 0.1), (44_100, 60.0)):
        cutter = Cutter(SECONDS, hop)
        cutter.begin(rate)
        block = noise(rate, 0.2)
        for _ in range(400):
            list(cutter.add(block))
            assert sum(map(len, cutter._pieces)) < 3.5 * rate


@pytest.mark.parametrize(
    ("seconds", "hop"), [(1, 0), (1, 1e-9), (1, -1), (1, np.nan), (0.01, None), (np.inf, 1)]
)
def test_a_hop_or_a_length_that_is_none_is_refused(seconds, hop):
    with pytest.raises(ValueError, match=r"must be at least 0\.025 and finite"):
        windows_of(noise(16_000, 1), seconds, hop)
