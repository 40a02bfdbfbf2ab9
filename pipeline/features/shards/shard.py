"""A shard: one immutable HDF5 file of features, the only place where HDF5 is read or written.

Anyone's HDF5 reader finds in it `features` (rows, F), `key` (rows, 32) the sha256 of what was encoded, the
attribute `recipe` and the dataset `provenance` (JSON both), and `crc32`, a checksum for every `BLOCK_ROWS` rows of
features. What describes the rows comes before them in the file. The first line, in what HDF5 calls the user block
and skips, says how long that is, with a checksum; it is written last, so that a file which has it is complete.

HDF5 is given only what passes that checksum, and only from memory: in damaged bytes it may loop for ever, and
while it waits for a disk that hangs nothing else in the process can use it. The rows are then read past HDF5, from
where it says that they lie.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from pipeline.features.shards.keys import KEY_BYTES, Keys
from pipeline.features.shards.provenance import Positions, Provenance
from pipeline.features.shards.rows import Matrix, Rows
from pipeline.recipe import Recipe
from pipeline.support import replacing, sync_folder

BLOCK_ROWS = 256
"""Rows that share a checksum, and that are read at once: a megabyte at F = 1024."""

FORMAT = 2
USER_BLOCK = 512
FIRST_LINE = "emotionrankclap shard, format {}, header {} bytes, crc32 {:08x}\n"
FIRST_LINE_READ = re.compile(
    rb"emotionrankclap shard, format (\d+), header (\d+) bytes, crc32 ([0-9a-f]{8})\n\0*"
)

FIRST_READ = 256 * 1024
"""Bytes that hold what describes the rows of all but the oddest shards."""

Stamp = tuple[int, int, int]
"""A file's inode, size and time of change in nanoseconds: another file under the same name has another."""


class DamagedShardError(RuntimeError):
    """A file that is called a shard and is no whole one."""


class LaterFormatError(RuntimeError):
    """A shard that a later version of this package wrote."""


class ChangedShardError(RuntimeError):
    """A shard that was replaced by another since it was looked at."""


UNREADABLE = (DamagedShardError, ChangedShardError, FileNotFoundError)
"""What reading a shard raises where another has removed or replaced it, or where it is damaged."""


@dataclass(frozen=True)
class Shard:
    """What a shard says of its rows, and where they lie in its file."""

    path: Path
    stamp: Stamp
    recipe: Recipe
    keys: Keys = field(repr=False)
    provenance: Provenance = field(repr=False)
    checksums: npt.NDArray[np.uint32] = field(repr=False)
    offset: int
    """Of the first row's bytes in the file."""
    sound: npt.NDArray[np.bool_] = field(repr=False)
    """For each block, whether its checksum was compared: once a process, as long as the file stays the same."""

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def size(self) -> int:
        """Of the file, in bytes."""
        return self.stamp[1]

    def read_into(self, target: Matrix, positions: Positions, rows: Positions) -> None:
        """Read rows, in ascending order, each to its position in `target` (N, F); only what is needed is read.

        Raises DamagedShardError where a checksum is wrong, ChangedShardError, and OSError.
        """
        dtype = np.dtype(self.recipe.stored_dtype)
        direct = target.dtype == dtype
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            if stamp_of(os.fstat(descriptor)) != self.stamp:
                raise ChangedShardError(f"{self.path} was replaced by another")
            if len(rows) and direct and self.sound.all() and _together(positions, rows):
                first = int(positions[0])
                self._read(descriptor, int(rows[0]), target[first : first + len(rows)])
                return
            scratch = np.empty((min(BLOCK_ROWS, len(self)), self.recipe.feature_size), dtype)
            for block in np.unique(rows // BLOCK_ROWS).tolist():
                start, count = block * BLOCK_ROWS, min(BLOCK_ROWS, len(self) - block * BLOCK_ROWS)
                low, high = np.searchsorted(rows, [start, start + count])
                to, of = positions[low:high], rows[low:high]
                if direct and len(of) == count and _together(to, of):
                    self._read_block(descriptor, block, target[to[0] : to[0] + count])
                else:
                    self._read_block(descriptor, block, scratch[:count])
                    target[to] = scratch[of - start]
        finally:
            os.close(descriptor)

    def rows(self, rows: Positions) -> Rows:
        """Some of its rows, in ascending order. Raises as `read_into` does."""
        features = np.empty((len(rows), self.recipe.feature_size), np.dtype(self.recipe.stored_dtype))
        self.read_into(features, np.arange(len(rows)), rows)
        return Rows(self.keys[rows], features, self.provenance.of(rows))

    def check(self) -> None:
        """Read all of it and compare every checksum, again if need be. Raises as `read_into` does."""
        self.sound[:] = False
        self.rows(np.arange(len(self)))

    def _read_block(self, descriptor: int, block: int, into: Matrix) -> None:
        first = block * BLOCK_ROWS
        self._read(descriptor, first, into)
        if not self.sound[block] and zlib.crc32(_bytes(into)) != self.checksums[block]:
            raise DamagedShardError(f"fails its checksum in rows {first} to {first + len(into) - 1}")
        self.sound[block] = True

    def _read(self, descriptor: int, first: int, into: Matrix) -> None:
        """Read rows that lie together, from `first` on."""
        start = self.offset + first * self.recipe.feature_size * into.itemsize
        unread = _bytes(into)
        while len(unread):
            count = os.preadv(descriptor, [unread], start)
            if count == 0:
                raise DamagedShardError("ends before its rows do")
            unread, start = unread[count:], start + count


def read_shard(path: Path) -> Shard:
    """Read what a shard says of its rows; the rows themselves are read, and checked, when they are asked for.

    Raises DamagedShardError where it is no whole shard, LaterFormatError, and OSError where it cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        status = os.fstat(descriptor)
        header = _read(descriptor, FIRST_READ)
        length, checksum = _first_line(header)
        if length > len(header):
            header = _read(descriptor, min(length, status.st_size))  # in a damaged line it may say anything
    finally:
        os.close(descriptor)
    header = header[:length]
    if len(header) < length or zlib.crc32(header[USER_BLOCK:]) != checksum:
        raise DamagedShardError("fails the checksum of its header")
    return _parse(path, stamp_of(status), header)


def name_of(keys: Keys, recipe: Recipe) -> str:
    """What a shard of these rows is called: other rows, another name."""
    digest = hashlib.sha256(np.ascontiguousarray(keys).tobytes()).hexdigest()[:16]
    return f"{recipe.digest}-{digest}.h5"


def write_shard(folder: Path, rows: Rows, recipe: Recipe, mode: int | None = None) -> Shard:
    """Write rows as a new shard, as `install` does."""
    return install(_image(rows, recipe), folder / name_of(rows.keys, recipe), mode)


def install(image: bytes | memoryview, path: Path, mode: int | None = None) -> Shard:
    """Give a shard's bytes the name `path`, after they were read back and checked.

    `mode` are the file's permissions; without it the umask decides. Raises DamagedShardError and OSError; then
    nothing has changed under the name.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(image)
        if mode is not None:
            temporary.chmod(mode)
        shard = read_shard(temporary)
        shard.check()
    sync_folder(path.parent)
    return replace(shard, path=path)


def _image(rows: Rows, recipe: Recipe) -> memoryview:
    """A shard's bytes. Made in memory, as HDF5 itself may crash where the disk is full."""
    features = np.ascontiguousarray(rows.features, np.dtype(recipe.stored_dtype))
    blocks = (features[start : start + BLOCK_ROWS] for start in range(0, len(features), BLOCK_ROWS))
    keys = np.ascontiguousarray(rows.keys)
    image = io.BytesIO()
    with h5py.File(image, "w", userblock_size=USER_BLOCK) as file:
        file.attrs["recipe"] = recipe.to_json()
        # No attribute, of which HDF5 takes 64 kB and no more.
        file["provenance"] = np.bytes_(rows.provenance.to_json().encode())
        file["key"] = keys.view(np.uint8).reshape(-1, KEY_BYTES)
        file["crc32"] = np.array([zlib.crc32(_bytes(block)) for block in blocks], np.uint32)
        length: int = file.create_dataset("features", data=features).id.get_offset()
    whole = image.getbuffer()
    line = FIRST_LINE.format(FORMAT, length, zlib.crc32(whole[USER_BLOCK:length])).encode()
    whole[: len(line)] = line
    return whole


def _first_line(header: bytes) -> tuple[int, int]:
    """The header's length and checksum."""
    if header.startswith(b"\x89HDF"):
        raise DamagedShardError("is HDF5, and no shard of a format that is read")
    found = FIRST_LINE_READ.fullmatch(header[:USER_BLOCK])
    if not found:
        raise DamagedShardError("is not a shard, or was cut off or damaged in its first line")
    if int(found[1]) > FORMAT:
        raise LaterFormatError(f"has format {int(found[1])}, this version reads {FORMAT}")
    return int(found[2]), int(found[3], 16)


def _parse(path: Path, stamp: Stamp, header: bytes) -> Shard:
    """What a header says, which has passed its checksum."""
    try:
        with h5py.File(_Beginning(header, stamp[1]), "r") as file:
            recipe = Recipe.from_json(str(file.attrs["recipe"]))
            provenance = Provenance.from_json(bytes(file["provenance"][()]).decode())
            features = file["features"]
            keys = np.ascontiguousarray(file["key"][:]).view(f"S{KEY_BYTES}").reshape(-1)
            checksums = file["crc32"][:]
            offset = features.id.get_offset()
            dtype = np.dtype(recipe.stored_dtype).newbyteorder("<")
            if features.shape != (len(keys), recipe.feature_size) or features.dtype != dtype:
                raise DamagedShardError(
                    f"has {len(keys)} keys and features of shape {features.shape}, {features.dtype}"
                )
            size = features.size * dtype.itemsize
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise DamagedShardError(f"is not a whole shard ({error})") from error
    if offset != len(header) or offset + size != stamp[1]:
        raise DamagedShardError(f"must have {len(header) + size} bytes, found {stamp[1]}")
    sound = np.zeros(len(checksums), np.bool_)
    return Shard(path, stamp, recipe, keys, provenance, checksums, offset, sound)


class _Beginning(io.RawIOBase):
    """A file of which only the beginning is there, and the rest zeros."""

    def __init__(self, beginning: bytes, size: int) -> None:
        self._beginning, self._size, self._at = beginning, size, 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        part = self._beginning[self._at : self._at + len(view)]
        view[: len(part)] = part
        view[len(part) :] = bytes(len(view) - len(part))
        self._at += len(view)
        return len(view)


def _together(positions: Positions, rows: Positions) -> bool:
    """Whether rows lie as close together in the file as where they go to."""
    return bool((np.diff(positions) == 1).all() and (np.diff(rows) == 1).all())


def _bytes(array: npt.NDArray[Any]) -> memoryview:
    return array.data.cast("B")


def _read(descriptor: int, size: int) -> bytes:
    """The first bytes of a file, fewer where it has no more."""
    whole = b""
    while len(whole) < size and (part := os.pread(descriptor, size - len(whole), len(whole))):
        whole += part
    return whole


def of_recipe(shards: Iterable[Shard], recipe: Recipe) -> list[Shard]:
    """Those whose features were computed by that recipe, in their order."""
    return [shard for shard in shards if shard.recipe.digest == recipe.digest]


def stamp_of(status: os.stat_result) -> Stamp:
    """What tells a file from another under the same name."""
    return status.st_ino, status.st_size, status.st_mtime_ns
