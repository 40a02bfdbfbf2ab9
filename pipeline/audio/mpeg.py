"""An mp3 walked frame by frame: libmpg123 takes for its end what confuses it, and libsndfile says nothing of that.

Frames say how long they are (ISO 11172-3, 2.4.2.3), so that a whole file is one after the other, with tags before,
after and, where recordings were joined, between them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from pipeline.audio.tags import BLOCK, Bytes, after_tags

TOLERANCE = 2
"""Decoders differ by up to so many frames in what they make of a recording's start and end."""

LEAST = 0.92
"""Of the samples; of very short ones a frame is more than may be left out."""

RESERVOIR = (255, 511)
"""Bytes before a frame in which it may begin: of versions 2 and 2.5, and of version 1 (ISO 11172-3, 2.4.2.7)."""

XING = re.compile(rb"Xing|Info")
XING_FIELDS = (4, 4, 100, 4)
"""Bytes of the fields that a first frame of that name may have: frames, bytes, table of contents, quality."""

CHAINED = 3
"""So many frames in a row are frames; a single header may be anything's bytes."""

FARTHEST = 1 << 20
"""So many bytes that are neither frames nor a tag are looked through for a frame."""

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
        if decoded < max(self.samples - self.tolerance, LEAST * self.samples):
            return (
                f"an mp3 whose frames hold {self.samples} samples, of which {decoded} are decoded: {CONVERT}"
            )
        return None


def walk(descriptor: int) -> Walk:
    """Walk all frames of an open mp3, without decoding any."""
    data = Bytes(descriptor)
    begin = after_tags(data, 0)
    start = _next_frame(data, begin)
    if start is None:
        begun = _frame(data.at(begin, 4))
        free = begun is not None and not begun.length
        return Walk(
            damage="of free format, which does not say where frames end" if free else "without frames"
        )
    at, first = start
    counted, added = _description(data.at(at, first.length))
    # What is no frame may be frames that were lost, unless their count is known.
    most_other = FARTHEST if counted else max((1 - LEAST) * data.size, TOLERANCE * first.length)
    if at - begin > most_other:
        return Walk(damage=f"that begins with {at - begin} bytes of no frame")
    frames, cut_off, damage = -int(counted), 0, None
    while damage is None and at < data.size:
        frame = _frame(data.at(at, 4))
        if frame is not None and frame.kind == first.kind and frame.length:
            cut_off = int(at + frame.length > data.size)
            frames, at = frames + 1, at + frame.length
            continue
        tagged = after_tags(data, at)
        following = _next_frame(data, tagged)
        if following is None:
            if (rest := data.size - tagged) > most_other:
                damage = f"that ends in {rest} bytes of no frame"
            break
        at, frame = following
        if frame.kind != first.kind:
            damage = f"joined to another of other kind, at byte {at}"
        elif at > tagged:
            damage = f"damaged at byte {tagged}: no frame begins there until byte {at}"
    # What was cut out of a longer one begins with frames whose beginnings lie in frames before it.
    reservoir = 0 if counted else RESERVOIR[first.kind[0] == 1] // first.length
    tolerance = (TOLERANCE + cut_off + reservoir) * first.samples
    return Walk(frames * first.samples - added, counted, tolerance, damage)


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


def _next_frame(data: Bytes, at: int) -> tuple[int, Frame] | None:
    """The next frame that others of its kind follow, or nothing, and where; None where none begins soon."""
    end = min(data.size, at + FARTHEST)
    while at < end:
        block = data.at(at, BLOCK)
        for found in SYNC.finditer(block):
            if frame := _chained(data, at + found.start()):
                return at + found.start(), frame
        at += max(1, len(block) - 2)
    return None


def _chained(data: Bytes, at: int) -> Frame | None:
    """The frame that begins there, where it is none by chance."""
    first = None
    for count in range(CHAINED):
        frame = _frame(data.at(at, 4))
        if frame is None or not frame.length or (first is not None and frame.kind != first.kind):
            ended = count > 0 and (at == data.size or after_tags(data, at) > at)
            return first if ended else None
        first, at = first or frame, at + frame.length
        if at > data.size:
            return first if count > 0 else None
    return first
