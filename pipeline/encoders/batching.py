"""Clips and sentences of like length together, so that little of a batch is padding."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt


def batches_by_length(lengths: npt.ArrayLike, budget: float) -> Iterator[list[int]]:
    """Indices of `lengths`, longest first, in batches whose padded size stays within `budget`.

    A batch's padded size is its count times its longest length. A single item over the budget is a batch.

    >>> list(batches_by_length([3, 9, 4, 8], budget=18))
    [[1, 3], [2, 0]]
    """
    sizes = np.asarray(lengths)
    order = np.argsort(-sizes, kind="stable")
    start = 0
    while start < len(order):
        end, longest = start + 1, sizes[order[start]]
        while end < len(order) and (end + 1 - start) * longest <= budget:
            end += 1
        yield order[start:end].tolist()
        start = end
