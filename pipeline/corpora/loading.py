"""A table's file as columns of text: delimited text, parquet or Arrow, told by its content and not its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet as pq

from pipeline.audio import foreign_content
from pipeline.corpora import delimited, texts
from pipeline.corpora.delimited import AS_UTF8
from pipeline.corpora.rows import LABELS

KINDS = "a table as CSV, parquet or feather"

COLUMNAR = {b"PAR1": "parquet", b"ARROW1": "feather", b"FEA1": "feather"}
"""A file's first bytes → what it is."""

STREAM = b"\xff\xff\xff\xff"
"""An Arrow stream's first bytes, as `.arrows` files have them."""

SUFFIXES = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".feather": "feather",
    ".arrow": "feather",
    ".ipc": "feather",
}

REFUSED = {
    b"PK\x03\x04": ("an Excel or other zipped file", "save its sheet as `CSV UTF-8`, or unpack it"),
    b"\xd0\xcf\x11\xe0": ("an old Excel file", "save its sheet as `CSV UTF-8`"),
    b"\xfd7zXZ\x00": ("compressed by xz", "unpack it"),
    b"7z\xbc\xaf": ("compressed by 7-Zip", "unpack it"),
    b"SQLite format 3": ("an SQLite database", "export its table as CSV"),
    b"\x89HDF": ("HDF5", "save its table as CSV or parquet"),
}
"""A file's first bytes → what it is, and what to do."""

BLOCK = 1 << 23
"""Bytes that arrow parses at once: no row may be longer. Its own default is one MiB."""


@dataclass(frozen=True)
class Loaded:
    """A table's file, of which only what is asked for becomes text."""

    names: list[str]
    """Of all columns, without the spaces around them."""
    columns: Mapping[int, pa.ChunkedArray]
    """Those that were read, as the file keeps them."""
    file: Path
    separator: str | None
    """What stands between the columns; None in a file whose columns are its own."""

    @property
    def rows(self) -> int:
        """How many rows there are below the header."""
        return next((len(column) for column in self.columns.values()), 0)

    def text(self, numbers: Mapping[str, int] | None = None) -> pa.Table:
        """Columns by their new names, each as text, stripped of spaces, null where a cell is empty; or all.

        Whole numbers are written without points, but for labels, whose values `drop` names as the file has them.
        """
        asked = [(self.names[i], i) for i in self.columns] if numbers is None else list(numbers.items())
        columns = [
            texts.of(self.columns[i], self.names[i], self.file, whole=name not in LABELS) for name, i in asked
        ]
        return pa.Table.from_arrays(columns, names=[name for name, _ in asked])

    def place(self, *rows: int) -> str:
        """Where rows, counted from 0, are found: by their lines, as an editor counts, where the file has lines."""
        lines = delimited.lines_of(self.file, self.separator, rows) if self.separator else []
        unit, numbers = ("line", lines) if len(lines) == len(rows) else ("row", [row + 1 for row in rows])
        return f"{unit}{'s' * (len(rows) > 1)} {' and '.join(map(str, numbers))} of {self.file}"


def load(file: Path, *, wanted: Sequence[str] = (), separator: str | None = None) -> Loaded:
    """Read a table, of parquet and feather only the columns that are called as `wanted`, where any are.

    Text is UTF-8, with the columns between commas, semicolons, tabs or bars: between which is told by the
    header, which must hold the `wanted` names, or by `separator`. It may be compressed by gzip, bzip2, zstd or
    lz4. Raises ValueError with one line for any other file.
    """
    try:
        kind = _kind(file)
        if kind == "text":
            names, table, separator = _delimited(file, wanted, separator)
            columns = dict(enumerate(table.columns))
        else:
            names, columns = (_parquet if kind == "parquet" else _feather)(file, wanted)
            separator = None
    except (pa.ArrowException, OSError, UnicodeError) as error:
        raise ValueError(
            f"{file} must be {KINDS}: {_one_line(error)}: copy it again, or export it anew"
        ) from error
    return Loaded([_name(name) for name in names], columns, file, separator)


def _name(written: str) -> str:
    return written.strip("\ufeff \t\r\n\xa0")


def _kind(file: Path) -> str:
    """`text`, `parquet` or `feather`. Raises ValueError for what is none of them."""
    with file.open("rb") as opened:
        head = opened.read(512)
    if found := foreign_content(head):
        raise ValueError(f"{file} must be {KINDS}, found {found}")
    for start, (found, advice) in REFUSED.items():
        if head.startswith(start):
            raise ValueError(f"{file} must be {KINDS}, found that it is {found}: {advice}")
    for start, kind in COLUMNAR.items():
        if head.startswith(start):
            return kind
    if head.startswith(STREAM):
        return "feather"
    if expected := SUFFIXES.get(file.suffix.lower()):
        raise ValueError(f"{file} must be {expected}, as it is called, found other bytes: copy it again")
    if not head.strip():
        raise ValueError(f"{file} must have a header and rows, found an empty file")
    return "text"


Columns = dict[int, pa.ChunkedArray]


def _asked(names: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """The columns to read: others may hold gigabytes of audio."""
    folded = {_name(name).casefold() for name in wanted}
    return [i for i, name in enumerate(names) if not wanted or _name(name).casefold() in folded]


def _parquet(file: Path, wanted: Sequence[str]) -> tuple[list[str], Columns]:
    with pq.ParquetFile(file) as opened:
        names = list(opened.schema_arrow.names)
        asked = _asked(names, wanted)
        table = opened.read(columns=[names[i] for i in asked])
    # Of names that repeat, which a map may not name, both come.
    return names, {i: table.column(table.column_names.index(names[i])) for i in asked}


def _feather(file: Path, wanted: Sequence[str]) -> tuple[list[str], Columns]:
    with file.open("rb") as opened:
        is_stream = opened.read(4) == STREAM
    if is_stream:
        with pa.OSFile(str(file)) as source, pa.ipc.open_stream(source) as reader:
            table = reader.read_all()
    else:
        table = pyarrow.feather.read_table(file, memory_map=False)
    names = list(table.column_names)
    return names, {i: table.column(i) for i in _asked(names, wanted)}


def _delimited(file: Path, wanted: Sequence[str], separator: str | None) -> tuple[list[str], pa.Table, str]:
    """The names, the rows below them, and what separates the columns."""
    names, separator, preamble = delimited.header(file, wanted, separator)
    columns = [str(i) for i in range(len(names))]  # names may repeat, which arrow's options cannot tell apart
    try:
        with delimited.opened(file) as source:
            table = pyarrow.csv.read_csv(
                source,
                read_options=pyarrow.csv.ReadOptions(
                    column_names=columns, skip_rows=preamble, block_size=BLOCK
                ),
                parse_options=pyarrow.csv.ParseOptions(delimiter=separator, newlines_in_values=True),
                # Ids such as 0012 must stay as they are written, so nothing is guessed: every column is text.
                convert_options=pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(columns, pa.string())),
            )
    except pa.ArrowInvalid as error:
        raise ValueError(_why_not(file, separator, len(names), error)) from error
    # A quote that never ends takes in the rest of the file, and arrow says nothing where the columns are enough.
    if any("\n" in (column[-1].as_py() or "") for column in table.columns) and (
        line := delimited.unclosed(file, separator)
    ):
        raise ValueError(_unclosed(file, line))
    return names, table.slice(1), separator


def _unclosed(file: Path, line: int) -> str:
    return (
        f"a quoted cell of {file} must end with a quote, found none for one that begins in line {line} or below: "
        f"close it, or double the quotes that belong to its text"
    )


def _why_not(file: Path, separator: str, columns: int, error: Exception) -> str:
    """What is wrong with a text that arrow cannot parse, with its line."""
    if found := delimited.not_utf8(file):
        line, byte = found
        return f"{file} must be text in UTF-8, found {byte!r} in its line {line}: {AS_UTF8}"
    if begun := delimited.unclosed(file, separator):
        return _unclosed(file, begun)
    if uneven := delimited.uneven(file, separator, columns):
        line, cells = uneven
        hint = ", or a number's decimal comma" if separator == "," and cells > columns else ""
        return (
            f"every line of {file} must have {columns} cells as its header does, found {cells} in line {line}: "
            f"put cells that hold {delimited.NAMES[separator][0]}{hint} in quotes"
        )
    return f"{file} must be {KINDS}: {_one_line(error)}"


def _one_line(error: Exception) -> str:
    return f"{' '.join(str(error).split()):.200}"
