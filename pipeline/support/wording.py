"""Words that depend on a number."""

from __future__ import annotations


def counted(count: int, one: str, many: str | None = None) -> str:
    """A count with its words in the right number; `many` is `one` with an s where it is not given.

    >>> counted(1, "turn has", "turns have"), counted(2, "turn has", "turns have"), counted(2, "shard")
    ('1 turn has', '2 turns have', '2 shards')
    """
    return f"{count} {one if count == 1 else many or one + 's'}"
