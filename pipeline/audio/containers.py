"""What an audio file's container says of its length, where libsndfile does not ask: it takes a shortened file
for a short one. Everything here reads a few bytes of an open file at a given place."""

from __future__ import annotations

import os

from pipeline.audio import ogg
from pipeline.audio.chunks import STREAMED, chunks, is_name


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
    if os.pread(descriptor, 4, 0) != b"RIFF":
        return None
    at, end, left_open = 12, os.fstat(descriptor).st_size, None
    for chunk in chunks(descriptor):
        if left_open is None and chunk.name == b"data":
            if chunk.size:
                return None
            left_open = chunk.at - 4
        elif left_open is not None and not is_name(chunk.name):
            return left_open  # samples
        at = chunk.end + chunk.size % 2
    return left_open if at not in (end, end + 1) else None


def caf_count(descriptor: int) -> int | None:
    """How many samples of each channel a CAF of compressed packets promises; None for any other file."""
    if os.pread(descriptor, 4, 0) != b"caff":
        return None
    for chunk in chunks(descriptor):
        if chunk.name == b"pakt":
            return int.from_bytes(os.pread(descriptor, 8, chunk.at + 8), "big")
    return None


def _caf_bytes(descriptor: int, head: bytes) -> int:
    """How long a CAF is up to the end of its samples, by its chunks; 0 for another format.

    One written to a stream is none that libsndfile reads.
    """
    at = 0
    for chunk in chunks(descriptor) if head[:4] == b"caff" else ():
        at = chunk.end
        if chunk.name == b"data":
            break
    return at
