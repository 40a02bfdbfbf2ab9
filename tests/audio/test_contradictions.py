"""A header that says two things that cannot both be true is refused; what is merely unusual is not."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from pipeline.audio import AudioError, inspect_clip, read_waveform

NOISE = 0.1 * np.random.default_rng(0).standard_normal((32_000, 2))


def written(path: Path, **how: object) -> bytearray:
    soundfile.write(path, NOISE, 16_000, **how)
    return bytearray(path.read_bytes())


def both_refuse(path: Path, data: bytes, reason: str) -> None:
    path.write_bytes(data)
    for look in (inspect_clip, read_waveform):
        with pytest.raises(AudioError, match=reason):
            look(path, 10.0)


def seconds(path: Path, data: bytes) -> float:
    path.write_bytes(data)
    return inspect_clip(path, 10.0).duration


@pytest.mark.parametrize("container", ["WAV", "WAVEX", "RF64", "W64"])
@pytest.mark.parametrize(
    ("offset", "kind", "value", "reason"),
    [
        (4, "<I", 8_000, "8000 blocks of 4 bytes a second, and 64000 bytes a second"),
        (8, "<I", 1, "16000 blocks of 4 bytes a second, and 1 bytes a second"),
        (12, "<H", 8, "2 channels of 16 bits, in blocks of 8 bytes"),
        (14, "<H", 8, "2 channels of 8 bits, in blocks of 4 bytes|not readable as audio"),
    ],
)
def test_a_wav_whose_description_contradicts_itself(tmp_path, container, offset, kind, value, reason):
    data = written(tmp_path / "clip", format=container, subtype="PCM_16")
    at = data.index(b"fmt ") + (24 if container == "W64" else 8)
    struct.pack_into(kind, data, at + offset, value)
    both_refuse(tmp_path / "clip", data, reason)


def test_an_aiff_that_counts_other_samples_than_it_has(tmp_path):
    data = written(tmp_path / "clip", format="AIFF", subtype="PCM_16")
    struct.pack_into(">I", data, data.index(b"COMM") + 10, 20_000)
    both_refuse(tmp_path / "clip", data, "samples of 80000 bytes, in a chunk of 128000")


def test_a_caf_whose_packets_are_of_another_size(tmp_path):
    data = written(tmp_path / "clip", format="CAF", subtype="PCM_16")
    struct.pack_into(">I", data, data.index(b"desc") + 12 + 28, 24)
    both_refuse(tmp_path / "clip", data, "2 channels of 24 bits, in blocks of 4|not readable as audio")


@pytest.mark.parametrize("tag", [b"", b"ID3\x03\0\0\0\0\x01\x00" + bytes(128)])
def test_a_flac_whose_frames_are_of_another_rate_or_count(tmp_path, tag):
    path = tmp_path / "clip"
    data = tag + written(path, format="FLAC")
    at = len(tag) + 18
    (said,) = struct.unpack_from(">Q", data, at)
    for rate in (8_000, 48_000):
        changed = bytearray(data)
        struct.pack_into(">Q", changed, at, said & (1 << 44) - 1 | rate << 44)
        both_refuse(path, changed, f"{rate} Hz, in frames of 16000 Hz")
    for count, reason in ((1_000, "promises 1000 samples, 32000 are there"), (64_000, "truncated")):
        changed = bytearray(data)
        struct.pack_into(">Q", changed, at, said >> 36 << 36 | count)
        both_refuse(path, changed, reason)
    both_refuse(path, data + data, "promises 32000|several recordings|not readable")
    assert seconds(path, data) == 2.0


def test_unusual_rates_and_blocks_of_a_flac_are_no_contradiction(tmp_path):
    for rate in (4_000, 8_000, 11_025, 12_345, 96_000, 65_600, 255_000):
        soundfile.write(tmp_path / "clip", NOISE, rate, format="FLAC")
        assert inspect_clip(tmp_path / "clip", 10.0).sampling_rate == rate


@pytest.mark.parametrize("container", ["WAV", "AIFF", "AU", "CAF", "W64"])
def test_samples_that_the_header_does_not_count_are_not_left_out_in_silence(tmp_path, container):
    path = tmp_path / "clip"
    data = written(path, format=container, subtype="PCM_16")
    both_refuse(path, data + data, "several recordings|contradicts itself|not readable as audio")
    assert seconds(path, data + bytes(400)) == pytest.approx(2.0, abs=0.01)


def test_chunks_after_the_samples_are_no_samples(tmp_path):
    data = written(tmp_path / "clip", format="WAV", subtype="PCM_16")
    picture = b"id3 " + (40_000).to_bytes(4, "little") + bytes(40_000)
    assert seconds(tmp_path / "clip", data + picture) == 2.0


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
@pytest.mark.parametrize("level", [0.5, -0.1])
def test_a_constant_is_silence_at_every_rate(tmp_path, rate, level):
    path = tmp_path / "clip.wav"
    for seconds_long in (1.0, 12.0):
        soundfile.write(path, np.full(int(seconds_long * rate), level), rate)
        for look in (inspect_clip, read_waveform):
            with pytest.raises(AudioError, match="silent"):
                look(path, 10.0)
