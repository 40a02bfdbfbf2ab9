"""Recordings at random, of every kind of container, most of them damaged."""

from __future__ import annotations

import io
import random
from collections.abc import Callable

import numpy as np
import soundfile

from pipeline.audio import mpeg

KINDS = [
    *[("WAV", s) for s in ("PCM_16", "PCM_16", "PCM_24", "PCM_U8", "FLOAT", "ULAW", "IMA_ADPCM", "GSM610")],
    *[("WAVEX", "PCM_16"), ("RF64", "PCM_16"), ("W64", "PCM_16"), ("AU", "PCM_16")],
    *[("AIFF", "PCM_16"), ("AIFF", "FLOAT"), ("CAF", "PCM_16"), ("CAF", "ALAC_16")],
    *[("FLAC", "PCM_16"), ("FLAC", "PCM_16"), ("FLAC", "PCM_24"), ("OGG", "VORBIS"), ("OGG", "OPUS")],
    *[("MP3", "MPEG_LAYER_III")] * 6,
]

ODD = [0, 1, 2, 7, 8, 255, 256, 8_000, 44_100, 48_000, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF]

HEADER = 128
"""So many bytes from the start are hit more often than others."""

TAG = b"ID3\x03\0\0\0\0\x01\x00" + bytes(128)


def recording(dice: random.Random) -> tuple[str, bytes]:
    """A whole recording of noise that swells, and its kind."""
    container, subtype = dice.choice(KINDS)
    rate = dice.choice(
        [8_000, 16_000, 24_000, 48_000] if subtype == "OPUS" else [8_000, 16_000, 22_050, 44_100]
    )
    channels = 1 if subtype == "GSM610" else dice.choice([1, 1, 2])
    rng = np.random.default_rng(dice.randrange(1 << 32))
    samples = 0.1 * rng.standard_normal((int(rate * dice.uniform(0.5, 4)), channels))
    samples *= 0.2 + np.abs(np.sin(np.arange(len(samples)) * dice.uniform(1, 9) / rate))[:, None]
    how: dict[str, object] = {}
    if container == "MP3":
        how = {
            "bitrate_mode": dice.choice(["CONSTANT", "AVERAGE", "VARIABLE"]),
            "compression_level": dice.uniform(0.0, 0.99),
        }
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=container, subtype=subtype, **how)
    data = file.getvalue()
    kind = f"{container} {subtype}"
    if container == "MP3" and dice.random() < 0.5 and how["bitrate_mode"] == "CONSTANT":
        return f"{kind} uncounted", uncounted(data)
    return kind, (TAG if container in ("MP3", "FLAC") and dice.random() < 0.2 else b"") + data


def uncounted(mp3: bytes) -> bytes:
    """An mp3 without its first frame, which says how many there are."""
    assert b"Xing" in mp3[:64] or b"Info" in mp3[:64]
    first = mpeg._frame(mp3[:4])
    assert first is not None
    return mp3[first.length :]


def _flipped(dice: random.Random, data: bytearray) -> bytes:
    for _ in range(dice.choice([1, 1, 3, 20])):
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    return bytes(data)


def _header_flipped(dice: random.Random, data: bytearray) -> bytes:
    for _ in range(dice.choice([1, 1, 2, 5])):
        data[dice.randrange(min(HEADER, len(data)))] ^= 1 << dice.randrange(8)
    return bytes(data)


def _field_set(dice: random.Random, data: bytearray) -> bytes:
    size = dice.choice([1, 2, 4, 8])
    at = dice.randrange(min(HEADER, len(data) - 8))
    order = dice.choice(["little", "big"])
    data[at : at + size] = (dice.choice(ODD) % (1 << 8 * size)).to_bytes(size, order)
    return bytes(data)


def _overwritten(dice: random.Random, data: bytearray) -> bytes:
    start, size = _part(dice, data)
    data[start : start + size] = dice.choice([bytes(size), b"\xff" * size, dice.randbytes(size)])
    return bytes(data)


def _dropped(dice: random.Random, data: bytearray) -> bytes:
    start, size = _part(dice, data)
    return bytes(data[:start] + data[start + size :])


def _doubled(dice: random.Random, data: bytearray) -> bytes:
    start, size = _part(dice, data)
    return bytes(data[: start + size] + data[start : start + size] + data[start + size :])


def _inserted(dice: random.Random, data: bytearray) -> bytes:
    start, size = _part(dice, data)
    return bytes(data[:start]) + dice.choice([dice.randbytes(size), bytes(size), TAG]) + bytes(data[start:])


def _joined(dice: random.Random, data: bytearray) -> bytes:
    other = recording(dice)[1] if dice.random() < 0.3 else bytes(data)
    return bytes(data) + dice.choice([b"", TAG, b"TAG" + bytes(125), dice.randbytes(400)]) + other


def _truncated(dice: random.Random, data: bytearray) -> bytes:
    return bytes(data[: dice.randrange(len(data))])


def _part(dice: random.Random, data: bytearray) -> tuple[int, int]:
    size = min(dice.choice([1, 4, 100, 1_000, 5_000]), len(data) // 2)
    return dice.randrange(len(data) - size), size


DAMAGES: list[Callable[[random.Random, bytearray], bytes]] = [
    _flipped,
    _header_flipped,
    _field_set,
    _overwritten,
    _dropped,
    _doubled,
    _inserted,
    _joined,
    _truncated,
]


def damaged(dice: random.Random) -> tuple[str, bytes, bytes]:
    """What was done to a recording, the recording as it was, and as it is."""
    kind, whole = recording(dice)
    damage = dice.choice(DAMAGES)
    return f"{kind} {damage.__name__.strip('_')}", whole, damage(dice, bytearray(whole))
