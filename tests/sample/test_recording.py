"""Files are encoded the same way every time, Ogg's random serial number included."""

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from pipeline.audio.reading import inspect_clip, read_waveform
from pipeline.sample.espeak import SAMPLING_RATE
from pipeline.sample.recording import FORMATS, Format, record, with_ogg_serial

SPEECH = np.sin(2 * np.pi * 440 * np.arange(SAMPLING_RATE) / SAMPLING_RATE).astype(np.float32)


def named(format: Format) -> str:
    return f"{format.suffix}-{format.sampling_rate}-{format.channels}"


@pytest.mark.parametrize("format", FORMATS, ids=named)
def test_same_draw_gives_same_bytes_and_the_file_is_what_it_says(format: Format, tmp_path: Path) -> None:
    data = record(SPEECH, format, np.random.default_rng(3))
    assert data == record(SPEECH, format, np.random.default_rng(3))
    (tmp_path / "clip").write_bytes(data)
    clip = inspect_clip(tmp_path / "clip", 10.0)
    assert (clip.sampling_rate, clip.channels) == (format.sampling_rate, format.channels)
    assert soundfile.info(io.BytesIO(data)).subtype == format.subtype
    assert 1.0 < clip.duration < 1.5
    waveform = read_waveform(tmp_path / "clip", 10.0)
    assert np.abs(np.fft.rfft(waveform)).argmax() / clip.duration == pytest.approx(440, abs=3)


def test_libsndfile_still_draws_a_serial_that_has_to_be_replaced() -> None:
    def encoded() -> bytes:
        buffer = io.BytesIO()
        soundfile.write(buffer, SPEECH, SAMPLING_RATE, format="OGG", subtype="VORBIS")
        return buffer.getvalue()

    one, other = encoded(), encoded()
    assert one != other
    assert with_ogg_serial(one, 7) == with_ogg_serial(other, 7)


def test_a_serial_put_back_restores_the_checksums_of_libsndfile() -> None:
    buffer = io.BytesIO()
    soundfile.write(buffer, SPEECH, SAMPLING_RATE, format="OGG", subtype="VORBIS")
    data = buffer.getvalue()
    serial = int.from_bytes(data[14:18], "little")
    assert with_ogg_serial(with_ogg_serial(data, 1), serial) == data


@pytest.mark.parametrize("cut", [1, 20, 40, 100])
def test_bytes_that_are_not_whole_pages_are_refused(cut: int) -> None:
    data = record(SPEECH, next(f for f in FORMATS if f.suffix == "ogg"), np.random.default_rng(0))
    with pytest.raises(ValueError, match="an Ogg file must be whole pages"):
        with_ogg_serial(data[:-cut], 1)
    with pytest.raises(ValueError, match="an Ogg file must be whole pages"):
        with_ogg_serial(data + b"x" * cut, 1)
