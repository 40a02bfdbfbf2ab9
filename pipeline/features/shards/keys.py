"""Keys: the sha256 of what was encoded, 32 raw bytes each, so that a million of them are one small array."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

KEY_BYTES = 32
"""A sha256; 64 hexadecimal digits where it is text."""

Keys = npt.NDArray[np.bytes_]
"""(N,) of dtype S32. All have the same length, so that equal means equal in every byte."""

NO_KEYS: Keys = np.empty(0, dtype=f"S{KEY_BYTES}")

VALUES_AT_ONCE = 4096
"""Of a column that are Python objects at a time: all of them would take several times the column's memory."""


def sentence_key(sentence: str) -> str:
    """A sentence's key: the sha256 of its UTF-8 bytes."""
    return hashlib.sha256(sentence.encode()).hexdigest()


def sentence_keys(sentences: Iterable[str]) -> Keys:
    """The keys of sentences, (N,)."""
    raw = bytearray()
    for sentence in sentences:
        raw += hashlib.sha256(sentence.encode()).digest()
    return np.frombuffer(raw, dtype=f"S{KEY_BYTES}")


def values(column: pa.Array | pa.ChunkedArray) -> Iterator[str]:
    """A text column's values, few of them at a time."""
    for start in range(0, len(column), VALUES_AT_ONCE):
        yield from column.slice(start, VALUES_AT_ONCE).to_pylist()


def packed_column(column: pa.Array | pa.ChunkedArray) -> Keys:
    """A column of keys in hexadecimal digits as raw bytes, (N,). Raises as `packed` does."""
    starts = range(0, len(column), VALUES_AT_ONCE)
    parts = (packed(column.slice(start, VALUES_AT_ONCE).to_pylist()) for start in starts)
    return np.concatenate([NO_KEYS, *parts])


def distinct(keys: Collection[str] | Keys) -> Keys:
    """Each of the keys once, in the given order, as raw bytes. Raises as `packed` does."""
    raw = packed(keys)
    _, first = np.unique(raw, return_index=True)
    return raw if len(first) == len(raw) else raw[np.sort(first)]


def packed(keys: Collection[str] | Keys) -> Keys:
    """Keys in hexadecimal digits as raw bytes, (N,); raw ones stay. Raises ValueError for what is not a key."""
    if isinstance(keys, np.ndarray):
        return keys
    joined = "".join(keys)
    try:
        raw = bytes.fromhex(joined)
    except ValueError:
        raw = b""
    # Read back, it must be what was given: no blanks and no capitals, which fromhex takes too.
    if raw.hex() != joined or not {len(key) for key in keys} <= {2 * KEY_BYTES}:
        wrong = next(key for key in keys if not re.fullmatch(rf"[0-9a-f]{{{2 * KEY_BYTES}}}", key))
        raise ValueError(f"a key must be {2 * KEY_BYTES} hexadecimal digits, found {wrong!r}")
    return np.frombuffer(raw, dtype=f"S{KEY_BYTES}")


def as_text(keys: Keys) -> list[str]:
    """Keys in hexadecimal digits."""
    # Not by tolist(), which takes zeros from the end of a key.
    digits = np.ascontiguousarray(keys).tobytes().hex()
    return [digits[i : i + 2 * KEY_BYTES] for i in range(0, len(digits), 2 * KEY_BYTES)]


def beginnings(keys: Keys) -> npt.NDArray[np.uint64]:
    """The first eight bytes of each, as a number that sorts like them."""
    first: npt.NDArray[np.uint64] = keys.view(">u8").reshape(-1, KEY_BYTES // 8)[:, 0].astype(np.uint64)
    return first


def repeat(keys: Keys) -> bool:
    """Whether any is there twice."""
    first = np.sort(beginnings(keys))  # which tells most keys apart, ten times as fast as whole ones
    return bool((first[1:] == first[:-1]).any()) and len(np.unique(keys)) < len(keys)
