"""Where a shard's arrays lie, told from the HDF5 in its first bytes without any HDF5 library.

HDF5 can do much: name other files, links, filters, sizes without bytes. A shard may come from anybody, so that
what is read here is what our own writer writes and no more: superblock 0, a root group of four datasets under one
leaf, object headers of version 1, contiguous arrays of four types, one attribute. Every address, length and count
is compared with the bytes at hand before it is followed, and nothing is followed twice. The structures are those
of HDF5's file format specification; numbers are little-endian, and addresses count from the user block's end.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Any

USER_BLOCK = 512
"""Bytes before the HDF5, which it skips."""

NAMES = {"provenance": 8, "key": 24, "crc32": 32, "features": 40}
"""Of the datasets, as they were made, and where each is among the names."""

HEAP = bytes.fromhex(
    "0000000000000000 70726f76656e616e6365000000000000 6b65790000000000 6372633332000000"
    "66656174757265730000000000000000 0100000000000000 2000000000000000 00000000000000000000000000000000"
)
"""The names, and the room that is left, which begins with its own length."""

NIL, DATASPACE, DATATYPE, FILL, LAYOUT, ATTRIBUTE, CONTINUATION, SYMBOLS = 0, 1, 3, 5, 8, 12, 16, 17
"""Kinds of messages in an object's header."""

FOREIGN = {7: "data in other files", 11: "filters"}

MESSAGES_AT_MOST = 16
"""Of an object: twice what there are, and more."""

UNDEFINED = 2**64 - 1
SUPERBLOCK = bytes.fromhex("89484446 0d0a1a0a 0000000000080800 04001000 00000000")
TYPES = {
    bytes.fromhex("10000000 01000000 0000080000000000"): ("uint8", 1),
    bytes.fromhex("10000000 04000000 0000200000000000"): ("uint32", 4),
    bytes.fromhex("11200f00 02000000 00001000 0a05000a 0f00000000000000"): ("float16", 2),
    bytes.fromhex("11201f00 04000000 00002000 17080017 7f00000000000000"): ("float32", 4),
}
TEXT = bytes.fromhex("13010000")
"""The type of a text of fixed length, whose four bytes follow."""

NO_FILL = bytes.fromhex("02020201 00000000")
RECIPE = bytes.fromhex(
    "0100 0700 1400 0800 7265636970650000"  # `recipe`, and how long its name, type and shape are
    "19010100 10000000 10000000 01000000 0000080000000000"  # a text of any length in UTF-8
    "0100000000000000"  # one of it
)


@dataclass(frozen=True)
class Dataset:
    """An array in the file."""

    kind: str
    """`text`, or numpy's name of its type."""
    shape: tuple[int, ...]
    offset: int
    size: int
    """Where it begins in the file, and its bytes."""


def read_structure(header: bytes, size: int) -> tuple[bytes, dict[str, Dataset]]:
    """The attribute `recipe` and the four datasets, by name, of a file of `size` bytes that begins with `header`.

    All but the datasets' bytes lies in the header. Raises ValueError where anything is not as we write it.
    """
    file = _Bytes(header)
    start, base, free, end, driver = file.unpack("<24sQQQQ", 0)
    _require(start == SUPERBLOCK, "superblock")
    _require((base, free, end, driver) == (USER_BLOCK, UNDEFINED, size, UNDEFINED), "superblock's addresses")
    name, root, cached, reserved, *cache = file.unpack("<QQIIQQ", 56)
    _require((name, cached, reserved) == (0, 1, 0), "root group's entry")
    messages = _messages(file, root)
    _require(messages.keys() == {SYMBOLS, ATTRIBUTE}, "root group")
    _require(messages[SYMBOLS] == struct.pack("<QQ", *cache), "root group's table")
    members = _members(file, *cache)
    return _recipe(file, messages[ATTRIBUTE]), {name: _dataset(file, at) for name, at in members.items()}


class _Bytes:
    """The bytes at hand, by HDF5's addresses."""

    def __init__(self, header: bytes) -> None:
        self._header = header

    def take(self, address: int, length: int) -> bytes:
        start = USER_BLOCK + address
        if start + length > len(self._header):
            raise ValueError("its HDF5 is not as a shard's is: it points to what is not in its header")
        return self._header[start : start + length]

    def unpack(self, layout: str, address: int) -> tuple[Any, ...]:
        return struct.unpack(layout, self.take(address, struct.calcsize(layout)))


def _messages(file: _Bytes, address: int) -> dict[int, bytes]:
    """An object's messages by kind, each of which may be there once; they lie in one place or in two."""
    version, count, references, length = file.unpack("<BxHII4x", address)
    _require((version, references) == (1, 1) and count <= MESSAGES_AT_MOST, "object header")
    found: dict[int, bytes] = {}
    at, end = address + 16, address + 16 + length
    for left in reversed(range(count)):
        kind, size, flags = file.unpack("<HHB3x", at)
        _require(flags <= 1 and kind not in found and at + 8 + size <= end, "message of an object")
        body = file.take(at + 8, size)
        at += 8 + size
        if kind != NIL:
            found[kind] = body
        if at == end and left:
            _require(len(found.get(CONTINUATION, b"")) == 16, "continuation of an object")
            at, length = struct.unpack("<QQ", found[CONTINUATION])
            end = at + length
    _require(at == end, "object header's length")
    found.pop(CONTINUATION, None)
    return found


def _members(file: _Bytes, tree: int, heap: int) -> dict[str, int]:
    """The addresses of a group's objects by name."""
    *node, leaf, last = file.unpack("<4sIQQQQQ", tree)
    _require(
        (*node, last) == (b"TREE", 1 << 16, UNDEFINED, UNDEFINED, 0, NAMES["provenance"]), "group's tree"
    )
    *names, data = file.unpack("<4sIQQQ", heap)
    _require(names == [b"HEAP", 0, len(HEAP), len(HEAP) - 32], "group's heap")
    _require(file.take(data, len(HEAP)) == HEAP, "group's names")
    _require(file.unpack("<4sHH", leaf) == (b"SNOD", 1, len(NAMES)), "group's leaf")
    members = {}
    for place, name in enumerate(sorted(NAMES)):
        at, members[name], cached = file.unpack("<QQQ16x", leaf + 8 + 40 * place)
        _require((at, cached) == (NAMES[name], 0), "group's entry")
    return members


def _recipe(file: _Bytes, attribute: bytes) -> bytes:
    """The text that an attribute has in a heap of its own."""
    _require(len(attribute) == len(RECIPE) + 16 and attribute.startswith(RECIPE), "attribute")
    length, heap, index = struct.unpack_from("<IQI", attribute, len(RECIPE))
    *collection, size, item, stored = file.unpack("<4sIQQQ", heap)
    _require(collection == [b"GCOL", 1] and item == index == 1, "attribute's heap")
    end = 32 + -(-length // 8) * 8
    _require(stored == length and size >= max(end, 4096), "attribute's length")
    left = size - end
    _require(left < 16 or file.unpack("<QQ", heap + end) == (0, left), "attribute's heap")
    return file.take(heap, size)[32 : 32 + length]


def _dataset(file: _Bytes, address: int) -> Dataset:
    messages = _messages(file, address)
    for kind in sorted(messages.keys() & FOREIGN.keys()):
        raise ValueError(f"its HDF5 is not as a shard's is: {FOREIGN[kind]}")
    _require(messages.keys() == {DATASPACE, DATATYPE, FILL, LAYOUT}, "dataset")
    space, numbers, layout = messages[DATASPACE], messages[DATATYPE], messages[LAYOUT]
    rank = (len(space) - 8) // 16
    _require(rank in (0, 1, 2) and space == _space(rank, space[8 : 8 + 8 * rank]), "shape")
    shape = struct.unpack_from(f"<{rank}Q", space, 8)
    if len(numbers) == 8 and numbers.startswith(TEXT):
        name, width = "text", int.from_bytes(numbers[4:], "little")
    else:
        _require(numbers in TYPES, "type of number")
        name, width = TYPES[numbers]
    _require(len(layout) == 24 and layout[:2] == b"\x03\x01" and not any(layout[18:]), "layout")
    _require(messages[FILL] == NO_FILL, "fill value")
    at, size = struct.unpack_from("<QQ", layout, 2)
    _require(at < UNDEFINED and size == width * math.prod(shape), "size")
    return Dataset(name, shape, USER_BLOCK + at, size)


def _space(rank: int, sides: bytes) -> bytes:
    """The message of a shape that cannot grow: its sides, twice."""
    return bytes((1, rank, rank > 0, 0, 0, 0, 0, 0)) + 2 * sides


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(f"its HDF5 is not as a shard's is: another {what}")
