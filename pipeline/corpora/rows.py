"""Rows of text to utterances: what readers share once a corpus's labels lie in one table.

All work is by column, because a corpus has hundreds of thousands of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from pipeline.manifest import LABEL_MAX, LABEL_MIN, Utterance

REQUIRED = ("path", "split", "valence", "arousal")
OPTIONAL = ("id", "dominance", "emotion", "speaker", "transcript")
LABELS = ("valence", "arousal", "dominance")

AS_UTF8 = "save it again as CSV in UTF-8"


def load(file: Path) -> pa.Table:
    """Read a CSV or parquet file with every column as text, stripped of spaces, null where it is empty.

    Raises ValueError where the file is neither, is not UTF-8, or has other separators than commas.
    """
    try:
        if file.suffix in {".parquet", ".pq"}:
            table = pq.read_table(file)
        else:
            _check_header(file)
            # Ids such as 0012 must stay as they are written, so nothing is guessed: every column is text.
            with pyarrow.csv.open_csv(file) as reader:
                names = reader.schema.names
            as_text = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()))
            table = pyarrow.csv.read_csv(file, convert_options=as_text)
    except (pa.ArrowInvalid, OSError) as error:
        if "invalid UTF8" in str(error):
            raise ValueError(f"{file} must be text in UTF-8, found other bytes: {AS_UTF8}") from error
        raise ValueError(f"{file} must be a CSV or parquet file: {error}") from error
    columns = [_text(column) for column in table.columns]
    return pa.Table.from_arrays(columns, names=table.column_names)


def _check_header(file: Path) -> None:
    """Raise ValueError, which says what to do, where arrow would say what it cannot parse."""
    with file.open("rb") as opened:
        header = opened.readline()
    if b"\0" in header:
        raise ValueError(f"{file} must be text in UTF-8, found UTF-16 or no text: {AS_UTF8}")
    try:
        names = header.decode("utf-8")
    except UnicodeDecodeError as error:
        found = header[error.start : error.end]
        raise ValueError(f"{file} must be text in UTF-8, found {found!r} in its line 1: {AS_UTF8}") from None
    separator = next((name for mark, name in ((";", "semicolons"), ("\t", "tabs")) if mark in names), None)
    if separator and "," not in names:
        raise ValueError(
            f"commas must separate the columns of {file}, found {separator} in its line 1: save it as CSV with "
            f"commas, and numbers with points"
        )


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if column.type != pa.string():
        values = [None if value is None else str(value) for value in column.to_pylist()]
        column = pa.chunked_array([pa.array(values, pa.string())])
    stripped = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(stripped, ""), None, stripped)


def to_utterances(
    rows: pa.Table,
    where: Callable[[int], str],
    *,
    scale: Sequence[float] = (LABEL_MIN, LABEL_MAX),
    drop: Mapping[str, Sequence[str]] | None = None,
    rename: Mapping[str, Mapping[str, str | None]] | None = None,
) -> tuple[list[Utterance], dict[str, int]]:
    """Take rows of text, with columns named as the manifest's, as utterances; count those left out by reason.

    `where` says where a row, counted from 0, was found. `drop` leaves out rows that hold one of the listed
    values in a column, an empty text standing for an empty cell, and `rename` changes the values of those
    that stay. `scale` is the lowest and highest possible label, rescaled to 1..7. The id is the path where
    there is none. Raises ValueError where a path or split is missing, or a label is not a number on the scale.
    """
    kept = pa.array(range(rows.num_rows), pa.int64())
    rows, kept, left_out = _drop(rows.combine_chunks(), kept, drop or {})

    def place(row: int) -> str:
        return where(kept[row].as_py())

    columns: dict[str, list[Any]] = {
        name: rows.column(name).to_pylist() for name in rows.column_names if name not in LABELS
    }
    for name in ("path", "split"):
        if None in columns[name]:
            raise ValueError(f"{name} must not be empty, found nothing in {place(columns[name].index(None))}")
    for name in LABELS:
        if name in rows.column_names:
            columns[name] = _labels(rows.column(name), name, place, scale)
    for name, values in (rename or {}).items():
        columns[name] = [values.get(value, value) for value in columns[name]]
    ids = columns.get("id", columns["path"])
    columns["id"] = [name or path for name, path in zip(ids, columns["path"], strict=True)]
    nothing = [None] * rows.num_rows
    fields = [columns.get(name, nothing) for name in Utterance.__dataclass_fields__]
    return list(map(Utterance, *fields)), left_out


def _drop(
    rows: pa.Table, kept: pa.Array, drop: Mapping[str, Sequence[str]]
) -> tuple[pa.Table, pa.Array, dict[str, int]]:
    """The rows that hold none of the values, and how many held which: a row counts for its first reason."""
    left_out: dict[str, int] = {}
    for name, values in drop.items():
        texts = pc.fill_null(rows.column(name), "")
        unwanted = pc.is_in(texts, pa.array(values, pa.string()))
        for found in pc.value_counts(texts.filter(unwanted)).to_pylist():
            left_out[f"{name} {found['values'] or '(empty)'}"] = found["counts"]
        rows, kept = rows.filter(pc.invert(unwanted)), kept.filter(pc.invert(unwanted).combine_chunks())
    return rows, kept, dict(sorted(left_out.items()))


def _labels(
    texts: pa.ChunkedArray, name: str, place: Callable[[int], str], scale: Sequence[float]
) -> list[float | None]:
    """A label's texts as numbers on 1..7, None where an optional one is missing or NaN."""
    low, high = scale
    required = name in REQUIRED
    numbers = _numbers(texts, name, place)
    if not required:
        numbers = pc.if_else(pc.is_nan(numbers), None, numbers)
    on_scale = pc.and_(pc.greater_equal(numbers, low), pc.less_equal(numbers, high))
    outside = pc.index(pc.fill_null(on_scale, not required), False).as_py()
    if outside >= 0:
        text = texts[outside].as_py()
        if text is None:
            raise ValueError(f"{name} must be a number, found nothing in {place(outside)}")
        raise ValueError(f"{name} must lie within {low:g}..{high:g}, found {text} in {place(outside)}")
    if (low, high) != (LABEL_MIN, LABEL_MAX):
        numbers = pc.multiply(pc.subtract(numbers, float(low)), LABEL_MAX - LABEL_MIN)
        numbers = pc.add(LABEL_MIN, pc.divide(numbers, float(high - low)))
        # Rounding may put the highest label a last digit beyond the scale.
        numbers = pc.min_element_wise(numbers, LABEL_MAX, skip_nulls=False)
    values: list[float | None] = numbers.to_pylist()
    return values


def _numbers(texts: pa.ChunkedArray, name: str, place: Callable[[int], str]) -> pa.ChunkedArray:
    try:
        return pc.cast(texts, pa.float64())
    except pa.ArrowInvalid:
        # Arrow does not say which one it is.
        numbers: list[float | None] = []
        for row, text in enumerate(texts.to_pylist()):
            try:
                numbers.append(None if text is None else float(text))
            except ValueError:
                raise ValueError(f"{name} must be a number, found {text!r} in {place(row)}") from None
        return pa.chunked_array([pa.array(numbers, pa.float64())])
