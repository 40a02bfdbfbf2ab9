"""What earlier inspections found of each file, in a small SQLite file: an unchanged file is not read again."""

from __future__ import annotations

import math
import os
import re
import sqlite3
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import soundfile

from pipeline.audio import MAX_RATE, MIN_RATE, Clip

CHECKS = f"4, libsndfile {soundfile.__libsndfile_version__}"
"""What a finding depends on beside the file; the number goes up when `pipeline.audio.reading` judges otherwise."""

MAX_CHANNELS = 1024
"""libsndfile's bound."""

SECONDS_BETWEEN_WRITES = 1.0
"""At most so much work is lost when a run is killed."""

SECONDS_TO_WAIT = 2.0
"""For another process to be done writing."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS clips (
    file TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, ctime_ns INTEGER, heard_seconds REAL, checks TEXT,
    reason TEXT, sha256 TEXT, sampling_rate INTEGER, channels INTEGER, duration REAL, cancels INTEGER
)
"""


class Stamp(NamedTuple):
    """What tells a file from an earlier one of its name.

    ctime is what `cp -p` and `rsync -t` cannot set. The inode's number is left out: sshfs and other mounts make
    up new ones each time, and nothing would ever be recalled.
    """

    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, file: str) -> Stamp | None:
        """A file's stamp now; None where it has none."""
        try:
            found = os.stat(file)  # noqa: PTH116 (a Path for each of 200,000 files takes longer than this)
        except OSError:
            return None
        return cls(found.st_size, found.st_mtime_ns, found.st_ctime_ns)


class Unreachable(str):
    """Why a file cannot be used now; it may be later, unchanged, as when a mount was late."""


Outcome = Clip | str
"""What a clip is, or why it cannot be used."""

Known = tuple[Stamp, Outcome]
"""What was found, and the stamp that the file must still have."""


class Inspected:
    """What is remembered of files, by their absolute path, stamp, heard seconds and the version of the checks.

    Any number of processes may use one file at once. It is a memory and nothing else: where it cannot be read
    or written, a line on stderr says so, and nothing is recalled or kept from there on. `path` None remembers
    nothing at all.
    """

    def __init__(self, path: Path | None, heard_seconds: float) -> None:
        self._path, self._heard_seconds = path, heard_seconds
        self._database: sqlite3.Connection | None = None
        self._keeps = True
        self._taken: dict[str, Known] = {}
        self._unwritten: dict[str, Known] = {}
        self._last_write = time.monotonic()
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, timeout=SECONDS_TO_WAIT)
            self._database.execute(SCHEMA)
        except (sqlite3.Error, OSError) as error:
            self._give_up(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._write()
        if self._database is not None:
            self._database.close()

    def recall(self, files: Sequence[str]) -> dict[str, Known]:
        """What is remembered of these files."""
        taken = {file: self._taken[file] for file in files if file in self._taken}
        if self._database is None:
            return taken
        query = (
            "SELECT file, size, mtime_ns, ctime_ns, reason, sha256, sampling_rate, channels, duration, cancels "
            f"FROM clips WHERE heard_seconds = ? AND checks = ? AND file IN ({', '.join('?' * len(files))})"
        )
        try:
            rows = self._database.execute(query, (self._heard_seconds, CHECKS, *files)).fetchall()
        except sqlite3.Error as error:
            self._give_up(error)
            return taken
        return {
            file: (Stamp(size, mtime_ns, ctime_ns), outcome)
            for file, size, mtime_ns, ctime_ns, *found in rows
            if (outcome := outcome_of(*found)) is not None
        } | taken

    def take(self, found: Mapping[str, Known]) -> bool:
        """Take in what others found. Returns whether it is written, and not only known for this run."""
        self._taken |= found
        self._unwritten |= found
        self._write()
        return self._database is not None and self._keeps

    def remember(self, file: str, stamp: Stamp, outcome: Outcome) -> None:
        """Remember what was found; it is written within a second or so, or at the end."""
        self._unwritten[file] = stamp, outcome
        if time.monotonic() - self._last_write >= SECONDS_BETWEEN_WRITES:
            self._write()

    def _write(self) -> None:
        rows = [
            (file, *stamp, self._heard_seconds, CHECKS, *columns_of(outcome))
            for file, (stamp, outcome) in self._unwritten.items()
        ]
        self._unwritten.clear()
        self._last_write = time.monotonic()
        if self._database is None or not self._keeps or not rows:
            return
        try:
            with self._database:
                self._database.executemany(
                    "INSERT OR REPLACE INTO clips VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows
                )
        except sqlite3.Error as error:
            self._keeps = False
            self._warn(
                f"cannot be written ({error}), so what is found from here on is not kept for a later run"
            )

    def _give_up(self, error: Exception) -> None:
        if self._database is not None:
            self._database.close()
        self._database = None
        self._warn(f"cannot be used ({error}), so clips are looked at anew: remove it if this comes again")

    def _warn(self, what: str) -> None:
        print(f"warning: {self._path} {what}", file=sys.stderr, flush=True)


def columns_of(outcome: Outcome) -> tuple[object, ...]:
    """What was found as a row: reason, sha256, sampling rate, channels, duration, whether channels cancel."""
    if isinstance(outcome, str):
        return outcome, None, None, None, None, None
    return (
        None,
        outcome.sha256,
        outcome.sampling_rate,
        outcome.channels,
        outcome.duration,
        int(outcome.cancels),
    )


def outcome_of(
    reason: object,
    sha256: object,
    sampling_rate: object,
    channels: object,
    duration: object,
    cancels: object,
) -> Outcome | None:
    """A row as what was found; None where it makes no sense."""
    if isinstance(reason, str):
        return reason
    if (
        isinstance(sha256, str)
        and re.fullmatch("[0-9a-f]{64}", sha256)
        and isinstance(sampling_rate, int)
        and MIN_RATE <= sampling_rate <= MAX_RATE
        and isinstance(channels, int)
        and 1 <= channels <= MAX_CHANNELS
        and isinstance(duration, float)
        and 0 < duration < math.inf
        and cancels in (0, 1)
    ):
        return Clip(sha256, sampling_rate, channels, duration, bool(cancels))
    return None
