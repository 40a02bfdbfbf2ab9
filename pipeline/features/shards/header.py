"""What describes a shard's rows: the bytes before them, which anybody may have written, checked in every part.

The first line, in what HDF5 calls the user block and skips, says how long the header is, with a checksum; it is
written last, so that a file which has it is complete. Nothing is taken into memory before its size is known to be
one that a shard can have.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.features.shards.hdf5 import USER_BLOCK, Dataset, read_structure
from pipeline.features.shards.keys import KEY_BYTES, Keys, repeat
from pipeline.features.shards.provenance import Provenance
from pipeline.features.shards.rows import SHARD_ROWS
from pipeline.recipe import Recipe

BLOCK_ROWS = 256
"""Rows that share a checksum, and that are read at once: a megabyte at F = 1024."""

ROWS_AT_MOST = SHARD_ROWS
RECIPE_AT_MOST = 16 * 1024
PROVENANCE_AT_MOST = 1024 * ROWS_AT_MOST
HEADER_AT_MOST = PROVENANCE_AT_MOST + KEY_BYTES * ROWS_AT_MOST + 64 * 1024
"""Bytes: of rows that have an origin each, with as much in it as there may be."""

FORMAT = 2
FIRST_LINE = "emotionrankclap shard, format {}, header {} bytes, crc32 {:08x}\n"
FIRST_LINE_READ = re.compile(
    rb"emotionrankclap shard, format (\d{1,9}), header (\d{1,9}) bytes, crc32 ([0-9a-f]{8})\n\0*"
)


class DamagedShardError(RuntimeError):
    """A file that is called a shard and is no whole one."""


class LaterFormatError(RuntimeError):
    """A shard that a later version of this package wrote."""


@dataclass(frozen=True)
class Header:
    """What a shard says of its rows."""

    whole: bytes
    """The file up to its rows."""
    recipe: Recipe
    keys: Keys
    """(N,)"""
    provenance: Provenance
    checksums: npt.NDArray[np.uint32]
    """One for every `BLOCK_ROWS` rows of features."""


def length_and_checksum(beginning: bytes) -> tuple[int, int]:
    """A header's length and the checksum of what follows its user block, of a file's first bytes.

    Raises DamagedShardError and LaterFormatError.
    """
    if beginning.startswith(b"\x89HDF"):
        raise DamagedShardError("is HDF5, and no shard of a format that is read")
    found = FIRST_LINE_READ.fullmatch(beginning[:USER_BLOCK])
    if not found:
        raise DamagedShardError("is not a shard, or was cut off or damaged in its first line")
    if int(found[1]) > FORMAT:
        raise LaterFormatError(f"has format {int(found[1])}, this version reads {FORMAT}")
    length = int(found[2])
    if not USER_BLOCK < length <= HEADER_AT_MOST:
        raise DamagedShardError(
            f"must have a header of more than {USER_BLOCK} and at most {HEADER_AT_MOST} bytes, found {length}"
        )
    return length, int(found[3], 16)


def read_header(whole: bytes, length: int, checksum: int, size: int) -> Header:
    """What the header of a file of `size` bytes says. Raises DamagedShardError where it cannot be so."""
    if len(whole) < length or zlib.crc32(memoryview(whole)[USER_BLOCK:]) != checksum:
        raise DamagedShardError("fails the checksum of its header")
    try:
        return _checked(whole, size)
    except RecursionError:
        raise DamagedShardError("is not a whole shard (its JSON is nested too deep)") from None
    except ValueError as error:
        raise DamagedShardError(f"is not a whole shard ({error})") from error


def _checked(whole: bytes, size: int) -> Header:
    """What a header says that has passed its checksum. Raises ValueError."""
    text, datasets = read_structure(whole, size)
    features, key, crc32 = (datasets[name] for name in ("features", "key", "crc32"))
    if len(text) > RECIPE_AT_MOST:
        raise ValueError(f"a recipe must have at most {RECIPE_AT_MOST} bytes, found {len(text)}")
    recipe = Recipe.from_json(text.decode())
    rows = features.shape[0] if features.shape else 0
    if not 1 <= rows <= ROWS_AT_MOST:
        raise ValueError(f"it must have 1 to {ROWS_AT_MOST} rows, found {rows}")
    blocks = -(-rows // BLOCK_ROWS)
    _require(features, "features", recipe.stored_dtype, (rows, recipe.feature_size))
    _require(key, "key", "uint8", (rows, KEY_BYTES))
    _require(crc32, "crc32", "uint32", (blocks,))
    for name in ("key", "crc32", "provenance"):
        if datasets[name].offset + datasets[name].size > len(whole):
            raise ValueError(f"its {name} must lie in its header")
    if features.offset != len(whole) or features.offset + features.size != size:
        raise ValueError(f"it must have {len(whole) + features.size} bytes, found {size}")
    keys = np.frombuffer(whole, f"S{KEY_BYTES}", rows, key.offset)
    if repeat(keys):
        raise ValueError("its keys must not repeat")
    checksums = np.frombuffer(whole, "<u4", blocks, crc32.offset)
    return Header(whole, recipe, keys, _provenance(whole, datasets["provenance"], rows), checksums)


def _require(dataset: Dataset, name: str, kind: str, shape: tuple[int, ...]) -> None:
    if (dataset.kind, dataset.shape) != (kind, shape):
        raise ValueError(f"its {name} must be {kind} {shape}, found {dataset.kind} {dataset.shape}")


def _provenance(whole: bytes, dataset: Dataset, rows: int) -> Provenance:
    if (dataset.kind, dataset.shape) != ("text", ()) or dataset.size > PROVENANCE_AT_MOST:
        raise ValueError(f"its provenance must be a text of at most {PROVENANCE_AT_MOST} bytes")
    text = whole[dataset.offset : dataset.offset + dataset.size].decode()
    provenance = Provenance.from_json(text)
    if provenance.rows != rows:
        raise ValueError(f"its provenance must be of {rows} rows, found {provenance.rows}")
    return provenance
