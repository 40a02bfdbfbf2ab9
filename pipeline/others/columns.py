"""A parquet file as arrays: a row is a clip, a prompt or a clip that probes are fitted to, as its `kind` says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.others.layout import CLIPS, EMBEDDINGS, LARGEST_BYTES, PROBE, SEE, TEXTS, Arrays, Unfit
from pipeline.support import shown

KINDS = {"clip": ("", CLIPS), "probe": (PROBE, CLIPS), "prompt": ("", ("prompts", "text"))}
"""A row's kind → what its arrays' names begin with, and which columns it may have."""

COLUMNS = ("kind", *CLIPS, "prompts", "text", "title")

NOT_MISSED = {"test", "list", "position"}
"""Columns of the template, which may stay beside the prompts' embeddings."""

BATCH_ROWS = 1024
"""Rows that are unpacked at once."""


def read_columns(path: Path) -> tuple[Arrays, list[str]]:
    """The file's arrays and the names of columns that no layout knows. Raises ValueError for any other file."""
    try:
        return _arrays(path, pq.ParquetFile(path))
    except Unfit:
        raise
    # Arrow's own errors, and those of texts and sizes that make no sense.
    except Exception as error:
        raise Unfit(path, "must be a whole parquet file, found a damaged one: write it again") from error


def _arrays(path: Path, file: pq.ParquetFile) -> tuple[Arrays, list[str]]:
    names = file.schema_arrow.names
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise Unfit(path, f"must have a column once, found {shown(repeated[0])} more than once")
    wanted = [name for name in COLUMNS if name in names]
    table = _table(path, file, wanted)
    if "kind" not in wanted:
        raise Unfit(path, f"must have a column kind, which says clip, prompt or probe of a row: {SEE}")
    kinds = _texts(path, "kind", table.column("kind"))
    if wrong := set(kinds.tolist()) - KINDS.keys():
        raise Unfit(path, f"kind must be clip, prompt or probe, found {shown(repr(min(wrong)))}")
    found: Arrays = {}
    for kind, (prefix, columns) in KINDS.items():
        rows = table.filter(pa.array(kinds == kind))
        for name in columns:
            # A column without a value in all rows of a kind is not there for it: another kind has it.
            if name in wanted and (column := rows.column(name)).null_count < len(column):
                found[prefix + name] = _array(path, name, kind, column)
    if "title" in wanted and (titles := table.column("title").drop_null().unique()):
        found["title"] = _texts(path, "title", titles)
    unknown = [name for name in names if name not in {*COLUMNS, *NOT_MISSED}]
    return found, sorted(name for name in unknown if not name.startswith("__index_level_"))  # pandas' own


def _table(path: Path, file: pq.ParquetFile, columns: list[str]) -> pa.Table:
    """Some columns, as far as they fit: what repeats takes no space in the file, and its full size here."""
    batches, total = [], 0
    for batch in file.iter_batches(BATCH_ROWS, columns=columns):
        total += batch.nbytes
        if total > LARGEST_BYTES:
            raise Unfit(
                path,
                f"must unpack to at most {LARGEST_BYTES >> 30} GiB, found more: score fewer clips, or "
                f"write float32",
            )
        batches.append(batch)
    if not batches:
        raise Unfit(path, "must have rows, found none")
    return pa.Table.from_batches(batches)


def _array(path: Path, name: str, kind: str, column: pa.ChunkedArray) -> npt.NDArray[Any]:
    if column.null_count:
        row = column.is_null().index(True).as_py()
        raise Unfit(path, f"{name} must be there in every row of kind {kind}, found none in row {row}")
    if name in EMBEDDINGS:
        return _vectors(path, name, column)
    if name in TEXTS:
        return _texts(path, name, column)
    if not _is_number(column.type):
        raise Unfit(path, f"{name} must be numbers, found {shown(column.type)}")
    return np.asarray(column.to_numpy())


def _vectors(path: Path, name: str, column: pa.ChunkedArray) -> npt.NDArray[Any]:
    """Lists of one length as (N, E)."""
    kind = column.type
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    if not is_list or not _is_number(kind.value_type):
        raise Unfit(path, f"{name} must be a list of numbers in each row, found {shown(kind)}")
    lengths = pc.list_value_length(column).to_numpy()
    if (lengths != lengths[0]).any():
        row = int(np.argmax(lengths != lengths[0]))
        raise Unfit(
            path,
            f"{name} must have lists of one length, found {lengths[0]} numbers in row 0 and "
            f"{lengths[row]} in row {row}",
        )
    values = pc.list_flatten(column)
    if values.null_count:
        row = values.is_null().index(True).as_py() // int(lengths[0])
        raise Unfit(path, f"{name} must have no empty places in its lists, found one in row {row}")
    return np.asarray(values.to_numpy()).reshape(len(lengths), -1)


def _texts(path: Path, name: str, column: pa.ChunkedArray) -> npt.NDArray[Any]:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    if not is_text and not (pa.types.is_integer(kind) and name.endswith("utterance_id")):
        raise Unfit(path, f"{name} must be texts, found {shown(kind)}")
    if column.null_count:
        row = column.is_null().index(True).as_py()
        raise Unfit(path, f"{name} must be there in every row, found none in row {row}")
    return np.array([str(value) for value in column.to_pylist()], dtype=np.dtypes.StringDType())


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))
