"""What parts of an inspection found of files, a parquet file a part: many jobs can share no database.

A part writes its own file alone, whole each time; the inspection that follows takes all of them in.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa

from pipeline.corpora.inspected import CHECKS, Known, Outcome, Stamp, columns_of, outcome_of
from pipeline.support import Part, read_parquet, write_parquet

SECONDS_BETWEEN_WRITES = 60.0
"""At most so much work is lost when a part is killed."""

SUFFIX = ".parquet"

SCHEMA = pa.schema(
    [
        pa.field("file", pa.string(), nullable=False),  # relative to the corpus's root
        pa.field("size", pa.int64(), nullable=False),
        pa.field("mtime_ns", pa.int64(), nullable=False),
        pa.field("ctime_ns", pa.int64(), nullable=False),
        pa.field("heard_seconds", pa.float64(), nullable=False),
        pa.field("checks", pa.string(), nullable=False),
        pa.field("reason", pa.string()),
        pa.field("sha256", pa.string()),
        pa.field("sampling_rate", pa.int64()),
        pa.field("channels", pa.int64()),
        pa.field("duration", pa.float64()),
        pa.field("cancels", pa.int64()),
    ]
)

ROWS_AT_ONCE = 4096


class FoundByPart:
    """What one part has found, in an earlier run that was killed or in this one.

    Unlike the memory of a whole inspection it is where the work goes: OSError where it cannot be written.
    """

    def __init__(self, folder: Path, part: Part, root: str, heard_seconds: float) -> None:
        """`root` is the corpus's real path."""
        self.path = folder / f"{part.name}{SUFFIX}"
        self._root, self._heard_seconds = root, heard_seconds
        self._found = (self.path.exists() and _read(self.path, root, heard_seconds)) or {}
        self._unwritten, self._last_write = False, time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._write()

    def recall(self, files: Sequence[str]) -> dict[str, Known]:
        """What is known of these files."""
        return {file: self._found[file] for file in files if file in self._found}

    def remember(self, file: str, stamp: Stamp, outcome: Outcome) -> None:
        """Keep what was found; it is written within a minute or so, or at the end."""
        self._found[file] = stamp, outcome
        self._unwritten = True
        if time.monotonic() - self._last_write >= SECONDS_BETWEEN_WRITES:
            self._write()

    def _write(self) -> None:
        if self._unwritten:
            cut = len(self._root) + 1
            rows = [
                (file[cut:], *stamp, self._heard_seconds, CHECKS, *columns_of(outcome))
                for file, (stamp, outcome) in self._found.items()
            ]
            columns = zip(*rows, strict=True)
            arrays = [pa.array(values, field.type) for values, field in zip(columns, SCHEMA, strict=True)]
            write_parquet(pa.Table.from_arrays(arrays, schema=SCHEMA), self.path)
        self._unwritten, self._last_write = False, time.monotonic()


def left_by_parts(folder: Path, root: str, heard_seconds: float) -> Iterator[tuple[Path, dict[str, Known]]]:
    """The file of each part that can be read, and what it found of files, by their path under `root`."""
    for path in sorted(folder.glob(f"[!.]*{SUFFIX}")):
        if (found := _read(path, root, heard_seconds)) is not None:
            yield path, found


def _read(path: Path, root: str, heard_seconds: float) -> dict[str, Known] | None:
    """What a part's file says and is worth knowing today; None, and a warning, where it cannot be read."""
    try:
        table = read_parquet(path, SCHEMA, made_by="erclap prepare --part")
    except RuntimeError as error:
        print(f"warning: {error}, or remove it; its clips are looked at anew", file=sys.stderr, flush=True)
        return None
    known: dict[str, Known] = {}
    for start in range(0, len(table), ROWS_AT_ONCE):
        columns = [column.to_pylist() for column in table.slice(start, ROWS_AT_ONCE).columns]
        for file, size, mtime_ns, ctime_ns, heard, checks, *found in zip(*columns, strict=True):
            outcome = outcome_of(*found)
            if (heard, checks) == (heard_seconds, CHECKS) and outcome is not None:
                known[f"{root}/{file}"] = Stamp(size, mtime_ns, ctime_ns), outcome
    return known
