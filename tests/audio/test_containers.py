"""A shortened file is found out, and a whole one is never called short."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from pipeline.audio.reading import AudioError, inspect_clip, read_waveform

CROP = 10.0
RNG = np.random.default_rng(0)
NOISE = 0.1 * RNG.standard_normal(32_000)


def written(path: Path, samples: np.ndarray = NOISE, rate: int = 16_000, **how: object) -> bytes:
    soundfile.write(path, samples, rate, **how)
    return path.read_bytes()


def seconds(path: Path, data: bytes) -> float:
    """How long a file of these bytes is, by the look at the whole and by the waveform."""
    path.write_bytes(data)
    duration = inspect_clip(path, CROP).duration
    assert len(read_waveform(path, CROP)) == pytest.approx(duration * 16_000, abs=1)
    return duration


def without_header(mp3: bytes) -> bytes:
    """An mp3 without its first frame, the one that says how many samples there are."""
    assert b"Xing" in mp3[:64] or b"Info" in mp3[:64]
    return mp3[mp3.index(mp3[:2], 2) :]


@pytest.mark.parametrize(
    ("container", "subtype"),
    [
        ("WAV", "PCM_16"),
        ("WAV", "ULAW"),
        ("WAVEX", "FLOAT"),
        ("RF64", "PCM_16"),
        ("W64", "PCM_24"),
        ("AIFF", "PCM_16"),
        ("AU", "PCM_16"),
        ("CAF", "PCM_16"),
        ("CAF", "ALAC_16"),
        ("FLAC", "PCM_16"),
        ("OGG", "VORBIS"),
        ("OGG", "OPUS"),
        ("MP3", "MPEG_LAYER_III"),
    ],
)
def test_a_shortened_file_is_refused(tmp_path, container, subtype):
    path = tmp_path / "clip"
    data = written(path, format=container, subtype=subtype)
    assert seconds(path, data) == 2.0
    for share in (0.2, 0.5, 0.9, 0.99):
        path.write_bytes(data[: int(share * len(data))])
        for look in (inspect_clip, read_waveform):
            with pytest.raises(AudioError, match="truncated|not readable as audio"):
                look(path, CROP)


def test_a_wav_that_ends_beyond_the_crop_is_found_out_too(tmp_path):
    path = tmp_path / "clip.wav"
    path.write_bytes(written(path)[:-2_000])
    with pytest.raises(AudioError, match="promises 64044 bytes, 62044 are there"):
        inspect_clip(path, 0.5)


@pytest.mark.parametrize("subtype", ["PCM_16", "ALAC_16"])
def test_a_caf_that_lacks_less_than_its_own_padding_is_found_out_too(tmp_path, subtype):
    path = tmp_path / "clip.caf"
    data = written(path, subtype=subtype)
    path.write_bytes(data[:-100])
    with pytest.raises(AudioError, match="promises .* (bytes|samples), .* are there"):
        inspect_clip(path, CROP)


def test_a_byte_of_padding_that_was_counted_and_not_written_is_no_loss(tmp_path):
    data = written(tmp_path / "clip.wav", NOISE[:-1], subtype="PCM_U8")
    assert seconds(tmp_path / "clip.wav", data[:-1]) == 31_999 / 16_000


@pytest.mark.parametrize("size", [0x7FFFF024, 0xFFFFFFFF, 0x7FFFFFFF, 0])
def test_a_wav_written_to_a_stream_does_not_count_as_truncated(tmp_path, size):
    data = bytearray(written(tmp_path / "clip.wav"))
    data[4:8] = size.to_bytes(4, "little")
    assert seconds(tmp_path / "clip.wav", bytes(data)) == 2.0


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "FLOAT", "ULAW"])
@pytest.mark.parametrize(
    "sizes", [(0, 0), (36, 0), (0xFFFFFFFF, 0), (0xFFFFFFFF, 0xFFFFFFFF), (0x7FFFF024, 0x7FFFF000)]
)
def test_a_wav_written_to_a_pipe_is_read_to_its_end(tmp_path, subtype, sizes):
    path = tmp_path / "clip.wav"
    data = bytearray(written(path, subtype=subtype))
    expected = read_waveform(path, 0.5)
    at = data.index(b"data") + 4
    data[4:8], data[at : at + 4] = (size.to_bytes(4, "little") for size in sizes)
    assert seconds(path, bytes(data)) == 2.0
    assert read_waveform(path, 0.5).tobytes() == expected.tobytes()


def test_a_wav_written_to_a_pipe_that_begins_in_silence_is_read_to_its_end(tmp_path):
    path = tmp_path / "clip.wav"
    data = bytearray(written(path, np.concatenate([np.zeros(1_000), NOISE])))
    data[4:8] = data[40:44] = bytes(4)
    assert data[36:40] == b"data"
    assert seconds(path, bytes(data)) == 33_000 / 16_000
    path.write_bytes(data[:2000])
    with pytest.raises(AudioError, match="silent throughout"):
        inspect_clip(path, CROP)


@pytest.mark.parametrize("rest", [b"", b"LIST\x04\0\0\0INFO", b"LIST\x03\0\0\0INF\0", b"LIST\x03\0\0\0INF"])
def test_a_wav_without_samples_has_none_whatever_chunks_follow(tmp_path, rest):
    path = tmp_path / "clip.wav"
    path.write_bytes(written(path, np.zeros(0), subtype="PCM_16") + rest)
    for look in (inspect_clip, read_waveform):
        with pytest.raises(AudioError, match="at least 25 ms long, found 0.0 ms"):
            look(path, CROP)


def test_other_formats_written_to_a_stream_do_not_count_as_truncated(tmp_path):
    au = bytearray(written(tmp_path / "clip.au"))
    au[8:12] = b"\xff" * 4
    assert seconds(tmp_path / "clip.au", bytes(au)) == 2.0
    flac = bytearray(written(tmp_path / "clip.flac"))
    flac[21] &= 0xF0
    flac[22:26] = bytes(4)
    assert seconds(tmp_path / "clip.flac", bytes(flac)) == 2.0
    assert len(read_waveform(tmp_path / "clip.flac", 0.5)) == 8_000


@pytest.mark.parametrize("rate", [16_000, 44_100])
@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
def test_an_mp3_that_counts_its_samples_has_exactly_these(tmp_path, rate, mode):
    path = tmp_path / "clip.mp3"
    quiet_and_loud = np.concatenate([0.01 * NOISE, NOISE, 0.01 * NOISE])
    data = written(path, quiet_and_loud, rate, bitrate_mode=mode, compression_level=0.5)
    picture = b"ID3\x03\0\0" + bytes([0, 12, 0, 0]) + b"\1" * (12 << 14)
    for tagged in (data, picture + data, data + b"TAG" + bytes(125)):
        assert seconds(path, tagged) == len(quiet_and_loud) / rate


def test_an_mp3_of_constant_rate_without_a_count_is_whole(tmp_path):
    path = tmp_path / "clip.mp3"
    samples = 0.1 * RNG.standard_normal(220_500)
    data = without_header(written(path, samples, 44_100, bitrate_mode="CONSTANT", compression_level=0.5))
    assert seconds(path, data) == pytest.approx(5.0, abs=0.1)
    assert seconds(path, data + b"TAG" + bytes(125)) == pytest.approx(5.0, abs=0.1)


def test_half_an_mp3_without_a_count_is_half_as_long(tmp_path):
    """Nothing in it says that there was more."""
    path = tmp_path / "clip.mp3"
    samples = 0.1 * RNG.standard_normal(220_500)
    data = without_header(written(path, samples, 44_100, bitrate_mode="CONSTANT", compression_level=0.5))
    assert seconds(path, data[: len(data) // 2]) == pytest.approx(2.5, abs=0.1)


def test_an_mp3_of_which_libsndfile_would_leave_out_the_end_is_refused(tmp_path):
    path = tmp_path / "clip.mp3"
    counted = written(path, 0.1 * RNG.standard_normal(220_500), 44_100, bitrate_mode="VARIABLE")
    guessed = without_header(written(path, np.concatenate([NOISE, np.tile(NOISE, 6) * 1e-3]), 44_100))
    for data in (guessed, counted + without_header(counted)):
        path.write_bytes(data)
        for look in (inspect_clip, read_waveform):
            with pytest.raises(AudioError, match="whose frames hold .* samples, of which .* are decoded"):
                look(path, CROP)
