"""Damage anywhere in an Ogg file is found out, and a whole one is never called damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from pipeline.audio.reading import AudioError, inspect_clip

CROP = 10.0
RNG = np.random.default_rng(0)
NOISE = 0.1 * RNG.standard_normal((60 * 16_000, 2))


def written(path: Path, samples: np.ndarray, subtype: str, rate: int = 16_000) -> bytes:
    soundfile.write(path, samples, rate, format="OGG", subtype=subtype)
    return path.read_bytes()


def refuses(path: Path, data: bytes, reason: str) -> None:
    path.write_bytes(data)
    with pytest.raises(AudioError, match=reason):
        inspect_clip(path, CROP)


both = pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])


@both
@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_whole_files_of_any_length_are_whole(tmp_path, subtype, rate, channels):
    path = tmp_path / "clip.ogg"
    for samples in (rate // 20, rate // 2 + 1, 3 * rate, 15 * rate + 7):
        data = written(path, NOISE[:samples, :channels], subtype, rate)
        assert inspect_clip(path, CROP).duration == pytest.approx(samples / rate, abs=1 / rate)
        path.write_bytes(data + b"TAG" + bytes(125))
        assert inspect_clip(path, CROP).duration == pytest.approx(samples / rate, abs=1 / rate)


@both
@pytest.mark.parametrize("seconds", [1, 2, 20])
def test_damage_anywhere_is_found_out(tmp_path, subtype, seconds):
    path = tmp_path / "clip.ogg"
    data = written(path, NOISE[: seconds * 16_000], subtype)
    for at in np.linspace(0, len(data) - 200, 40).astype(int):
        damaged = data[:at] + b"\xa5" * 200 + data[at + 200 :]
        refuses(path, damaged, "^truncated or damaged: " if at else "not readable as audio")
    flipped = bytearray(data)
    flipped[len(data) // 2] ^= 1
    refuses(path, flipped, "does not have its checksum")


@both
def test_a_page_that_was_cut_out_is_missed(tmp_path, subtype):
    path = tmp_path / "clip.ogg"
    data = written(path, NOISE, subtype)
    pages = [at for at in range(len(data)) if data.startswith(b"OggS", at)]
    refuses(path, data[: pages[5]] + data[pages[6] :], "page 6 follows page 4")
    refuses(path, data[: pages[5]] + bytes(9) + data[pages[5] :], "no page begins at byte")
    refuses(path, data[: pages[-1]], "not marked as the last")


@both
def test_what_follows_the_first_stream_is_not_left_out_in_silence(tmp_path, subtype):
    path = tmp_path / "clip.ogg"
    data = written(path, NOISE[:32_000], subtype)
    refuses(path, data + data, "an Ogg of several streams")
    refuses(path, data + written(path, NOISE[:8_000], "VORBIS"), "an Ogg of several streams")
