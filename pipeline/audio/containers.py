"""What an audio file's container says of its length, where libsndfile does not ask: it takes a shortened file
for a short one. Everything here reads a few bytes of an open file at a given place."""

from __future__ import annotations

import os

from pipeline.audio import ogg

STREAMED = 0x7FFF0000
"""Sizes from here on are what programs write that do not know the size yet: sox, ffmpeg, espeak-ng."""

MP3_FRAMES_OF_PADDING = 4
"""An encoder adds up to so many frames, at the start and the end, that a header does not count as samples."""


def missing_end(descriptor: int) -> str | None:
    """Why an open file cannot be whole, by the sizes in its header or by its last page; None where it may be."""
    size = os.fstat(descriptor).st_size
    head = os.pread(descriptor, 28, 0)
    # A last chunk of odd length has a byte of padding, which some programs count and do not write.
    if (promised := _promised_bytes(head) or _caf_bytes(descriptor, head)) > size + 1:
        return f"its header promises {promised} bytes, {size} are there"
    if head[:4] == b"OggS" and ogg.is_open(
        os.pread(descriptor, ogg.LARGEST_PAGE, max(0, size - ogg.LARGEST_PAGE))
    ):
        return "its last page is not marked as the last"
    return None


def _promised_bytes(head: bytes) -> int:
    """How long a header says that the whole file is; 0 for another format or for one written to a stream."""
    kind = head[:4]
    if kind == b"RF64":
        size = int.from_bytes(head[20:28], "little") if head[12:16] == b"ds64" else 0
        return 0 if size >= 1 << 63 else size + 8
    if kind == b"riff":  # Sony's W64
        size = int.from_bytes(head[16:24], "little")
        return 0 if size >= 1 << 63 else size
    if kind == b".snd":
        size = int.from_bytes(head[8:12], "big")
        return 0 if size >= STREAMED else int.from_bytes(head[4:8], "big") + size
    if kind in (b"RIFF", b"RIFX", b"FORM"):
        size = int.from_bytes(head[4:8], "little" if kind == b"RIFF" else "big")
        return 0 if size >= STREAMED else size + 8
    return 0


def size_left_open(descriptor: int) -> int | None:
    """Where a wav says that its samples take no bytes though bytes follow, as one written to a pipe may.

    None for another format, where it says more than none, and where whole chunks follow: then there are none.
    """
    at, end = 12, os.fstat(descriptor).st_size
    head, left_open = os.pread(descriptor, 12, 0), None
    if head[:4] != b"RIFF" or head[8:] != b"WAVE":
        return None
    while at + 8 <= end:
        chunk = os.pread(descriptor, 8, at)
        size = int.from_bytes(chunk[4:], "little")
        if left_open is None and chunk[:4] == b"data":
            if size:
                return None
            left_open = at + 4
        elif left_open is not None and not (chunk[:4].isascii() and chunk[:4].decode().isprintable()):
            return left_open  # samples
        at += 8 + size + size % 2
    return left_open if at not in (end, end + 1) else None


def _caf_bytes(descriptor: int, head: bytes) -> int:
    """How long a CAF is up to the end of its samples, by its chunks; 0 for another format.

    One written to a stream is none that libsndfile reads.
    """
    at, size = 8, os.fstat(descriptor).st_size
    if head[:4] != b"caff":
        return 0
    while at < size:
        chunk = os.pread(descriptor, 12, at)
        at += 12 + int.from_bytes(chunk[4:], "big")
        if chunk[:4] == b"data":
            break
    return at


def mp3_counts_its_samples(descriptor: int) -> bool:
    """Whether an mp3's first frame says how many there are; otherwise libsndfile's count is a guess."""
    start = 0
    if (tag := os.pread(descriptor, 10, 0))[:3] == b"ID3":
        # Four bytes of seven bits each.
        start = 10 + sum((byte & 0x7F) << shift for byte, shift in zip(tag[6:], (21, 14, 7, 0), strict=True))
    first_frame = os.pread(descriptor, 64, start)
    return b"Xing" in first_frame or b"Info" in first_frame


def mp3_goes_on(descriptor: int) -> bool:
    """Whether more of an mp3 follows than padding where the file's position is, after the last sample read."""
    rest = os.pread(descriptor, 1 << 13, os.lseek(descriptor, 0, os.SEEK_CUR))
    frame = rest[:2]
    is_frame = len(frame) == 2 and frame[0] == 0xFF and frame[1] & 0xE0 == 0xE0
    return is_frame and rest.count(frame) > MP3_FRAMES_OF_PADDING
