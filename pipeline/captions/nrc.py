"""Words that a lexicon of affect ties to an emotion class, from a user's file or an installed package.

The NRC word-emotion association lexicon (Mohammad and Turney 2013) may not be redistributed in every form, so none
of it is here.
"""

from __future__ import annotations

import csv
import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path

from pipeline.manifest import EMOTIONS

NRC_EMOTIONS = {
    "A": {"anger"},
    "S": {"sadness"},
    "H": {"joy"},
    "U": {"surprise"},
    "F": {"fear"},
    "D": {"disgust"},
    "C": {"anger", "disgust"},
}
"""The lexicon's emotions that a class's words must all have; it has none for neutral."""

INSTALLED = "nrclex"

Associations = Mapping[str, set[str]]
"""Word → emotions."""


def class_words(file: Path | None) -> dict[str, list[str]]:
    """Emotion class → its words in alphabetical order; its own label alone where no lexicon knows it.

    Read from `file`, the lexicon's own tab-separated lines `word, emotion, 0 or 1`; without a file from the
    package nrclex where that is installed, otherwise from nothing. Raises ValueError for a file that is no such
    lexicon.
    """
    found = read_nrc_file(file) if file else _installed()
    words = {code: [label] for code, label in EMOTIONS.items()}
    for code, emotions in NRC_EMOTIONS.items():
        if listed := sorted(word for word, tied in found.items() if emotions <= tied):
            words[code] = listed
    return words


def words_come_from(file: Path | None) -> str:
    """The source of `class_words`, for people to read."""
    if file:
        return str(file)
    return f"the package {INSTALLED}" if _installed_file() else "no lexicon: each class by its own name"


def read_nrc_file(path: Path) -> Associations:
    """Read the lexicon's text file. Raises ValueError where a line is not word, emotion, 0 or 1."""
    found: dict[str, set[str]] = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for number, row in enumerate(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE), start=1):
                if len(row) == 3 and row[2] in {"0", "1"}:
                    if row[2] == "1" and row[0]:
                        found.setdefault(row[0], set()).add(row[1])
                elif row and number > 1:  # some releases have a line of titles
                    raise ValueError(
                        f"caption.llm.nrc_file must have lines of word, emotion and 0 or 1 between tabs, found "
                        f"{row!r} in line {number} of {path}"
                    )
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"caption.llm.nrc_file must be a text file, found {path}: {error}") from None
    if not any(emotions <= tied for tied in found.values() for emotions in NRC_EMOTIONS.values()):
        raise ValueError(f"caption.llm.nrc_file must tie words to emotions, found none in {path}")
    return found


def _installed_file() -> Path | None:
    spec = importlib.util.find_spec(INSTALLED)  # finds it without running it
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (path := Path(folder) / "data" / "nrc_en.json").is_file():
            return path
    return None


def _installed() -> Associations:
    path = _installed_file()
    if path is None:
        return {}
    return {word: set(tied) for word, tied in json.loads(path.read_text(encoding="utf-8")).items()}
