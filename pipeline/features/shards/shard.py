"""A shard: one immutable file of features, read a block of rows at a time and checked as it is read.

Anyone's HDF5 reader finds in it `features` (rows, F), `key` (rows, 32) the sha256 of what was encoded, the
attribute `recipe` and the dataset `provenance` (JSON both), and `crc32`, a checksum for every `BLOCK_ROWS` rows of
features. What describes the rows comes before them in the file, and is all that is known of where they lie. We
ourselves read without an HDF5 library: in damaged bytes it may loop for ever, malicious ones may lead it to other
files, and while it waits for a disk that hangs nothing else in the process can use it.
"""

from __future__ import annotations

import errno
import os
import stat
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.features.shards.header import (
    BLOCK_ROWS,
    DamagedShardError,
    Header,
    length_and_checksum,
    read_header,
)
from pipeline.features.shards.keys import Keys
from pipeline.features.shards.provenance import Positions, Provenance
from pipeline.features.shards.rows import Matrix, Rows
from pipeline.recipe import Recipe

FIRST_READ = 256 * 1024
"""Bytes that hold what describes the rows of all but the oddest shards."""

Stamp = tuple[int, int, int]
"""A file's inode, size and time of change in nanoseconds: another file under the same name has another."""

NOT_THE_FILES_FAULT = {
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    errno.ESTALE,
    errno.ENOTCONN,
    errno.ETIMEDOUT,
    errno.EHOSTDOWN,
    errno.EHOSTUNREACH,
}
"""Of this process, or of the whole folder: no other file could be read either."""


class UnreadableShardError(RuntimeError):
    """A file that the system does not let be read, or that is no file."""


class ChangedShardError(RuntimeError):
    """A shard that was replaced by another since it was looked at."""


UNREADABLE = (DamagedShardError, UnreadableShardError, ChangedShardError, FileNotFoundError)
"""What reading a shard raises where another has removed or replaced it, where it is damaged or cannot be read."""


@dataclass(frozen=True)
class Shard:
    """What a shard says of its rows, and its file."""

    path: Path
    stamp: Stamp
    links: bool
    """Whether its name may be a link to the file."""
    header: Header = field(repr=False)
    sound: npt.NDArray[np.bool_] = field(repr=False)
    """For each block, whether it was checked: once a process, as long as the file stays the same."""

    def __len__(self) -> int:
        return len(self.header.keys)

    @property
    def recipe(self) -> Recipe:
        """How its features were computed."""
        return self.header.recipe

    @property
    def keys(self) -> Keys:
        """(N,)"""
        return self.header.keys

    @property
    def provenance(self) -> Provenance:
        """Where its rows come from."""
        return self.header.provenance

    @property
    def size(self) -> int:
        """Of the file, in bytes."""
        return self.stamp[1]

    def read_into(self, target: Matrix, positions: Positions, rows: Positions) -> None:
        """Read rows, in ascending order, each to its position in `target` (N, F); only what is needed is read.

        Raises DamagedShardError where a checksum is wrong or a row is not finite, and the others of `UNREADABLE`.
        """
        dtype = np.dtype(self.recipe.stored_dtype)
        direct = target.dtype == dtype
        with self._opened() as descriptor:
            if len(rows) and direct and self.sound.all() and _together(positions, rows):
                first = int(positions[0])
                self._read(descriptor, int(rows[0]), target[first : first + len(rows)])
                return
            scratch = np.empty((min(BLOCK_ROWS, len(self)), self.recipe.feature_size), dtype)
            for block in np.unique(rows // BLOCK_ROWS).tolist():
                start, count = self._rows_of(block)
                low, high = np.searchsorted(rows, [start, start + count])
                to, of = positions[low:high], rows[low:high]
                if direct and len(of) == count and _together(to, of):
                    self._read_block(descriptor, block, target[to[0] : to[0] + count])
                else:
                    self._read_block(descriptor, block, scratch[:count])
                    target[to] = scratch[of - start]

    def rows(self, rows: Positions) -> Rows:
        """Some of its rows, in ascending order. Raises as `read_into` does."""
        features = np.empty((len(rows), self.recipe.feature_size), np.dtype(self.recipe.stored_dtype))
        self.read_into(features, np.arange(len(rows)), rows)
        return Rows(self.keys[rows], features, self.provenance.of(rows))

    def check(self) -> None:
        """Read all of it and check every block, again if need be. Raises as `read_into` does."""
        for _ in self.pieces():
            pass

    def pieces(self) -> Iterator[bytes | memoryview]:
        """The whole file, each block of rows as it was read and checked; a piece holds until the next is asked.

        Raises as `read_into` does.
        """
        with self._opened() as descriptor:
            yield self.header.whole
            dtype = np.dtype(self.recipe.stored_dtype)
            scratch = np.empty((min(BLOCK_ROWS, len(self)), self.recipe.feature_size), dtype)
            self.sound[:] = False
            for block in range(len(self.sound)):
                part = scratch[: self._rows_of(block)[1]]
                self._read_block(descriptor, block, part)
                yield _bytes(part)

    @contextmanager
    def _opened(self) -> Iterator[int]:
        with _reading(self.path, self.links) as (descriptor, status):
            if stamp_of(status) != self.stamp:
                raise ChangedShardError(f"{self.path} was replaced by another")
            yield descriptor

    def _rows_of(self, block: int) -> tuple[int, int]:
        """A block's first row and how many it has."""
        start = block * BLOCK_ROWS
        return start, min(BLOCK_ROWS, len(self) - start)

    def _read_block(self, descriptor: int, block: int, into: Matrix) -> None:
        first, count = self._rows_of(block)
        self._read(descriptor, first, into)
        if self.sound[block]:
            return
        rows = f"rows {first} to {first + count - 1}"
        if zlib.crc32(_bytes(into)) != self.header.checksums[block]:
            raise DamagedShardError(f"fails its checksum in {rows}")
        if not _finite(into):
            raise DamagedShardError(f"has what is not finite in {rows}")
        self.sound[block] = True

    def _read(self, descriptor: int, first: int, into: Matrix) -> None:
        """Read rows that lie together, from `first` on."""
        start = len(self.header.whole) + first * self.recipe.feature_size * into.itemsize
        unread = _bytes(into)
        while len(unread):
            count = os.preadv(descriptor, [unread], start)
            if count == 0:
                raise DamagedShardError("ends before its rows do")
            unread, start = unread[count:], start + count


def read_shard(path: Path, *, links: bool = True) -> Shard:
    """Read what a shard says of its rows; the rows themselves are read, and checked, when they are asked for.

    `links` is whether `path` may be a link. Raises DamagedShardError where it is no whole shard, LaterFormatError,
    and the others of `UNREADABLE`.
    """
    with _reading(path, links) as (descriptor, status):
        whole = _beginning(descriptor, FIRST_READ)
        length, checksum = length_and_checksum(whole)
        if length > len(whole):
            whole = _beginning(descriptor, length)
    header = read_header(whole[:length], length, checksum, status.st_size)
    return Shard(path, stamp_of(status), links, header, np.zeros(len(header.checksums), np.bool_))


@contextmanager
def _reading(path: Path, links: bool) -> Iterator[tuple[int, os.stat_result]]:
    """A file's descriptor, and what the system says of it.

    Raises UnreadableShardError where the file is at fault, also later, and OSError where it is not.
    """
    try:
        # Without waiting for somebody to write, where it is no file but a pipe.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | (0 if links else os.O_NOFOLLOW))
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise UnreadableShardError("cannot be read: it is no regular file")
            yield descriptor, status
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno in NOT_THE_FILES_FAULT:
            raise
        raise UnreadableShardError(f"cannot be read: {error.strerror}") from error


def _together(positions: Positions, rows: Positions) -> bool:
    """Whether rows lie as close together in the file as where they go to."""
    return bool((np.diff(positions) == 1).all() and (np.diff(rows) == 1).all())


def _finite(rows: Matrix) -> bool:
    """Whether all numbers are finite; by their bits, as numpy takes twenty times as long for float16."""
    width = rows.itemsize
    infinity = int.from_bytes(np.array(np.inf, rows.dtype.newbyteorder("<")).tobytes(), "little")
    highest, lowest = rows.view(f"i{width}").max(), rows.view(f"u{width}").max()
    return bool(highest < infinity and lowest < infinity + (1 << 8 * width - 1))


def _bytes(array: npt.NDArray[Any]) -> memoryview:
    return array.data.cast("B")


def _beginning(descriptor: int, size: int) -> bytes:
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
