"""What each file of a folder holds: told by an earlier index where it knows, otherwise by decoding it once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.audio import SAMPLING_RATE, AudioError, PassingAudioError, hash_file, inspect_windows
from pipeline.support import Progress, in_order
from pipeline.use.index.index import Index
from pipeline.use.index.scanning import Found, Unreadable

Spans = npt.NDArray[np.float64]
"""(W, 2) the start and end of windows, in seconds."""


@dataclass(frozen=True, slots=True)
class Looked:
    """A recording and its windows."""

    found: Found
    sha256: str
    duration: float
    sampling_rate: int
    spans: Spans
    known: range | None
    """The rows of its windows in the earlier index, where that has them."""
    is_as_before: bool
    """Whether the earlier index has this very file."""

    @property
    def keys(self) -> list[str]:
        """By what each window's features are kept."""
        return [window_key(self.sha256, start, end) for start, end in self.spans.tolist()]


def window_key(sha256: str, start: float, end: float) -> str:
    """The key of a part of the file with that hash.

    Of the first window it is the file's own, which `erclap extract` gives the same features.
    """
    first, behind = round(start * SAMPLING_RATE), round(end * SAMPLING_RATE)
    return sha256 if not first else hashlib.sha256(f"{sha256} {first} {behind}".encode()).hexdigest()


class Earlier:
    """What an earlier index knows of files, where its windows are as long and as far apart."""

    def __init__(self, index: Index | None, *, trusts_stamps: bool) -> None:
        """`trusts_stamps` where it is of the same folder: elsewhere a file may share path, size and time."""
        self._index = index
        told = index.files.to_pydict() if index else {"path": [], "size": [], "mtime_ns": [], "sha256": []}
        stamps = map(Found, told["path"], told["size"], told["mtime_ns"])
        self._stamped = {found: row for row, found in enumerate(stamps)} if trusts_stamps else {}
        self._hashed = {sha256: row for row, sha256 in enumerate(told["sha256"])}
        self.paths = set(told["path"])

    def same_file(self, found: Found) -> Looked | None:
        """What it knows of the file of this path, size and time."""
        return self._looked(found, self._stamped.get(found), is_as_before=True)

    def same_content(self, found: Found, sha256: str) -> Looked | None:
        """What it knows of any file with this hash."""
        return self._looked(found, self._hashed.get(sha256), is_as_before=False)

    def _looked(self, found: Found, row: int | None, *, is_as_before: bool) -> Looked | None:
        if row is None or self._index is None:
            return None
        rows = self._index.rows_of(row)
        part = self._index.windows.slice(rows.start, len(rows))
        spans = np.column_stack([part.column("start").to_numpy(), part.column("end").to_numpy()])
        file = self._index.files.slice(row, 1).to_pylist()[0]
        return Looked(
            found, file["sha256"], file["duration"], file["sampling_rate"], spans, rows, is_as_before
        )


def look(
    root: Path, found: Sequence[Found], earlier: Earlier, seconds: float, hop: float, workers: int
) -> tuple[list[Looked], list[Unreadable]]:
    """Every recording in order, and those that cannot be read. `workers` threads read, each a file at a time."""
    looked = {one.path: known for one in found if (known := earlier.same_file(one))}
    to_read = [one for one in found if one.path not in looked]
    unreadable = []
    read = partial(_read, root, earlier, seconds, hop)
    with (
        ThreadPoolExecutor(workers, "look") as pool,
        Progress(
            "recordings", len(to_read), "files", work=float(sum(one.size for one in to_read))
        ) as progress,
        closing(in_order(pool, read, to_read, 4 * workers)) as results,
    ):
        for one, result in zip(to_read, results, strict=True):
            if isinstance(result, Looked):
                looked[one.path] = result
            else:
                unreadable.append(Unreadable.of(one.path, result))
            progress.advance(work=float(one.size))
    return [looked[one.path] for one in found if one.path in looked], unreadable


def _read(root: Path, earlier: Earlier, seconds: float, hop: float, found: Found) -> Looked | str:
    file = root / found.path
    try:
        if known := earlier.same_content(found, hash_file(file)):
            return known
        clip, spans = inspect_windows(file, seconds, hop)
        status = file.stat()
        if (status.st_size, status.st_mtime_ns) != (found.size, found.mtime_ns):
            raise PassingAudioError("changed while it was read")
    except (AudioError, OSError) as error:
        return str(error)
    return Looked(found, clip.sha256, clip.duration, clip.sampling_rate, np.array(spans), None, False)
