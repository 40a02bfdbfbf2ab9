"""Random numbers that belong to one caption, so that no other row and no order of rows changes it."""

from __future__ import annotations

import hashlib
import json

import numpy as np


def rng_of(*name: str | int) -> np.random.Generator:
    """The generator of what `name` identifies: the same for the same name, on every machine."""
    digest = hashlib.sha256(json.dumps(name).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))
