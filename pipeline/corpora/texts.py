"""A column of any type as text: what a CSV of the same table would hold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

TOLD = 60
"""A message names no more columns."""


def of(column: pa.ChunkedArray, name: str, file: Path, *, whole: bool = True) -> pa.ChunkedArray:
    """A column as text, stripped of spaces, null where it is empty.

    With `whole`, a column of whole numbers is written without points, also where the file keeps them as fractions
    because one is missing: an id 1.0 is 1. Bytes are read as UTF-8. Raises ValueError for bytes that are not, and
    for lists and the like.
    """
    text = pc.utf8_trim_whitespace(_text(column, name, file, whole))
    return pc.if_else(pc.equal(text, ""), None, text)


def shown(text: str, most: int = 80) -> str:
    """A text as a message holds it: in one line, and not all of a long one."""
    return " ".join(text.split())[:most]


def listed(names: Sequence[str]) -> str:
    """Names as a message holds them."""
    more = f" and {len(names) - TOLD} more" if len(names) > TOLD else ""
    return ", ".join(shown(name) for name in names[:TOLD]) + more


def _text(column: pa.ChunkedArray, name: str, file: Path, whole: bool) -> pa.ChunkedArray:
    kind = column.type
    if kind == pa.string():
        return column
    if isinstance(kind, pa.BaseExtensionType):
        return _text(pc.cast(column, kind.storage_type), name, file, whole)
    if pa.types.is_dictionary(kind):
        return _text(pc.cast(column, kind.value_type), name, file, whole)
    if pa.types.is_floating(kind):
        return _numbers(column, whole)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return _bytes(column, name, file)
    if pa.types.is_boolean(kind):
        return pc.if_else(column, "True", "False")
    try:
        return pc.cast(column, pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise ValueError(f"column {name!r} of {file} must hold text or numbers, found {kind}") from None


def _numbers(column: pa.ChunkedArray, whole: bool) -> pa.ChunkedArray:
    """As Python writes them, which reads back to the same; with `whole`, whole columns as whole numbers."""
    numbers = pc.cast(column, pa.float64())
    present = numbers.drop_null().filter(pc.invert(pc.is_nan(numbers.drop_null())))
    all_whole = pc.all(pc.and_(pc.equal(present, pc.floor(present)), pc.less(pc.abs(present), 2.0**53)))
    if whole and all_whole.as_py() and len(present):
        return pc.if_else(
            pc.is_nan(numbers),
            "nan",
            pc.cast(pc.cast(pc.if_else(pc.is_nan(numbers), 0.0, numbers), pa.int64()), pa.string()),
        )
    values = [None if value is None else str(value) for value in numbers.to_pylist()]
    return pa.chunked_array([pa.array(values, pa.string())])


def _bytes(column: pa.ChunkedArray, name: str, file: Path) -> pa.ChunkedArray:
    try:
        return pc.cast(pc.cast(column, pa.binary()), pa.string())
    except pa.ArrowInvalid:
        for row, value in enumerate(column.to_pylist()):
            try:
                (value or b"").decode()
            except UnicodeDecodeError:
                raise ValueError(
                    f"column {name!r} must hold text in UTF-8, found {value[:40]!r} in row {row + 1} of {file}"
                ) from None
        raise
