"""Rows of text to utterances: what readers share once a corpus's labels lie in one table.

All work is by column, because a corpus has hundreds of thousands of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.corpora.labels import to_labels
from pipeline.manifest import LABEL_MAX, LABEL_MIN, Utterance

REQUIRED = ("path", "split", "valence", "arousal")
OPTIONAL = ("id", "dominance", "emotion", "speaker", "transcript")
LABELS = ("valence", "arousal", "dominance")

Where = Callable[[int, str], str]
"""Where a row, counted from 0, has a column of the manifest's, as errors say it."""


def to_utterances(
    rows: pa.Table,
    where: Where,
    *,
    scale: Sequence[float] = (LABEL_MIN, LABEL_MAX),
    drop: Mapping[str, Sequence[str]] | None = None,
    rename: Mapping[str, Mapping[str, str | None]] | None = None,
    decimal: str | None = ".",
    hints: bool = False,
) -> tuple[list[Utterance], dict[str, int]]:
    """Take rows of text, with columns named as the manifest's, as utterances; count those left out by reason.

    `drop` leaves out rows that hold one of the listed values in a column, an empty text standing for an empty
    cell, and `rename` changes the values of those that stay. `scale`, `decimal` and `hints` are those of
    `to_labels`. The id is the path where there is none. Raises ValueError where a path or split is missing, or a
    label is not a number on the scale.
    """
    rows, kept, left_out = drop_rows(rows, drop or {})

    def place(name: str) -> Callable[[int], str]:
        return lambda row: where(kept[row].as_py(), name)

    columns: dict[str, list[Any]] = {
        name: rows.column(name).to_pylist() for name in rows.column_names if name not in LABELS
    }
    for name in ("path", "split"):
        check_filled(rows.column(name), name, place(name), hints=hints)
    for name in LABELS:
        if name in rows.column_names:
            columns[name] = to_labels(
                rows.column(name),
                name,
                place(name),
                scale=scale,
                required=name in REQUIRED,
                decimal=decimal,
                hints=hints,
            )
    for name, values in (rename or {}).items():
        columns[name] = [values.get(value, value) for value in columns[name]]
    ids = columns.get("id", columns["path"])
    columns["id"] = [name or path for name, path in zip(ids, columns["path"], strict=True)]
    nothing = [None] * rows.num_rows
    fields = [columns.get(name, nothing) for name in Utterance.__dataclass_fields__]
    return list(map(Utterance, *fields)), left_out


def drop_rows(rows: pa.Table, drop: Mapping[str, Sequence[str]]) -> tuple[pa.Table, pa.Array, dict[str, int]]:
    """The rows that hold none of the values, their numbers, and how many held which.

    A row counts for its first reason.
    """
    rows = rows.combine_chunks()
    kept = pa.array(range(rows.num_rows), pa.int64())
    left_out: dict[str, int] = {}
    for name, values in drop.items():
        texts = pc.fill_null(rows.column(name), "")
        unwanted = pc.is_in(texts, pa.array(values, pa.string()))
        for found in pc.value_counts(texts.filter(unwanted)).to_pylist():
            left_out[f"{name} {found['values'] or '(empty)'}"] = found["counts"]
        rows, kept = rows.filter(pc.invert(unwanted)), kept.filter(pc.invert(unwanted).combine_chunks())
    return rows, kept, dict(sorted(left_out.items()))


def check_filled(texts: pa.ChunkedArray, name: str, place: Callable[[int], str], *, hints: bool) -> None:
    """Raise ValueError where a cell that must be filled is empty, with `hints` naming a key of prepare.table."""
    if not texts.null_count:
        return
    first = pc.index(pc.is_null(texts), True).as_py()
    several = f" (in all {texts.null_count} such rows)" if texts.null_count > 1 else ""
    advice = f": fill it, or leave such rows out by prepare.table.drop: {{{name}: ['']}}" if hints else ""
    raise ValueError(f"{name} must not be empty, found nothing in {place(first)}{several}{advice}")
