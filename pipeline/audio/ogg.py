"""Whether an Ogg file is whole, page by page: libsndfile skips damaged pages and what follows the first stream."""

from __future__ import annotations

import os
import zlib

from pipeline.audio.tags import holds

LARGEST_HEADER = 27 + 255
LARGEST_PAGE = LARGEST_HEADER + 255 * 255

FIRST_PAGE, LAST_PAGE = 2, 4
"""Bits of a page's flags: of a stream's first and last."""

SEVERAL = "an Ogg of several streams, of which only the first would be heard: write it as one"

REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def fault(descriptor: int) -> str | None:
    """Why an open file is an Ogg that cannot be used; None where it can be, or is no Ogg.

    Reads the whole file, a page at a time.
    """
    at, number, ended = 0, None, False
    while (header := os.pread(descriptor, LARGEST_HEADER, at))[:4] == b"OggS":
        page = os.pread(descriptor, page_size(header), at)
        if len(page) < page_size(header) or _checksum(page) != int.from_bytes(page[22:26], "little"):
            return f"truncated or damaged: its page at byte {at} does not have its checksum"
        if at and page[5] & FIRST_PAGE:
            return SEVERAL
        found = int.from_bytes(page[18:22], "little")
        if number is not None and found != number + 1:
            return f"truncated or damaged: page {found} follows page {number}"
        at, number, ended = at + len(page), found, bool(page[5] & LAST_PAGE)
    if at and header and not ended:  # where there is no header, its last page says whether it ends early
        return f"truncated or damaged: no page begins at byte {at}"
    return SEVERAL if at and holds(descriptor, b"OggS\0", at) else None


def is_open(tail: bytes) -> bool:
    """Whether the last bytes of an Ogg file lack its end."""
    start = tail.rfind(b"OggS")
    page = tail[start:] if start >= 0 else b""
    return len(page) < page_size(page) or not page[5] & LAST_PAGE


def page_size(header: bytes) -> int:
    """How long a page is whose first bytes these are: at least as long as what it takes to say so."""
    segments = header[26] if len(header) > 26 else 0
    return 27 + segments + sum(header[27 : 27 + segments])


def _checksum(page: bytes) -> int:
    """A page's checksum, its own field taken as zeros (RFC 3533).

    It is zlib's polynomial over bits in the other order, without zlib's inversions.
    """
    zeroed = page[:22] + bytes(4) + page[26:]
    return int(f"{zlib.crc32(zeroed.translate(REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF:032b}"[::-1], 2)
