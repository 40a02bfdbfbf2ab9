"""Clips and sentences of like length together, so that little of a batch is padding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def batches_by_length(lengths: Sequence[float], budget: float) -> Iterator[list[int]]:
    """Indices of `lengths`, longest first, in batches whose padded size stays within `budget`.

    A batch's padded size is its count times its longest length. A single item over the budget is a batch.

    >>> list(batches_by_length([3, 9, 4, 8], budget=18))
    [[1, 3], [2, 0]]
    """
    batch: list[int] = []
    for i in sorted(range(len(lengths)), key=lambda i: lengths[i], reverse=True):
        if batch and (len(batch) + 1) * lengths[batch[0]] > budget:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch
