"""What a flac's header promises, and whether its frames keep it: libsndfile believes the header."""

from __future__ import annotations

import os
from dataclasses import dataclass

from pipeline.audio.chunks import BROKEN, SEVERAL
from pipeline.audio.tags import Bytes, after_tags, holds

RATES = (0, 88_200, 176_400, 192_000, 8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000)
"""Hz, which four bits of a frame's header name."""


@dataclass(frozen=True, slots=True)
class Header:
    """The first block of a flac, which describes the samples."""

    at: int
    """Where the flac begins, behind tags."""
    first: bytes
    """The bytes that begin it."""

    @property
    def count_at(self) -> int:
        """Where the 36 bits lie that say how many samples there are: four of this byte, and four bytes."""
        return self.at + 21

    @property
    def count(self) -> int:
        """How many samples of each channel it promises; 0 where it leaves that open."""
        return int.from_bytes(self.first[21:26], "big") & (1 << 36) - 1

    @property
    def uncounted(self) -> bytes:
        """The five bytes at `count_at` that leave it open."""
        return bytes([self.first[21] & 0xF0, 0, 0, 0, 0])

    @property
    def rate(self) -> int:
        """Hz."""
        return int.from_bytes(self.first[18:21], "big") >> 4

    @property
    def channels(self) -> int:
        """How many."""
        return (self.first[20] >> 1 & 7) + 1


def header(descriptor: int) -> Header | None:
    """The header of an open flac; None for another format."""
    at = 0
    if os.pread(descriptor, 3, 0) == b"ID3":
        at = after_tags(Bytes(descriptor), 0)
    first = os.pread(descriptor, 42, at)
    return Header(at, first) if first[:4] == b"fLaC" and len(first) == 42 else None


def contradiction(descriptor: int) -> str | None:
    """Why an open flac is not what its header says, or is several; None for another format."""
    said = header(descriptor)
    if said is None:
        return None
    at, last = said.at + 4, False
    while not last:
        block = os.pread(descriptor, 4, at)
        if len(block) < 4:
            return None
        last, at = bool(block[0] & 0x80), at + 4 + int.from_bytes(block[1:], "big")
    frame = os.pread(descriptor, 16, at)
    if len(frame) < 16 or frame[0] != 0xFF or frame[1] & 0xFE != 0xF8:
        return None
    if (rate := _rate(frame)) not in (0, said.rate):
        return f"{BROKEN}: {said.rate} Hz, in frames of {rate} Hz"
    channels = 2 if frame[3] >> 4 in (8, 9, 10) else (frame[3] >> 4) + 1
    if channels != said.channels:
        return f"{BROKEN}: {said.channels} channels, in frames of {channels}"
    return SEVERAL if holds(descriptor, said.first[:8], at) else None


def _rate(frame: bytes) -> int:
    """The rate that a frame's header names, in Hz; 0 where it leaves that to the file's."""
    code = frame[2] & 15
    if code < len(RATES):
        return RATES[code]
    # Behind the frame's number, which is written as UTF-8 is, and the size of an unusual block.
    at = 4 + max(1, 8 - (frame[4] ^ 0xFF).bit_length()) + {6: 1, 7: 2}.get(frame[2] >> 4, 0)
    if code == 12:
        return 1000 * frame[at]
    rate = int.from_bytes(frame[at : at + 2], "big")
    return {13: rate, 14: 10 * rate}.get(code, 0)
