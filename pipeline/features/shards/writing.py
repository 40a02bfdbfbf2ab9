"""A shard's bytes, made of rows by HDF5, and put in their place whole or not at all."""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np

from pipeline.features.shards.hdf5 import USER_BLOCK
from pipeline.features.shards.header import BLOCK_ROWS, FIRST_LINE, FORMAT
from pipeline.features.shards.keys import KEY_BYTES, Keys
from pipeline.features.shards.rows import Rows
from pipeline.features.shards.shard import Shard, read_shard
from pipeline.recipe import Recipe
from pipeline.support import replacing, sync_folder

OLDEST = ("earliest", "v108")
"""The structures of HDF5 that are written, whatever later ones the library has: those that are read."""


def name_of(keys: Keys, recipe: Recipe) -> str:
    """What a shard of these rows is called: other rows, another name."""
    digest = hashlib.sha256(np.ascontiguousarray(keys).tobytes()).hexdigest()[:16]
    return f"{recipe.digest}-{digest}.h5"


def write_shard(folder: Path, rows: Rows, recipe: Recipe, mode: int | None = None) -> Shard:
    """Write rows as a new shard, as `install` does."""
    return install([_image(rows, recipe)], folder / name_of(rows.keys, recipe), mode)


def install(image: Iterable[bytes | memoryview], path: Path, mode: int | None = None) -> Shard:
    """Give a shard's bytes, which come in pieces, the name `path`, after they were read back and checked.

    `mode` are the file's permissions; without it the umask decides. Raises DamagedShardError and OSError; then
    nothing has changed under the name.
    """
    with replacing(path) as temporary:
        with temporary.open("wb", buffering=0) as file:
            for piece in image:
                _write(file, piece)
        if mode is not None:
            temporary.chmod(mode)
        shard = read_shard(temporary)
        shard.check()
    sync_folder(path.parent)
    return replace(shard, path=path)


def _write(file: io.FileIO, piece: bytes | memoryview) -> None:
    unwritten = memoryview(piece)
    while len(unwritten):
        unwritten = unwritten[file.write(unwritten) :]


def _image(rows: Rows, recipe: Recipe) -> memoryview:
    """A shard's bytes. Made in memory, as HDF5 itself may crash where the disk is full."""
    features = np.ascontiguousarray(rows.features, np.dtype(recipe.stored_dtype))
    blocks = (features[start : start + BLOCK_ROWS] for start in range(0, len(features), BLOCK_ROWS))
    keys = np.ascontiguousarray(rows.keys)
    image = io.BytesIO()
    with h5py.File(image, "w", libver=OLDEST, userblock_size=USER_BLOCK) as file:
        file.attrs["recipe"] = recipe.to_json()
        # No attribute, of which HDF5 takes 64 kB and no more.
        file["provenance"] = np.bytes_(rows.provenance.to_json().encode())
        file["key"] = keys.view(np.uint8).reshape(-1, KEY_BYTES)
        file["crc32"] = np.array([zlib.crc32(block.data.cast("B")) for block in blocks], np.uint32)
        length: int = file.create_dataset("features", data=features).id.get_offset()
    whole = image.getbuffer()
    line = FIRST_LINE.format(FORMAT, length, zlib.crc32(whole[USER_BLOCK:length])).encode()
    whole[: len(line)] = line
    return whole
