"""Delimited text: what separates its columns, and where in the file a row lies."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

AS_UTF8 = "save it again as CSV in UTF-8"

NAMES = {
    ",": ("a comma", "commas"),
    ";": ("a semicolon", "semicolons"),
    "\t": ("a tab", "tabs"),
    "|": ("a bar", "bars"),
}
"""What may separate columns without being named → one of it, many of it."""

COMPRESSIONS = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bz2",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
}
"""A file's first bytes → how arrow calls its compression."""

HEADER_BYTES = 1 << 20
"""A header is not longer."""

LONGEST_CELL = 1 << 27
"""Python's own bound is 128 KiB."""


@contextmanager
def opened(file: Path) -> Iterator[Any]:
    """A file's bytes, without its compression, as arrow reads them."""
    with file.open("rb") as plain:
        head = plain.read(6)
    compression = next((name for start, name in COMPRESSIONS.items() if head.startswith(start)), None)
    with pa.input_stream(str(file), compression=compression) as source:
        yield source


def header(file: Path, wanted: Sequence[str], separator: str | None) -> tuple[list[str], str, int]:
    """The columns' names, what separates them, and how many lines come before, such as Excel's `sep=;`.

    That separator is taken with which the most of `wanted` are found, then one that cuts the row below into as
    many cells, then one that separates anything, a comma before others. Raises ValueError where the text is not
    UTF-8.
    """
    with opened(file) as source:
        data = source.read(HEADER_BYTES)
    if b"\0" in data[: data.find(b"\n") + 1 or None]:
        raise ValueError(f"{file} must be text in UTF-8, found UTF-16 or no text: {AS_UTF8}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.end < len(data) or len(data) < HEADER_BYTES:
            line, found = data.count(b"\n", 0, error.start) + 1, data[error.start : error.start + 1]
            raise ValueError(
                f"{file} must be text in UTF-8, found {found!r} in its line {line}: {AS_UTF8}"
            ) from None
        text = data[: error.start].decode("utf-8-sig")
    first, _, rest = text.partition("\n")
    preamble = 0
    if first.strip().lower().startswith("sep=") and len(first.strip()) <= 5:
        separator, text, preamble = separator or first.rstrip("\r\n")[4:5] or "\t", rest, 1
    rows = {mark: _first_rows(text, mark) for mark in ([separator] if separator else NAMES)}
    plain = {name.strip().casefold() for name in wanted}

    def rank(mark: str) -> tuple[int, bool, bool, bool]:
        names, below = rows[mark]
        found = {name.strip().casefold() for name in names}
        several = len(names) > 1
        return len(plain & found), several and len(names) == len(below), several, mark == ","

    best = max(rows, key=rank)
    return rows[best][0], best, preamble


def _first_rows(text: str, separator: str) -> tuple[list[str], list[str]]:
    rows = _rows(io.StringIO(text, newline=""), separator)
    (_, first), (_, second) = next(rows, (0, [])), next(rows, (0, []))
    return first, second


def _rows(
    lines: Iterator[str] | io.TextIOBase, separator: str, *, strict: bool = False
) -> Iterator[tuple[int, list[str]]]:
    """Every row that is not an empty line, with the line in which it begins."""
    before = csv.field_size_limit(LONGEST_CELL)
    try:
        reader = csv.reader(lines, delimiter=separator, strict=strict)
        start = 1
        for row in reader:
            if row:
                yield start, row
            start = reader.line_num + 1
    except csv.Error as error:
        if strict and "unexpected end" in str(error):
            yield start, []
    finally:
        csv.field_size_limit(before)


def _rows_of(file: Path, separator: str, *, strict: bool = False) -> Iterator[tuple[int, list[str]]]:
    """Every row of a file, its header first, with the line in which it begins; slow, for errors alone."""
    with opened(file) as source:
        text = io.TextIOWrapper(source, encoding="utf-8-sig", errors="replace", newline="")
        for line, row in _rows(text, separator, strict=strict):
            if line > 1 or not "".join(row).strip().lower().startswith("sep="):
                yield line, row


def lines_of(file: Path, separator: str, rows: Sequence[int]) -> list[int]:
    """The lines in which rows begin, counted from 0 below the header; fewer where the file has another end."""
    asked = {row + 1 for row in rows}
    last = max(asked, default=0)
    lines: dict[int, int] = {}
    for number, (line, _) in enumerate(_rows_of(file, separator)):
        if number in asked:
            lines[number] = line
        if number >= last:
            break
    return [lines[row + 1] for row in rows if row + 1 in lines]


def uneven(file: Path, separator: str, columns: int) -> tuple[int, int] | None:
    """The line of the first row that has not as many cells, and how many it has."""
    rows = ((line, len(row)) for line, row in _rows_of(file, separator) if len(row) != columns)
    return next(rows, None)


def unclosed(file: Path, separator: str) -> int | None:
    """The line of the row in which a quote begins that never ends; None where every one does."""
    return next((line for line, row in _rows_of(file, separator, strict=True) if not row), None)


def not_utf8(file: Path) -> tuple[int, bytes] | None:
    """The first line that is not UTF-8, and its first wrong byte."""
    with opened(file) as source:
        for number, line in enumerate(io.BufferedReader(source), start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                return number, line[error.start : error.start + 1]
    return None
