"""One answer, and the table that answers are kept and shared in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.captions.llm.requests import CAPTIONS_PER_ANSWER, Key
from pipeline.captions.llm.validation import MOST_CHARACTERS, check_answer

ANSWERS_SCHEMA = pa.schema(
    [
        pa.field("model", pa.string(), nullable=False),
        pa.field("prompt_hash", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("cell", pa.string(), nullable=False),
        pa.field("draw", pa.int32(), nullable=False),
        pa.field("answer", pa.string()),  # the captions, one a line; null where there is a problem
        pa.field("problem", pa.string()),
        pa.field("raw", pa.string(), nullable=False),
        pa.field("date", pa.string(), nullable=False),  # UTC, ISO 8601
        pa.field("input_tokens", pa.int32()),
        pa.field("output_tokens", pa.int32()),
    ]
)

TEXTS = [field.name for field in ANSWERS_SCHEMA if field.type == pa.string()]

ROWS_AT_ONCE = 1024

MOST_UNPACKED, FREELY_UNPACKED = 100, 16 * 2**20
"""Times a table's size on the disk, and bytes, that it may come to: prose unpacks to some four times its size."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model said to one request, good or not."""

    model: str
    prompt_hash: str
    kind: str
    cell: str
    draw: int
    answer: str | None
    problem: str | None
    raw: str
    date: str
    input_tokens: int | None
    output_tokens: int | None

    @property
    def key(self) -> Key:
        """What it belongs to."""
        return Key(self.model, self.prompt_hash, self.kind, self.cell, self.draw)


def judged(row: Answer) -> Answer:
    """An answer from elsewhere, judged anew. Raises RuntimeError for what cannot have come from an endpoint."""
    for name, value in asdict(row).items():
        if isinstance(value, str) and len(value) > MOST_CHARACTERS:
            raise RuntimeError(
                f"{name} of an answer must have at most {MOST_CHARACTERS:,} characters, found {len(value):,} for "
                f"{row.cell[:40]!r}"
            )
    if row.kind not in CAPTIONS_PER_ANSWER:
        raise RuntimeError(
            f"an answer must be for one of {', '.join(CAPTIONS_PER_ANSWER)}, found {row.kind[:40]!r} for "
            f"{row.cell[:40]!r}"
        )
    try:
        datetime.fromisoformat(row.date)
    except ValueError:
        raise RuntimeError(
            f"an answer must have a date in ISO 8601, found {row.date[:40]!r} for {row.cell[:40]!r}"
        ) from None
    if row.problem is not None:  # such as that it was cut off, which the text does not show
        return replace(row, answer=None)
    answer, problem = check_answer(row.raw, row.kind)
    return replace(row, answer=answer, problem=problem)


def read_table(path: Path) -> list[Answer]:
    """A table of answers from anywhere. Raises RuntimeError where it is none, or far larger than its file."""
    try:
        if pq.read_schema(path).equals(ANSWERS_SCHEMA):
            return list(_rows(path))
    except (pa.ArrowException, OSError, UnicodeDecodeError):
        pass
    raise RuntimeError(
        f"{path} must be a table of answers, found another or a damaged file: bring back a copy; "
        f"without it, what it held is asked and paid for again"
    )


def _rows(path: Path) -> Iterator[Answer]:
    """Its rows, each text once in memory until it is known how long all of them are."""
    left = MOST_UNPACKED * path.stat().st_size + FREELY_UNPACKED
    with pq.ParquetFile(path, read_dictionary=TEXTS) as file:
        groups = (file.metadata.row_group(i) for i in range(file.num_row_groups))
        if sum(max(group.total_byte_size, 0) for group in groups) > left:
            raise _too_large(path)
        for batch in file.iter_batches(ROWS_AT_ONCE):
            for field, column in zip(ANSWERS_SCHEMA, batch.columns, strict=True):
                if column.null_count and not field.nullable:
                    raise pa.ArrowInvalid(f"{field.name} is null")
                left -= _bytes_of(column)
            if left < 0:
                raise _too_large(path)
            for row in batch.to_pylist():
                yield Answer(**row)


def _bytes_of(column: Any) -> int:
    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    lengths = pc.binary_length(column.dictionary).take(column.indices)
    return int(pc.sum(lengths.cast(pa.int64())).as_py() or 0)


def _too_large(path: Path) -> RuntimeError:
    return RuntimeError(
        f"{path} must be a table of answers, found one that unpacks to over {MOST_UNPACKED} times its size"
    )
