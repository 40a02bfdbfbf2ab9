"""An open file's bytes, and the tags that stand before a flac and before, between and after an mp3's frames."""

from __future__ import annotations

import os

BLOCK = 1 << 18
"""Bytes read at once."""


def after_tags(data: Bytes, at: int) -> int:
    """Where the tags end that begin here: ID3, APE and Lyrics3, as many as there are."""
    while size := _tag_size(data, at):
        at += size
    return min(at, data.size)


def _tag_size(data: Bytes, at: int) -> int:
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


class Bytes:
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


def holds(descriptor: int, mark: bytes, start: int) -> bool:
    """Whether an open file has these bytes somewhere from `start` on."""
    while len(block := os.pread(descriptor, BLOCK, start)) >= len(mark):
        if mark in block:
            return True
        start += len(block) - len(mark) + 1
    return False
