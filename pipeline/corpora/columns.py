"""Which of a file's columns is which of the manifest's."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.corpora.rows import OPTIONAL, REQUIRED
from pipeline.corpora.texts import listed, shown


def check_map(columns: Mapping[str, str]) -> None:
    """Raise ValueError unless a map names what is required and nothing that the manifest does not have."""
    if unknown := sorted(columns.keys() - {*REQUIRED, *OPTIONAL}):
        raise ValueError(
            f"prepare.table.columns may map {', '.join((*REQUIRED, *OPTIONAL))}, found {', '.join(unknown)}"
        )
    if missing := [name for name in REQUIRED if name not in columns]:
        raise ValueError(
            f"prepare.table.columns must map {', '.join(REQUIRED)}, missing {', '.join(missing)}"
        )


def locate(columns: Mapping[str, str], names: Sequence[str], file: Path) -> tuple[dict[str, int], list[str]]:
    """The number of each mapped column in the file, and what must be said of it.

    Spaces around names do not count; another case is taken where one column alone has the name so. Raises
    ValueError where a name is not there, with those that are like it, or is there twice.
    """
    wanted = {name: column.strip() for name, column in columns.items()}
    if repeated := sorted({column for column in wanted.values() if names.count(column) > 1}):
        raise ValueError(f"{file} must have a mapped column once, found {listed(repeated)} repeated")
    numbers, notes, absent = {}, [], []
    for name, column in wanted.items():
        alike = [i for i, other in enumerate(names) if other.casefold() == column.casefold()]
        if column in names:
            numbers[name] = names.index(column)
        elif len(alike) == 1:
            numbers[name] = alike[0]
            notes.append(f"{file} has no column {column!r}: {names[alike[0]]!r} was read as {name}")
        else:
            absent.append(column)
    if absent:
        missing = sorted(set(absent))
        near = {column: nearest for column in missing if (nearest := _nearest(column, names))}
        raise ValueError(
            f"{file} must have the columns that prepare.table.columns names, missing {listed(missing)}; it has "
            f"{listed(names)}"
            + "".join(f"; like {shown(column)}: {listed(nearest)}" for column, nearest in near.items())
            + ("; prepare.table.separator says what else separates columns" if len(names) == 1 else "")
        )
    return numbers, notes


def _nearest(column: str, names: Sequence[str]) -> list[str]:
    folded = {name.casefold(): name for name in names}
    return [folded[close] for close in difflib.get_close_matches(column.casefold(), folded, n=3)]
