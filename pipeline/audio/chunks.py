"""The chunks of RIFF's family, AIFF and CAF, where the description of the samples and the samples are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

MOST = 4096
"""No recording has more chunks, and a file of nothing but empty ones would take minutes."""

BROKEN = "its header contradicts itself"

SEVERAL = "several recordings in one file, of which only the first would be heard: write them as one"

STREAMED = 0x7FFF0000
"""Sizes from here on are what programs write that do not know the size yet: sox, ffmpeg, espeak-ng."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How chunks follow each other in a kind of file."""

    first: int
    """Where the first begins."""
    name: int
    """Bytes of a chunk's name; its size follows."""
    size: int
    """Bytes of the size."""
    order: Literal["little", "big"]
    """`little` or `big` end first."""
    alignment: int
    inclusive: bool = False
    """Whether the size counts the name and itself."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk as its header has it; the file may end before it does."""

    name: bytes
    at: int
    """Where its contents begin."""
    size: int
    """Of its contents, in bytes."""

    @property
    def end(self) -> int:
        """Where its contents end, padding left out."""
        return self.at + self.size


def layout_of(head: bytes) -> Layout | None:
    """How a file's chunks follow each other, by its first 40 bytes; None where it has none."""
    kind, form = head[:4], head[8:12]
    if kind in (b"RIFF", b"RIFX", b"RF64") and form == b"WAVE":
        return Layout(12, 4, 4, "big" if kind == b"RIFX" else "little", 2)
    if kind == b"FORM" and form in (b"AIFF", b"AIFC"):
        return Layout(12, 4, 4, "big", 2)
    if kind == b"caff":
        return Layout(8, 4, 8, "big", 1)
    if kind == b"riff":  # Sony's W64, whose names are GUIDs
        return Layout(40, 16, 8, "little", 8, inclusive=True)
    return None


def is_name(name: bytes) -> bool:
    """Whether four bytes may be a chunk's name, and are not samples."""
    return name.isascii() and name.decode().isprintable()


def chunks(descriptor: int) -> Iterator[Chunk]:
    """The chunks of an open file, in order; none of another kind of file.

    Where a size leads beyond the file's end, that chunk is the last.
    """
    layout = layout_of(os.pread(descriptor, 40, 0))
    if layout is None:
        return
    at, end, size_in_64_bits = layout.first, os.fstat(descriptor).st_size, None
    for _ in range(MOST):
        header = os.pread(descriptor, layout.name + layout.size, at)
        if len(header) < layout.name + layout.size:
            return
        name = header[: layout.name]
        size = int.from_bytes(header[layout.name :], layout.order)
        size = max(0, size - len(header)) if layout.inclusive else size
        if name == b"ds64":
            size_in_64_bits = int.from_bytes(os.pread(descriptor, 8, at + 16), "little")
        if name == b"data" and size == 0xFFFFFFFF and size_in_64_bits is not None:
            size = size_in_64_bits
        chunk = Chunk(name[:4], at + len(header), size)
        yield chunk
        at = chunk.end + -chunk.end % layout.alignment
        if at >= end:
            return
