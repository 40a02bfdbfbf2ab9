"""A corpus of one's own: any CSV or parquet with one row a clip and a column map."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from pipeline.manifest import LABEL_MAX, LABEL_MIN, Utterance

REQUIRED = ("path", "split", "valence", "arousal")
OPTIONAL = ("id", "dominance", "emotion", "speaker", "transcript")
LABELS = ("valence", "arousal", "dominance")


def read(
    file: Path,
    *,
    columns: Mapping[str, str],
    splits: Mapping[str, str] | None = None,
    scale: Sequence[float] = (LABEL_MIN, LABEL_MAX),
    drop: Mapping[str, Sequence[str]] | None = None,
) -> tuple[list[Utterance], dict[str, int]]:
    """Read a table's rows as utterances, and count those left out by the reason.

    `columns` maps the manifest's names to the file's: path, split, valence and arousal must be there; id (the
    path where it is not given), dominance, emotion, speaker and transcript may be. `splits` renames the
    values of the split column. `drop` leaves out rows that hold one of the listed values, as the file spells
    them, in a column. `scale` is the lowest and highest possible label, rescaled to 1..7. Raises ValueError
    where the map names a column that does not exist, or a label is not a number.
    """
    if unknown := sorted(columns.keys() - {*REQUIRED, *OPTIONAL}):
        raise ValueError(
            f"prepare.table.columns may map {', '.join((*REQUIRED, *OPTIONAL))}, found {', '.join(unknown)}"
        )
    if missing := [name for name in REQUIRED if name not in columns]:
        raise ValueError(
            f"prepare.table.columns must map {', '.join(REQUIRED)}, missing {', '.join(missing)}"
        )
    low, high = scale
    if not low < high:
        raise ValueError(f"prepare.table.scale must be a low and a high label, found {low:g} and {high:g}")
    table = _load(file)
    if repeated := sorted({n for n in columns.values() if table.column_names.count(n) > 1}):
        raise ValueError(f"{file} must have a mapped column once, found {', '.join(repeated)} repeated")
    if absent := sorted(set(columns.values()) - set(table.column_names)):
        raise ValueError(
            f"{file} must have the columns that prepare.table.columns names, missing {', '.join(absent)}; "
            f"it has {', '.join(table.column_names)}"
        )
    renamed = table.select(list(columns.values())).rename_columns(list(columns))
    unwanted = {name: set(values) for name, values in (drop or {}).items()}
    if unmapped := sorted(unwanted.keys() - columns.keys()):
        raise ValueError(f"prepare.table.drop must name mapped columns, found {', '.join(unmapped)}")
    utterances, left_out = [], Counter[str]()
    for number, row in enumerate(renamed.to_pylist(), start=1):
        reasons = [f"{name} {row[name]}" for name, values in unwanted.items() if str(row[name]) in values]
        if reasons:
            left_out[reasons[0]] += 1
        else:
            utterances.append(_utterance(row, f"row {number} of {file}", splits or {}, low, high))
    return utterances, dict(sorted(left_out.items()))


def _load(file: Path) -> pa.Table:
    if not file.is_file():
        raise ValueError(f"prepare.table.file must be a CSV or parquet file, found no file {file}")
    try:
        if file.suffix in {".parquet", ".pq"}:
            return pq.read_table(file)
        # Ids such as 0012 must stay as they are written, so nothing is guessed: every column is text.
        with pyarrow.csv.open_csv(file) as reader:
            names = reader.schema.names
        as_text = pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""]
        )
        return pyarrow.csv.read_csv(file, convert_options=as_text)
    except (pa.ArrowInvalid, OSError) as error:
        raise ValueError(f"{file} must be a CSV or parquet file: {error}") from error


def _utterance(
    row: dict[str, Any], where: str, splits: Mapping[str, str], low: float, high: float
) -> Utterance:
    def text(name: str) -> str | None:
        value = row.get(name)
        return None if value is None or str(value).strip() == "" else str(value).strip()

    def label(name: str) -> float | None:
        value = text(name)
        if value is None:
            if name in REQUIRED:
                raise ValueError(f"{name} must be a number, found nothing in {where}")
            return None
        try:
            number = float(value)
        except ValueError:
            raise ValueError(f"{name} must be a number, found {value!r} in {where}") from None
        if math.isnan(number) and name not in REQUIRED:
            return None
        if not low <= number <= high:
            raise ValueError(f"{name} must lie within {low:g}..{high:g}, found {value} in {where}")
        return LABEL_MIN + (number - low) * (LABEL_MAX - LABEL_MIN) / (high - low)

    path, split = text("path"), text("split")
    valence, arousal = label("valence"), label("arousal")
    if path is None or split is None or valence is None or arousal is None:
        raise ValueError(f"path and split must not be empty, found an empty one in {where}")
    return Utterance(
        id=text("id") or path,
        path=path,
        split=splits.get(split, split),
        valence=valence,
        arousal=arousal,
        dominance=label("dominance"),
        emotion=text("emotion"),
        speaker=text("speaker"),
        transcript=text("transcript"),
    )
