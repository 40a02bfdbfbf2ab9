"""An index that was built: searched exactly, by an embedding, a place on the plane or one of its windows."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.audio import AudioError, inside
from pipeline.manifest import LABEL_MAX, LABEL_MIN
from pipeline.support import shown
from pipeline.use.given import unit_mean
from pipeline.use.index.best import Best, Rows, Scores
from pipeline.use.index.disk import MADE_BY, Stored, read_stored

if TYPE_CHECKING:
    from pipeline.use.embedding import Embedder

BLOCK_ROWS = 1 << 18
"""Windows that are compared at once."""

FIRST_ROWS = 1 << 12
"""Of the first block, so that of the next ones few are better than what was found."""

DIAGONAL = math.hypot(LABEL_MAX - LABEL_MIN, LABEL_MAX - LABEL_MIN)
"""The largest distance of two places on the plane."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A window that a search found."""

    rank: int
    """From 1."""
    window: int
    """Its row."""
    file: int
    """The file's row."""
    path: str
    """The file, relative to the index's root, as it is on disk: `shown` makes it fit for a terminal."""
    start: float
    """Seconds in the file."""
    end: float
    score: float
    """The cosine of a search by embedding; 1 − the distance over the plane's diagonal of one by place."""
    valence: float | None
    """The encoder's own reading, on 1..7, where it has one."""
    arousal: float | None
    dominance: float | None


class Index:
    """The windows of a folder of recordings, W of them, as one build left them; later builds do not touch it."""

    def __init__(self, stored: Stored) -> None:
        self.about = stored.about
        self.files: pa.Table = stored.files
        """path, size, mtime_ns, sha256, duration, sampling_rate; a row a file."""
        self.windows: pa.Table = stored.windows
        """file (row), start, end, valence, arousal, dominance; a row a window, by file and start."""
        self.embeddings = stored.embeddings
        """(W, E), mapped into memory."""
        self._file_of = cast(npt.NDArray[np.int32], stored.windows.column("file").to_numpy())

    @classmethod
    def open(cls, folder: Path) -> Self:
        """The index in a folder. Raises RuntimeError where there is none, or where its files disagree."""
        return cls(read_stored(folder))

    def __len__(self) -> int:
        return len(self._file_of)

    @property
    def root(self) -> Path:
        """The folder of the recordings."""
        return Path(self.about.root)

    def check(self, model: Embedder) -> None:
        """Raise RuntimeError where another model made it, whose embeddings mean something else."""
        if model.digest != self.about.model:
            raise RuntimeError(
                f"the index of {self.root} must be by the model that searches it, {model.digest}, found one by "
                f"{self.about.model}: run `{MADE_BY} {self.root}` with this model, which computes little anew, or "
                f"search with the other"
            )

    def rows_of(self, file: int) -> range:
        """The rows of a file's windows."""
        first, end = np.searchsorted(self._file_of, [file, file + 1])
        return range(int(first), int(end))

    def file_at(self, path: Path) -> int | None:
        """The row of the file at this place on disk, None where it is none of the index's or has changed."""
        root = os.path.realpath(self.root)
        # By its own name first: a link in the folder is a file of the index, beside what it leads to.
        folder = os.path.realpath(path.absolute().parent)
        for place in (Path(folder) / path.name, Path(os.path.realpath(path))):
            row = self._rows_by_path.get(os.path.relpath(place, root))
            if row is not None and self._unchanged(row, place):
                return row
        return None

    def mean_of(self, file: int) -> npt.NDArray[np.float32]:
        """What stands for a whole file, (E,)."""
        rows = self.rows_of(file)
        return unit_mean(self.embeddings[rows.start : rows.stop])

    def by_embedding(
        self,
        query: npt.NDArray[np.float32],
        k: int = 10,
        *,
        windows_per_file: int | None = 1,
        without: Sequence[int] = (),
    ) -> list[list[Hit]]:
        """The k windows of each of Q queries (Q, E), or of one (E,), of length one, with the highest cosines.

        Exact: every window is compared. Of equal scores the earlier row comes first. Of a file there are at most
        `windows_per_file`, and any number where it is None; the rows `without` are left out.
        """
        queries = np.ascontiguousarray(np.atleast_2d(query), np.float32)
        if queries.ndim != 2 or queries.shape[1] != self.embeddings.shape[1]:
            raise ValueError(
                f"a query must be an embedding of {self.embeddings.shape[1]} numbers, found {np.shape(query)}"
            )
        if not np.isfinite(queries).all():
            raise ValueError("a query must be finite numbers, found others")
        bests = [self._best(k, windows_per_file) for _ in queries]
        for first, block in self._blocks():
            for best, one in zip(bests, queries, strict=True):
                # Each row by itself: in a product of matrices its last bit would depend on its place.
                best.offer(first, _barred(np.einsum("ij,j->i", block, one), first, without))
        return [self._hits(best.rows, best.scores) for best in bests]

    def by_like(self, window: int, k: int = 10, *, windows_per_file: int | None = 1) -> list[Hit]:
        """The k windows most like one of the index's own, which is left out."""
        if not 0 <= window < len(self):
            raise ValueError(f"a window must be a row from 0 to {len(self) - 1}, found {window}")
        query = np.array(self.embeddings[window])
        return self.by_embedding(query, k, windows_per_file=windows_per_file, without=[window])[0]

    def by_point(
        self, valence: float, arousal: float, k: int = 10, *, windows_per_file: int | None = 1
    ) -> list[Hit]:
        """The k windows that the encoder reads nearest to a place on the plane, both on 1..7, nearest first.

        Raises ValueError for a place off the plane, and where the encoder reads no valence and arousal.
        """
        for name, value in (("valence", valence), ("arousal", arousal)):
            if not LABEL_MIN <= value <= LABEL_MAX:
                raise ValueError(f"{name} must be from {LABEL_MIN:g} to {LABEL_MAX:g}, found {value!r}")
        x, y = (self._columns[name].astype(np.float64) for name in ("valence", "arousal"))
        if np.isnan(x).all():
            raise ValueError(
                f"a search by valence and arousal takes a speech encoder that reads them, found none in the index "
                f"of {self.root}: search by a sentence"
            )
        best = self._best(k, windows_per_file)
        best.offer(0, 1 - np.hypot(x - valence, y - arousal) / DIAGONAL)
        return self._hits(best.rows, best.scores)

    def audio(self, file: int) -> Path:
        """Where a file of the index lies. Raises RuntimeError where it is gone, has changed or leads away."""
        if not 0 <= file < len(self.files):
            raise ValueError(f"a file must be a row from 0 to {len(self.files) - 1}, found {file}")
        path = str(self.files.column("path")[file])
        try:
            there = inside(self.root, path)
        except (AudioError, ValueError) as error:
            raise RuntimeError(f"{shown(path)} must lie in {self.root}, found that it does not") from error
        if not self._unchanged(file, there):
            raise RuntimeError(
                f"{self.root}/{shown(path)} must be the file that was indexed, found it gone or changed: run "
                f"`{MADE_BY} {self.root}`"
            )
        return there

    def _unchanged(self, file: int, there: Path) -> bool:
        try:
            status = there.stat()
        except OSError:
            return False
        size, mtime_ns = (self.files.column(name)[file].as_py() for name in ("size", "mtime_ns"))
        return (status.st_size, status.st_mtime_ns) == (size, mtime_ns)

    @cached_property
    def _rows_by_path(self) -> dict[str, int]:
        return {path: row for row, path in enumerate(self.files.column("path").to_pylist())}

    def _best(self, k: int, windows_per_file: int | None) -> Best:
        for name, value in (("k", k), ("windows_per_file", windows_per_file)):
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, found {value}")
        return Best(self._file_of, k, windows_per_file)

    def _blocks(self) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
        first, rows = 0, min(FIRST_ROWS, BLOCK_ROWS)
        while first < len(self):
            yield first, np.asarray(self.embeddings[first : first + rows])
            first, rows = first + rows, BLOCK_ROWS

    def _hits(self, rows: Rows, scores: Scores) -> list[Hit]:
        paths, files = self.files.column("path"), self._file_of[rows].tolist()
        told: list[dict[str, Any]] = [
            {
                name: None if math.isnan(value) else value
                for name, value in zip(self._columns, row, strict=True)
            }
            for row in zip(*(column[rows].tolist() for column in self._columns.values()), strict=True)
        ]
        return [
            Hit(rank, row, file, paths[file].as_py(), score=score, **window)
            for rank, (row, file, score, window) in enumerate(
                zip(rows.tolist(), files, scores.tolist(), told, strict=True), 1
            )
        ]

    @cached_property
    def _columns(self) -> dict[str, npt.NDArray[np.float64]]:
        """The windows' columns as arrays, (W,) each; NaN where there is no reading."""
        names = ("start", "end", "valence", "arousal", "dominance")
        return {
            name: self.windows.column(name).combine_chunks().to_numpy(zero_copy_only=False) for name in names
        }


def _barred(scores: npt.NDArray[np.float32], first: int, without: Sequence[int]) -> npt.NDArray[np.float32]:
    """The scores of the rows from `first` on, those that are left out below all others."""
    for row in without:
        if first <= row < first + len(scores):
            scores[row - first] = -np.inf
    return scores
