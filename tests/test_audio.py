"""Any audio file to mono at 16 kHz, or one reason why not."""

from __future__ import annotations

import hashlib
import os

import numpy as np
import pytest
import soundfile

from pipeline.audio import AudioError, decode, inside, read_clip


def tone(rate: int, seconds: float = 1.0, frequency: float = 440.0) -> np.ndarray:
    return 0.3 * np.sin(2 * np.pi * frequency * np.arange(round(rate * seconds)) / rate)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "ogg"])
def test_every_format_and_rate_gives_the_same_tone(tmp_path, rate, suffix):
    path = tmp_path / f"tone.{suffix}"
    soundfile.write(path, tone(rate), rate)
    clip = decode(path.read_bytes())
    assert clip.sampling_rate == rate
    assert clip.channels == 1
    assert clip.duration == pytest.approx(1.0, abs=0.06)
    spectrum = np.abs(np.fft.rfft(clip.waveform[2000:14000]))
    assert np.argmax(spectrum) * 16_000 / 12_000 == pytest.approx(440, abs=2)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_every_sample_format_gives_the_same_waveform(tmp_path, subtype):
    path = tmp_path / "tone.wav"
    soundfile.write(path, tone(16_000), 16_000, subtype=subtype)
    assert np.allclose(decode(path.read_bytes()).waveform, tone(16_000), atol=0.01)


def test_channels_are_averaged(tmp_path):
    path = tmp_path / "stereo.wav"
    left, right = tone(16_000), tone(16_000, frequency=880)
    soundfile.write(path, np.stack([left, right], axis=1), 16_000, subtype="FLOAT")
    clip = decode(path.read_bytes())
    assert clip.channels == 2
    assert np.allclose(clip.waveform, (left + right) / 2, atol=1e-6)


def test_the_hash_is_of_the_file(tmp_path, write_audio):
    data = write_audio(tmp_path / "a.wav").read_bytes()
    assert decode(data).sha256 == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (np.zeros(0), "at least 25 ms long, found 0.0 ms"),
        (0.1 * np.ones(300), "at least 25 ms long, found 18.8 ms"),
        (np.zeros(16_000), "silent throughout"),
        (np.full(16_000, 0.25), "silent throughout"),
        (2.0**-15 * np.random.default_rng(0).integers(-2, 3, 16_000), "silent throughout"),
        (np.full(16_000, np.nan), "not finite numbers"),
        (np.full(16_000, np.inf), "not finite numbers"),
    ],
)
def test_what_cannot_be_heard_has_its_reason(tmp_path, samples, reason):
    path = tmp_path / "clip.wav"
    soundfile.write(path, samples, 16_000, subtype="FLOAT")
    with pytest.raises(AudioError, match=reason):
        decode(path.read_bytes())


def test_a_rate_too_low_for_speech_is_refused(tmp_path):
    soundfile.write(tmp_path / "clip.wav", tone(16_000), 1)
    with pytest.raises(AudioError, match="at least 4000 Hz, found 1"):
        decode((tmp_path / "clip.wav").read_bytes())


def test_a_header_that_promises_hours_is_truncated_and_costs_no_memory(tmp_path):
    soundfile.write(tmp_path / "clip.flac", tone(16_000), 16_000)
    data = bytearray((tmp_path / "clip.flac").read_bytes())
    data[21] |= 0x0F  # the number of samples is 36 bits of the stream's information
    data[22:26] = b"\xff" * 4
    with pytest.raises(AudioError, match="truncated|not readable"):
        decode(bytes(data))


def test_samples_far_beyond_full_scale_are_refused(tmp_path):
    soundfile.write(tmp_path / "clip.wav", 1e30 * tone(16_000), 16_000, subtype="FLOAT")
    with pytest.raises(AudioError, match="within -1..1 or a little over, found 3e.29"):
        decode((tmp_path / "clip.wav").read_bytes())


def test_what_is_no_plain_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    for name, reason in (
        ("pipe.wav", "not a plain file"),
        (".", "not a plain file"),
        ("no.wav", "no such file"),
    ):
        with pytest.raises(AudioError, match=reason):
            read_clip(tmp_path / name)


def test_a_whisper_is_no_silence(tmp_path):
    path = tmp_path / "whisper.wav"
    soundfile.write(path, 0.001 * tone(16_000), 16_000, subtype="PCM_24")
    assert np.abs(decode(path.read_bytes()).waveform).max() == pytest.approx(0.0003, rel=0.01)


@pytest.mark.parametrize("data", [b"", b"no audio here", b"RIFF\x00\x00\x00\x00WAVE"])
def test_what_is_not_audio_is_refused(data):
    with pytest.raises(AudioError, match="not readable as audio"):
        decode(data)


@pytest.mark.parametrize("suffix", ["flac", "wav", "ogg"])
def test_a_truncated_file_is_refused(tmp_path, suffix):
    path = tmp_path / f"clip.{suffix}"
    rng = np.random.default_rng(0)
    soundfile.write(path, 0.1 * rng.standard_normal(32_000), 16_000)
    data = path.read_bytes()
    for share in (0.5, 0.9):
        with pytest.raises(AudioError, match="truncated|not readable"):
            decode(data[: int(share * len(data))])


@pytest.mark.parametrize("size", [0x7FFFF024, 0xFFFFFFFF, 0x7FFFFFFF])
def test_a_wav_written_to_a_stream_does_not_count_as_truncated(tmp_path, write_audio, size):
    data = bytearray(write_audio(tmp_path / "a.wav").read_bytes())
    data[4:8] = size.to_bytes(4, "little")
    assert decode(bytes(data)).duration == 1.0


def test_a_path_cannot_leave_its_root(tmp_path):
    assert inside(tmp_path, "a/../b.wav") == tmp_path.resolve() / "b.wav"
    (tmp_path / "link").symlink_to("/etc")
    for path in ("../b.wav", "/etc/passwd", "link/passwd"):
        with pytest.raises(ValueError, match="must stay inside"):
            inside(tmp_path, path)
