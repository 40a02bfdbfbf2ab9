"""Keys: the sha256 of what was encoded, 32 raw bytes each, so that a million of them are one small array."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection

import numpy as np
import numpy.typing as npt

KEY_BYTES = 32
"""A sha256; 64 hexadecimal digits where it is text."""

Keys = npt.NDArray[np.bytes_]
"""(N,) of dtype S32. All have the same length, so that equal means equal in every byte."""

NO_KEYS: Keys = np.empty(0, dtype=f"S{KEY_BYTES}")


def sentence_key(sentence: str) -> str:
    """A sentence's key: the sha256 of its UTF-8 bytes."""
    return hashlib.sha256(sentence.encode()).hexdigest()


def packed(keys: Collection[str]) -> Keys:
    """Keys in hexadecimal digits as raw bytes, (N,). Raises ValueError for what is not a key."""
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
