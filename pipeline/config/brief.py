"""Values of params.yaml in a few words, as messages show them: they may be anything, and of any size."""

from __future__ import annotations

import reprlib

LONGEST = 200
"""Characters of a text, or of a key."""

_words = reprlib.Repr()
_words.maxlevel, _words.maxstring, _words.maxother = 3, LONGEST, LONGEST


def brief(value: object) -> str:
    """A value as Python writes it, its middle or what follows its first items left out where it is large.

    >>> brief("sample"), brief(list(range(100)))
    ("'sample'", '[0, 1, 2, 3, 4, 5, ...]')
    """
    try:
        return _words.repr(value)
    except ValueError:  # a number of so many digits that Python does not write it
        return "a number of very many digits"


def brief_key(key: str) -> str:
    """A key, its end left out where it is long."""
    return key if len(key) <= LONGEST else f"{key[:LONGEST]}..."
