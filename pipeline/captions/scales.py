"""How the captioner's tables of words are read: a line is a grade of valence or arousal, 0.5, 1.0 … 7.0."""

from __future__ import annotations

GRADES = tuple(0.5 * step for step in range(1, 15))
"""Where on the scale of the labels each line of a table stands."""

Grade = tuple[str, ...]
"""Wordings of one meaning."""

Scale = tuple[Grade, ...]
"""Wordings by grade, 14 of them."""

MoodScale = tuple[tuple[Grade, ...], ...]
"""Wordings by grade of valence and by how roused the speaker is: CALM, EVEN, LIVELY."""

CALM, EVEN, LIVELY = range(3)
"""The columns of a mood table."""


def read_scale(table: str) -> Scale:
    """Read a table of 14 lines, wordings parted by commas. Raises ValueError for another number of lines."""
    return tuple(_wordings(line) for line in _lines(table))


def read_moods(table: str) -> MoodScale:
    """Read a table of 14 lines of three columns, parted by |. Raises ValueError for other numbers."""
    moods = tuple(tuple(_wordings(cell) for cell in line.split("|")) for line in _lines(table))
    for line in moods:
        if len(line) != LIVELY + 1:
            raise ValueError(
                f"a line of a mood table must have 3 columns, found {len(line)}: {line[0][0]!r} …"
            )
    return moods


def _lines(table: str) -> list[str]:
    lines = [line.strip() for line in table.strip().splitlines()]
    if len(lines) != len(GRADES):
        raise ValueError(
            f"a table of words must have {len(GRADES)} lines, found {len(lines)}: {lines[0]!r} …"
        )
    return lines


def _wordings(cell: str) -> Grade:
    return tuple(wording.strip() for wording in cell.split(","))
