"""Times and names in lines for a terminal."""

from __future__ import annotations

import unicodedata


def clock(seconds: float) -> str:
    """A time in a recording.

    >>> clock(7.26), clock(605), clock(3725.04)
    ('0:07.3', '10:05.0', '1:02:05.0')
    """
    tenths = round(10 * seconds)
    hours, minutes = tenths // 36_000, tenths // 600 % 60
    rest = f"{tenths % 600 / 10:04.1f}"
    return f"{hours}:{minutes:02}:{rest}" if hours else f"{minutes}:{rest}"


def narrowed(name: str, columns: int) -> str:
    r"""A name of somebody else's in no more columns, shortened in the middle.

    What a terminal would obey is escaped.

    >>> narrowed("speakers/ana/take-0001.wav", 16), narrowed("a\n.wav", 16)
    ('speak…e-0001.wav', 'a\\n.wav')
    """
    from pipeline.support import shown

    text = shown(name, 4096)
    if _columns(text) <= columns:
        return text
    start, end = "", ""
    for character in text:
        if _columns(start + character) > (columns - 1) // 3:
            break
        start += character
    for character in reversed(text):
        if _columns(start + character + end) > columns - 1:
            break
        end = character + end
    return f"{start}…{end}"


def padded(text: str, columns: int) -> str:
    """A text with blanks up to so many columns."""
    return text + " " * (columns - _columns(text))


def _columns(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )
