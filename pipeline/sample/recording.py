"""How a corpus's files come to be: background noise, level, sampling rate, channels, and an encoder."""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from pipeline.sample.espeak import SAMPLING_RATE

OGG_SERIAL = 1
_OGG_HEADER = 27
_BYTE_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass(frozen=True, slots=True)
class Format:
    """What a file is: its suffix, sample format, rate in Hz and channels, and its share of the corpus."""

    suffix: str
    subtype: str
    sampling_rate: int
    channels: int
    share: float


FORMATS = (
    Format("wav", "PCM_16", 16_000, 1, 0.34),
    Format("wav", "PCM_16", 44_100, 2, 0.06),
    Format("wav", "PCM_24", 48_000, 1, 0.06),
    Format("wav", "PCM_24", 22_050, 2, 0.05),
    Format("wav", "PCM_16", 8_000, 1, 0.05),
    Format("flac", "PCM_16", 16_000, 1, 0.10),
    Format("flac", "PCM_24", 44_100, 2, 0.06),
    Format("mp3", "MPEG_LAYER_III", 44_100, 1, 0.06),
    Format("mp3", "MPEG_LAYER_III", 24_000, 2, 0.06),
    Format("mp3", "MPEG_LAYER_III", 16_000, 1, 0.03),
    Format("ogg", "VORBIS", 48_000, 2, 0.05),
    Format("ogg", "VORBIS", 16_000, 1, 0.05),
    Format("ogg", "VORBIS", 8_000, 1, 0.03),
)
"""Most clips keep everything that the encoder hears, some lose the highs, as in a corpus off the web."""


def draw_format(rng: np.random.Generator) -> Format:
    """Draw a format by its share."""
    shares = np.array([format.share for format in FORMATS])
    return FORMATS[rng.choice(len(FORMATS), p=shares / shares.sum())]


def record(speech: npt.NDArray[np.float32], format: Format, rng: np.random.Generator) -> bytes:
    """Speech (samples,) at eSpeak NG's rate to the bytes of a file.

    The draw sets the pauses around the speech, the noise behind it, the level, and the balance of a stereo
    file's channels. The same draw gives the same bytes.
    """
    before, after = (int(SAMPLING_RATE * seconds) for seconds in rng.uniform(0.05, 0.15, size=2))
    room = np.pad(speech / np.sqrt(np.mean(speech**2)), (before, after))
    room += 10 ** (rng.uniform(-50, -30) / 20) * rng.standard_normal(len(room))
    level = 10 ** (rng.uniform(-30, -20) / 20)
    if format.sampling_rate != SAMPLING_RATE:
        room = soxr.resample(room, SAMPLING_RATE, format.sampling_rate)
    balance = rng.uniform(-0.3, 0.3)
    gains = [1.0] if format.channels == 1 else [1 + balance, 1 - balance]
    samples = np.clip(level * np.outer(room, gains), -1, 1)  # (frames, channels)
    return _encode(samples, format)


def _encode(samples: npt.NDArray[np.float64], format: Format) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(
        buffer, samples, format.sampling_rate, format=format.suffix.upper(), subtype=format.subtype
    )
    data = buffer.getvalue()
    return with_ogg_serial(data, OGG_SERIAL) if format.suffix == "ogg" else data


def with_ogg_serial(data: bytes, serial: int) -> bytes:
    """An Ogg file with another stream serial number, which libsndfile draws at random.

    Raises ValueError where the bytes are not a sequence of whole Ogg pages.
    """
    pages = []
    position = 0
    while position < len(data):
        header = data[position : position + _OGG_HEADER]
        segments = data[position + _OGG_HEADER : position + _OGG_HEADER + header[-1]]
        end = position + _OGG_HEADER + len(segments) + sum(segments)
        if header[:4] != b"OggS" or end > len(data):
            raise ValueError(f"an Ogg file must be whole pages, found none at byte {position} of {len(data)}")
        page = bytearray(data[position:end])
        page[14:18] = serial.to_bytes(4, "little")
        page[22:26] = bytes(4)
        page[22:26] = _ogg_checksum(bytes(page)).to_bytes(4, "little")
        pages.append(bytes(page))
        position = end
    return b"".join(pages)


def _ogg_checksum(page: bytes) -> int:
    """Ogg's CRC has zlib's polynomial and the other bit order, and starts from zero."""
    reversed_bits = zlib.crc32(page.translate(_BYTE_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{reversed_bits:032b}"[::-1], 2)
