"""The best of many scores, taken in block by block: what is kept does not grow with what was seen."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float64]


class Best:
    """The `count` best rows, of each file the `of_each` best; of equal scores the earlier row is better."""

    def __init__(self, files: npt.NDArray[np.int32], count: int, of_each: int | None) -> None:
        """`files` says for every row which file it is of."""
        self._files, self._count, self._of_each = files, count, of_each
        self.rows: Rows = np.empty(0, np.int64)
        """The best so far, best first."""
        self.scores: Scores = np.empty(0, np.float64)
        self._bar = -np.inf

    def offer(self, first: int, scores: npt.NDArray[np.floating]) -> None:
        """Take in the scores of the rows from `first` on. Blocks come in the order of their rows."""
        better = np.flatnonzero(scores > self._bar)
        if not len(better):
            return
        better = self._narrowed(better, first, scores)
        rows = np.concatenate([self.rows, better + first])
        values = np.concatenate([self.scores, scores[better]])
        order = np.lexsort((rows, -values))
        if self._of_each is not None:
            order = order[self._place_in_file(rows[order]) < self._of_each]
        order = order[: self._count]
        self.rows, self.scores = rows[order], values[order]
        if len(order) == self._count:
            self._bar = float(self.scores[-1])

    def _narrowed(
        self, better: npt.NDArray[np.intp], first: int, scores: npt.NDArray[np.floating]
    ) -> npt.NDArray[np.intp]:
        """Those that may be among the best: sorting all of a block would take longer than to compute it."""
        values = scores[better]
        highest = values
        if self._of_each is not None:  # of each file
            highest = np.maximum.reduceat(values, _begins(self._files[better + first]))
        if len(highest) <= self._count:
            return better
        place = len(highest) - self._count
        return np.compress(values >= np.partition(highest, place)[place], better)

    def _place_in_file(self, rows: Rows) -> Rows:
        """For each of some rows how many before it are of the same file."""
        files = self._files[rows]
        by_file = np.argsort(files, kind="stable")
        begins = _begins(files[by_file])
        sizes = np.diff(np.r_[begins, len(rows)])
        places = np.empty(len(rows), np.int64)
        places[by_file] = np.arange(len(rows)) - np.repeat(begins, sizes)
        return places


def _begins(sorted_files: npt.NDArray[np.int32]) -> npt.NDArray[np.intp]:
    """Where each file's rows begin."""
    return np.flatnonzero(np.concatenate([[True], sorted_files[1:] != sorted_files[:-1]]))
