"""An mp3 walked frame by frame: libmpg123 takes for its end what confuses it, and libsndfile says nothing of that.

Frames say how long they are (ISO 11172-3, 2.4.2.3), so that a whole file is one after the other, with tags before,
after and, where recordings were joined, between them.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import NamedTuple

TOLERANCE = 1
"""Decoders differ by up to so many frames in what they make of a recording's start and end."""

XING = re.compile(rb"Xing|Info")
XING_FIELDS = (4, 4, 100, 4)
"""Bytes of the fields that a first frame of that name may have: frames, bytes, table of contents, quality."""

CHAINED = 3
"""So many frames in a row are frames; a single header may be anything's bytes."""

FARTHEST = 1 << 20
"""So many bytes that are neither frames nor a tag are looked through for a frame."""

BLOCK = 1 << 18
"""Bytes read at once."""

VERSIONS = (2.5, None, 2, 1)
LAYERS = (None, 3, 2, 1)
RATES = (44_100, 48_000, 32_000)
"""Hz, of version 1; half of it in version 2, a quarter in 2.5."""

KILOBITS = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Version (2 for 2.5 too) and layer → the bit rates that a header's four bits name, from 1 on."""

SYNC = re.compile(rb"\xff[\xe0-\xff][\x00-\xef]", re.DOTALL)

CONVERT = "decode it with a program that shows what it loses, such as ffmpeg, and keep that as flac or wav"


class Frame(NamedTuple):
    """What a frame's header says."""

    length: int
    """Bytes; 0 in the free format, which does not say."""
    samples: int
    """Of each channel."""
    kind: tuple[float, int, int, bool]
    """Version, layer, sampling rate in Hz, whether it is mono: the same in all frames of a recording."""


@dataclass(frozen=True, slots=True)
class Walk:
    """What an mp3 holds."""

    samples: int = 0
    """Of each channel, in all its frames, without what an encoder says that it added."""
    counted: bool = False
    """Whether its first frame says how many there are; libsndfile guesses otherwise."""
    tolerance: int = 0
    """Samples that decoders differ by."""
    damage: str | None = None
    """Why it cannot be heard whole, where that is plain."""

    def fault(self, decoded: int) -> str | None:
        """Why what was decoded is not the whole, or None."""
        if self.damage:
            return f"an mp3 {self.damage}: {CONVERT}"
        if decoded + self.tolerance < self.samples:
            return (
                f"an mp3 whose frames hold {self.samples} samples, of which {decoded} are decoded: {CONVERT}"
            )
        return None


def walk(descriptor: int) -> Walk:
    """Walk all frames of an open mp3, without decoding any."""
    data = _Bytes(descriptor)
    begin = _after_tags(data, 0)
    start = _next_frame(data, begin)
    if start is None:
        begun = _frame(data.at(begin, 4))
        free = begun is not None and not begun.length
        return Walk(
            damage="of free format, which does not say where frames end" if free else "without frames"
        )
    at, first = start
    counted, added = _description(data.at(at, first.length))
    frames, damage = -int(counted), None
    while damage is None and at < data.size:
        frame = _frame(data.at(at, 4))
        if frame is not None and frame.kind == first.kind and frame.length:
            if at + frame.length > data.size:
                break  # the last, cut off
            frames, at = frames + 1, at + frame.length
            continue
        tagged = _after_tags(data, at)
        following = _next_frame(data, tagged)
        if following is None:
            if (rest := data.size - tagged) > FARTHEST:
                damage = f"that ends in {rest} bytes of no frame"
            break
        at, frame = following
        if frame.kind != first.kind:
            damage = f"joined to another of other kind, at byte {at}"
        elif at > tagged:
            damage = f"damaged at byte {tagged}: no frame begins there until byte {at}"
    return Walk(frames * first.samples - added, counted, TOLERANCE * first.samples, damage)


def _description(frame: bytes) -> tuple[bool, int]:
    """Whether a first frame says how many follow, and how many samples of padding the encoder says it added."""
    if frame[36:40] == b"VBRI":
        return True, 0
    if not (found := XING.search(frame, 0, 64)):
        return False, 0
    has = frame[found.end() + 3] if len(frame) > found.end() + 3 else 0
    at = found.end() + 4 + sum(size for bit, size in enumerate(XING_FIELDS) if has >> bit & 1)
    encoder, padding = frame[at : at + 4], int.from_bytes(frame[at + 21 : at + 24], "big")
    return True, (padding >> 12) + (padding & 0xFFF) if encoder in (b"LAME", b"Lavc", b"Lavf") else 0


def _frame(header: bytes) -> Frame | None:
    """A frame by the four bytes that it begins with; None where they begin none."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = VERSIONS[header[1] >> 3 & 3], LAYERS[header[1] >> 1 & 3]
    rate_index, bits = header[2] >> 2 & 3, header[2] >> 4
    if version is None or layer is None or rate_index == 3 or bits == 15:
        return None
    rate = RATES[rate_index] // {1: 1, 2: 2, 2.5: 4}[version]
    samples = 384 if layer == 1 else 1152 if layer == 2 or version == 1 else 576
    length = 0
    if bits:
        unit = 4 if layer == 1 else 1
        bit_rate = 1000 * KILOBITS[1 if version == 1 else 2, layer][bits - 1]
        length = (samples // 8 // unit * bit_rate // rate + (header[2] >> 1 & 1)) * unit
    return Frame(length, samples, (version, layer, rate, header[3] >> 6 == 3))


def _next_frame(data: _Bytes, at: int) -> tuple[int, Frame] | None:
    """The next frame that others of its kind follow, or nothing, and where; None where none begins soon."""
    end = min(data.size, at + FARTHEST)
    while at < end:
        block = data.at(at, BLOCK)
        for found in SYNC.finditer(block):
            if frame := _chained(data, at + found.start()):
                return at + found.start(), frame
        at += max(1, len(block) - 2)
    return None


def _chained(data: _Bytes, at: int) -> Frame | None:
    """The frame that begins there, where it is none by chance."""
    first = None
    for count in range(CHAINED):
        frame = _frame(data.at(at, 4))
        if frame is None or not frame.length or (first is not None and frame.kind != first.kind):
            ended = count > 0 and (at == data.size or _after_tags(data, at) > at)
            return first if ended else None
        first, at = first or frame, at + frame.length
        if at > data.size:
            return first if count > 0 else None
    return first


def _after_tags(data: _Bytes, at: int) -> int:
    """Where the tags end that begin here: ID3, APE and Lyrics3, as many as there are."""
    while size := _tag_size(data, at):
        at += size
    return min(at, data.size)


def _tag_size(data: _Bytes, at: int) -> int:
    head = data.at(at, 32)
    if head[:3] == b"ID3" and len(head) >= 10 and max(head[6:10]) < 0x80:
        # Four bytes of seven bits each.
        size = sum(byte << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
        return 10 + size + (10 if head[5] & 0x10 else 0)
    if head[:8] == b"APETAGEX" and len(head) == 32:
        has_header = bool(head[23] & 0x20)  # these are its bytes, or else those that end it
        return 32 + (int.from_bytes(head[12:16], "little") if has_header else 0)
    if head[:4] == b"TAG+":
        return 227
    if head[:3] == b"TAG":
        return 128
    if head[:11] == b"LYRICSBEGIN":
        text = data.at(at, BLOCK)
        ends = [text.find(mark) for mark in (b"LYRICS200", b"LYRICSEND")]
        return next((end + 9 for end in ends if end >= 0), 0)
    return 0


class _Bytes:
    """An open file's bytes, a block in memory."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self.size = descriptor, os.fstat(descriptor).st_size
        self._start, self._block = 0, b""

    def at(self, at: int, count: int) -> bytes:
        """`count` bytes from `at` on, or as many as there are."""
        start = at - self._start
        if start < 0 or start + count > len(self._block):
            self._start, start = at, 0
            self._block = os.pread(self._descriptor, max(count, BLOCK), at)
        return self._block[start : start + count]
