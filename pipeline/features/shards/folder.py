"""A folder of shards, of whatever recipes: what is in it, what is damaged, what does not belong there."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.features.shards.header import DamagedShardError, LaterFormatError
from pipeline.features.shards.rows import Rows
from pipeline.features.shards.shard import (
    NOT_THE_FILES_FAULT,
    UNREADABLE,
    Shard,
    Stamp,
    UnreadableShardError,
    read_shard,
    stamp_of,
)
from pipeline.features.shards.writing import install, name_of, write_shard
from pipeline.recipe import Recipe
from pipeline.support import shown

SUFFIX, SET_ASIDE = ".h5", ".damaged"
RECIPE_FILE = "recipe.json"

LINK = "is a link, and links in a folder of others are not followed"

REASON_AT_MOST = 400
"""Characters of why a file is not served."""

THREADS = min(4, os.cpu_count() or 1)
"""That read shards at once: reading and checksums let go of the interpreter."""


@dataclass(frozen=True)
class Finding:
    """A file that is served nothing of, and why."""

    name: str
    reason: str
    set_aside: bool

    def __str__(self) -> str:
        name = shown(self.name)
        aside = f", set aside as {name}{SET_ASIDE}" if self.set_aside else ""
        return f"{name} {shown(self.reason, REASON_AT_MOST)}{aside}"


class ShardFolder:
    """The shards of a folder; what is damaged is set aside, what cannot be read is left, the rest is served.

    Every look at the folder takes in what others did to it since.
    """

    def __init__(self, root: Path, *, shared: bool = False) -> None:
        """`shared` is a folder of the team's: anybody may have put anything there, and no link is followed."""
        self.root, self.shared = root, shared
        self.findings: list[Finding] = []
        """What was found that is not served, since this was opened."""
        self._closed = False
        self._shards: dict[str, Shard] = {}
        self._left: dict[str, Stamp] = {}

    def refresh(self) -> list[Shard]:
        """The whole shards that are there now, by name. Only what is new is opened.

        Raises OSError where the folder cannot be read; a folder that is not there has no shards.
        """
        there = {} if self._closed else self._listed()
        known = self._shards
        self._shards = {}
        for name in sorted(there):
            if name in known and known[name].stamp == there[name]:
                self._shards[name] = known[name]
            elif self._left.get(name) != there[name]:
                self._open(name, there[name])
        return list(self._shards.values())

    def look(self) -> None:
        """Take in what is there, as `refresh` does; one that cannot be read is a finding and has no shards."""
        try:
            self.refresh()
        except OSError as error:
            self._closed = True
            self._report(Finding(".", f"cannot be read: {error.strerror}", set_aside=False))

    def read(
        self,
        parts: Iterable[tuple[Shard, Callable[[], None]]],
        advance: Callable[[int], None] = lambda rows: None,
    ) -> list[Shard]:
        """Run what reads from shards, several at once; return the shards that were damaged or are gone.

        Damaged ones are set aside. `advance` is told the rows of each shard that was read.
        """

        def attempt(part: tuple[Shard, Callable[[], None]]) -> tuple[Shard, Exception | None]:
            try:
                part[1]()
            except UNREADABLE as error:
                return part[0], error
            return part[0], None

        failed = []
        with ThreadPoolExecutor(THREADS, "read") as pool:
            for shard, error in pool.map(attempt, parts):
                advance(len(shard))
                if error is not None:
                    failed.append(shard)
                    self.note(shard, error)
        return failed

    def verify(self, advance: Callable[[int], None] = lambda rows: None) -> list[Finding]:
        """Read every shard whole and compare its checksums. Returns what was found since this was opened."""
        self.read([(shard, shard.check) for shard in self.refresh()], advance)
        return self.findings

    def strangers(self) -> list[str]:
        """Names of what is in the folder and none of the store's: it is left alone."""
        ours = (SUFFIX, SUFFIX + SET_ASIDE, ".tmp")
        try:
            entries = [] if self._closed else list(os.scandir(self.root))
        except FileNotFoundError:
            return []
        return sorted(
            entry.name
            for entry in entries
            if entry.name != RECIPE_FILE and not (entry.name.endswith(ours) and _is_file_or_link(entry))
        )

    def damaged(self) -> list[Path]:
        """Files that were set aside, by this process or another."""
        return sorted(self.root.glob(f"*{SUFFIX}{SET_ASIDE}")) if self.root.is_dir() else []

    def set_aside(self, name: str, stamp: Stamp, reason: str) -> None:
        """Take a damaged shard out of use: renamed where the folder can be written, and left otherwise."""
        self._shards.pop(name, None)
        path = self.root / name
        try:
            if self._stamp(path) != stamp:
                return  # another writer has already put a whole one there
            path.replace(path.with_name(name + SET_ASIDE))
        except FileNotFoundError:
            return
        except OSError:
            self._leave(name, stamp, reason)
        else:
            self._report(Finding(name, reason, set_aside=True))

    def note(self, shard: Shard, error: Exception) -> None:
        """Take out of use what could not be read, where it is the shard's own fault."""
        if isinstance(error, DamagedShardError):
            self.set_aside(shard.path.name, shard.stamp, str(error))
        if isinstance(error, UnreadableShardError):
            self._leave(shard.path.name, shard.stamp, str(error))

    def write(self, rows: Rows, recipe: Recipe) -> Shard:
        """Write rows as a new shard, and know it without another look."""
        return self._know(write_shard(self.root, rows, recipe, self._mode()))

    def copy(self, shard: Shard) -> Shard:
        """Take a whole shard of another folder, byte for byte, and know it without another look.

        What is written is what was checked, and no other bytes. Raises as `Shard.read_into` does.
        """
        name = name_of(shard.keys, shard.recipe)  # whatever somebody has called it
        return self._know(install(shard.pieces(), self.root / name, self._mode()))

    def forget(self, shards: Sequence[Shard]) -> None:
        """Remove shards whose rows are not wanted, or are in others by now.

        One that another writer has put there again meanwhile stays: that writer may have removed the others.
        """
        for shard in shards:
            self._shards.pop(shard.path.name, None)
            with suppress(FileNotFoundError):
                if self._stamp(shard.path) == shard.stamp:
                    shard.path.unlink()

    def _know(self, shard: Shard) -> Shard:
        self._shards[shard.path.name] = shard
        return shard

    def _mode(self) -> int | None:
        """What a shared folder allows to whom its files allow too; elsewhere the umask decides."""
        return stat.S_IMODE(self.root.stat().st_mode) & 0o666 if self.shared else None

    def _stamp(self, path: Path) -> Stamp:
        return stamp_of(path.stat(follow_symlinks=not self.shared))

    def _listed(self) -> dict[str, Stamp]:
        if self.shared:
            refuse_link(self.root)
        try:
            entries = list(os.scandir(self.root))
        except FileNotFoundError:
            return {}
        there: dict[str, Stamp] = {}
        for entry in entries:
            if entry.name.endswith(SUFFIX):
                try:
                    status = entry.stat(follow_symlinks=not self.shared)
                except FileNotFoundError as error:
                    if entry.is_symlink():  # otherwise it has gone since the folder was listed
                        self._leave(
                            entry.name, (entry.inode(), 0, 0), f"is a link to nothing: {error.strerror}"
                        )
                except OSError as error:
                    if error.errno in NOT_THE_FILES_FAULT:
                        raise
                    self._leave(entry.name, (entry.inode(), 0, 0), f"cannot be read: {error.strerror}")
                else:
                    if stat.S_ISREG(status.st_mode):
                        there[entry.name] = stamp_of(status)
                    elif stat.S_ISLNK(status.st_mode):
                        self._leave(entry.name, stamp_of(status), LINK)
        return there

    def _open(self, name: str, stamp: Stamp) -> None:
        try:
            self._shards[name] = read_shard(self.root / name, links=not self.shared)
        except FileNotFoundError:
            pass  # gone since the folder was listed
        except DamagedShardError as error:
            self.set_aside(name, stamp, str(error))
        except (LaterFormatError, UnreadableShardError) as error:
            self._leave(name, stamp, str(error))
        except OSError:
            raise  # not this file's fault
        except Exception as error:  # ours: whatever a file makes us do wrong, the others are served
            self._leave(name, stamp, f"cannot be read: {type(error).__name__}: {error}")

    def _leave(self, name: str, stamp: Stamp, reason: str) -> None:
        """Serve nothing of a file, and leave it as it is; it is named once, as long as it stays the same."""
        self._shards.pop(name, None)
        if self._left.get(name) != stamp:
            self._left[name] = stamp
            self._report(Finding(name, reason, set_aside=False))

    def _report(self, finding: Finding) -> None:
        self.findings.append(finding)
        print(f"warning: {self.root}/{finding}", file=sys.stderr)


def refuse_link(folder: Path) -> None:
    """Raise OSError where a folder of others is a link, which may lead anywhere."""
    if folder.is_symlink():
        raise OSError(errno.ELOOP, LINK, str(folder))


def _is_file_or_link(entry: os.DirEntry[str]) -> bool:
    """Whether a file of ours may be what an entry is; a link is named where it is not followed."""
    return entry.is_symlink() or entry.is_file()
