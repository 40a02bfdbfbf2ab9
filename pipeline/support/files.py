"""Files written whole or not at all, and parquet read with its columns checked."""

from __future__ import annotations

import csv
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.support.abandoned import held, remove_abandoned


def _temporary(path: Path) -> Path:
    """A name of its own beside `path`, as `remove_leftovers` knows it."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")


def check_path(path: Path, name: str) -> None:
    """Raise ValueError where a path, or what it links to, has a name that no text file can hold."""
    for written in (str(path), os.path.realpath(path)):
        try:
            written.encode("utf-8")
        except UnicodeEncodeError:
            raise ValueError(
                f"{name} must have a path whose names are UTF-8, found {written!a}: rename the folder, or "
                f"mount it elsewhere"
            ) from None


def check_writable(folder: Path) -> None:
    """Make a folder where there is none, and a file in it that goes again. Raises OSError where one cannot."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryFile(dir=folder, prefix=".", suffix=".tmp", buffering=0) as file:
            file.write(bytes(4096))  # the first thing that a full disk refuses
    except OSError as error:
        error.filename = str(folder)
        raise


def leftovers(folder: Path, older_than: float) -> list[Path]:
    """The temporary files that killed writers left in a folder `older_than` seconds ago or more.

    A younger one may be one that another writer is at.
    """
    found = []
    for path in folder.glob(".*.tmp"):
        with suppress(FileNotFoundError):  # that writer has just ended
            if time.time() - path.lstat().st_mtime > older_than:
                found.append(path)
    return found


def remove_leftovers(folder: Path, older_than: float) -> None:
    """Remove what `leftovers` finds, but for what this process may not remove."""
    for leftover in leftovers(folder, older_than):
        with suppress(OSError):
            remove(leftover)


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with all in it. Others may do so at the same time. Raises OSError."""
    with suppress(FileNotFoundError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)  # others remove what it is about to
            path.rmdir()
        else:
            path.unlink()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that takes its place when the block ends, and goes when it fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    except OSError as error:
        # A full disk does not say whose write it ended.
        error.filename = error.filename or str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """A new folder beside `path` that takes its place when the block ends, and goes when it fails.

    What killed runs left beside it goes too.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(path.parent)
    temporary = _temporary(path)
    with held(temporary):
        try:
            yield temporary
            if path.exists():
                shutil.rmtree(path)
            temporary.rename(path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def sync_folder(folder: Path) -> None:
    """Make a rename in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(text: str, path: Path) -> None:
    """Write a text file whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_csv(rows: Sequence[Mapping[str, object]], path: Path, columns: Sequence[str] | None = None) -> None:
    """Write rows as CSV whole or not at all; `columns` are the first row's where they are not given."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(columns or rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_parquet(table: pa.Table, path: Path) -> None:
    """Write a parquet file whole or not at all; the same table gives the same bytes."""
    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def read_parquet(
    path: Path,
    schema: pa.Schema,
    *,
    made_by: str,
    columns: Sequence[str] | None = None,
    repeating: Sequence[str] = (),
) -> pa.Table:
    """Read a parquet file, or some of its columns, and check that it has those of the schema.

    `made_by` is the command that makes the file. Columns that are `repeating` come as dictionaries, in which a
    value takes memory once. Raises RuntimeError where the file is absent, is not parquet
    or has other columns, KeyError for a name in `columns` that the schema has not.
    """
    if not path.exists():
        raise RuntimeError(f"{path} is not there: run `{made_by}` first")
    try:
        found, table = pq.read_schema(path), None
        if found.equals(schema):
            table = _read(path, schema.names if columns is None else columns, repeating)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise RuntimeError(f"{path} must be a whole parquet file: run `{made_by}` again") from error
    if table is None:
        raise RuntimeError(
            f"{path} must have the columns {', '.join(f'{f.name} ({f.type})' for f in schema)}, "
            f"found {', '.join(f'{f.name} ({f.type})' for f in found)}: run `{made_by}` again"
        )
    return table


def read_column(path: Path, name: str) -> pa.ChunkedArray:
    """One column of a parquet file. Raises KeyError where there is none of that name, and what pyarrow does."""
    return _read(path, [name]).column(name)


def _read(path: Path, columns: Sequence[str], repeating: Sequence[str] = ()) -> pa.Table:
    # Not by pq.read_table, which would import pandas, where there is one, to read this one file.
    with pq.ParquetFile(path, read_dictionary=repeating) as file:
        return file.read(columns).select(columns)  # as reading leaves an unknown name out
