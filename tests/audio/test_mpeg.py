"""An mp3 is heard to its last frame, or refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from pipeline.audio import AudioError, inspect_clip, read_waveform
from pipeline.audio.mpeg import walk
from tests.audio.fuzzing import uncounted

RNG = np.random.default_rng(0)
ID3 = b"ID3\x04\0\0\0\0\x01\x00" + bytes(128)
ID3V1 = b"TAG" + bytes(125)
APE = b"APETAGEX" + (2000).to_bytes(4, "little") + (32).to_bytes(4, "little") + bytes(16)
LYRICS = b"LYRICSBEGIN" + b"words" * 20 + b"000111LYRICS200"


CONSTANT: dict[str, object] = {"bitrate_mode": "CONSTANT", "compression_level": 0.5}


def mp3(path: Path, seconds: float = 2.0, rate: int = 44_100, channels: int = 1, **how: object) -> bytes:
    samples = 0.1 * RNG.standard_normal((int(seconds * rate), channels))
    soundfile.write(path, samples, rate, format="MP3", **(CONSTANT | how))
    return path.read_bytes()


def both_refuse(path: Path, data: bytes, reason: str) -> None:
    path.write_bytes(data)
    for look in (inspect_clip, read_waveform):
        with pytest.raises(AudioError, match=reason):
            look(path, 10.0)


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 32_000, 48_000])  # MPEG 2.5, 2 and 1
@pytest.mark.parametrize("channels", [1, 2])
def test_the_frames_hold_what_is_decoded(tmp_path, rate, channels):
    path = tmp_path / "clip.mp3"
    for mode in ("CONSTANT", "VARIABLE"):
        data = mp3(path, 1.3, rate, channels, bitrate_mode=mode)
        for tagged in (data, ID3 + data, ID3 + ID3 + data + APE + LYRICS + ID3V1, data + bytes(5000)):
            path.write_bytes(tagged)
            assert inspect_clip(path, 10.0).duration == pytest.approx(1.3, abs=1e-4)
            with path.open("rb") as opened:
                assert walk(opened.fileno()).samples == int(1.3 * rate)


def test_frames_of_constant_rate_that_nobody_counted_are_heard(tmp_path):
    path = tmp_path / "clip.mp3"
    path.write_bytes(ID3 + uncounted(mp3(path)) + ID3V1)
    assert inspect_clip(path, 10.0).duration == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("between", [b"", ID3, ID3V1 + ID3, APE])
def test_recordings_that_were_joined_are_refused(tmp_path, between):
    path = tmp_path / "clip.mp3"
    both_refuse(
        path, mp3(path) + between + mp3(path), r"frames hold 1[78]\d+ samples, of which 88200 are decoded"
    )
    both_refuse(
        path, mp3(path) + between + mp3(path, rate=16_000), "joined to another of other kind, at byte"
    )


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_damage_in_its_middle_is_refused(tmp_path, rate):
    path, reason = tmp_path / "clip.mp3", "an mp3 (damaged at byte|whose frames)|truncated|not readable"
    for data in (mp3(path, rate=rate), uncounted(mp3(path, rate=rate))):
        middle = len(data) // 2
        for noise in (RNG.bytes(900), bytes(900), b"\xff" * 900):
            both_refuse(path, data[:middle] + noise + data[middle + 900 :], reason)


def test_what_says_nothing_of_its_frames_is_refused(tmp_path):
    path = tmp_path / "clip.mp3"
    data = uncounted(mp3(path))
    free = bytearray(data)
    at = 0
    while at >= 0:
        free[at + 2] &= 0x0F
        at = data.find(data[:2], at + 4)
    path.write_bytes(free)
    with path.open("rb") as opened:
        assert "of free format" in walk(opened.fileno()).fault(10**9)
    path.write_bytes(data + RNG.bytes(3 << 20).replace(b"\xff", b""))
    with path.open("rb") as opened:
        assert "that ends in 3" in walk(opened.fileno()).fault(10**9)
    third = len(data) // 3
    for lost, reason in ((slice(100, third), "begins with"), (slice(-third, None), "ends in")):
        part = bytearray(data)
        part[lost] = bytes(len(part[lost]))
        path.write_bytes(part)
        with path.open("rb") as opened:
            assert f"that {reason} " in walk(opened.fileno()).fault(10**9)


def test_a_count_that_the_frames_belie_is_refused(tmp_path):
    path = tmp_path / "clip.mp3"
    data = bytearray(mp3(path))
    at = max(data.find(b"Xing"), data.find(b"Info")) + 8
    for frames, reason in (
        (20, "frames hold 88200 samples, of which"),
        (200, "truncated: its header promises"),
    ):
        data[at : at + 4] = frames.to_bytes(4, "big")
        both_refuse(path, bytes(data), reason)
