"""Words that depend on a number, and words of others, which may be anything."""

from __future__ import annotations


def counted(count: int, one: str, many: str | None = None) -> str:
    """A count with its words in the right number; `many` is `one` with an s where it is not given.

    >>> counted(1, "turn has", "turns have"), counted(2, "turn has", "turns have"), counted(2, "shard")
    ('1 turn has', '2 turns have', '2 shards')
    """
    return f"{count} {one if count == 1 else many or one + 's'}"


SHOWN_AT_MOST = 200
"""Characters of one value in a line."""


def shown(text: object, at_most: int = SHOWN_AT_MOST) -> str:
    r"""A text of somebody else's as it may go to a terminal or into a message: one line of limited length.

    What a terminal would obey or hide is escaped: control characters, line ends, marks of direction, halves of
    surrogate pairs.

    >>> print(shown("ana\x1b[2J\n\u202etxt"), shown("x" * 9, 4))
    ana\x1b[2J\n\u202etxt xxx…
    """
    whole = str(text)
    part = whole if len(whole) <= at_most else whole[: at_most - 1] + "…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in part)
