"""The label files of an MSP-Podcast release: CSV or JSON, one row a clip."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.corpora.loading import load

LABEL_COLUMNS = ("FileName", "EmoClass", "EmoAct", "EmoVal", "EmoDom")


def canonical(clip: str) -> str:
    """A clip's name as releases write it: they end in `.wav`, some copies in `.WAV`."""
    stem, ending = clip[:-4], clip[-4:]
    return clip if ending == ".wav" or ending.lower() != ".wav" else f"{stem}.wav"


def read_labels(file: Path) -> pa.Table:
    """The consensus labels as text, one row a clip, with the columns of the release and canonical names.

    Raises ValueError where the file has another structure, or a clip twice.
    """
    table = _load_json(file) if file.suffix == ".json" else load(file, wanted=LABEL_COLUMNS).text()
    if wrong := [name for name in LABEL_COLUMNS if table.column_names.count(name) != 1]:
        raise ValueError(
            f"{file} must have the columns {', '.join(LABEL_COLUMNS)} once, not so {', '.join(wrong)}; "
            f"it has {', '.join(table.column_names)}"
        )
    names = table.column("FileName").to_pylist()
    if None in names:
        raise ValueError(
            f"every row of {file} must have a FileName, found none in row {names.index(None) + 1}"
        )
    names = [canonical(name) for name in names]
    if repeated := [name for name, count in Counter(names).items() if count > 1]:
        raise ValueError(
            f"{file} must have one row a clip, found {repeated[0]} more than once (in all {len(repeated)} such "
            f"clips): remove the rows that are too many, or copy the file from the release again"
        )
    return table.set_column(table.column_names.index("FileName"), "FileName", pa.array(names, pa.string()))


def _load_json(file: Path) -> pa.Table:
    """`{"MSP-PODCAST_0001_0008.wav": {"EmoClass": "N", "EmoAct": 4.2, ...}, ...}` as a table of text."""
    shape = f"{file} must map each clip's name to its labels, in JSON"
    try:
        with file.open(encoding="utf-8-sig") as text:
            # Objects as pairs, because a dictionary would take the last of two and say nothing.
            clips = json.load(text, object_pairs_hook=tuple)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{file} must be text in UTF-8, found other bytes: save it again as UTF-8"
        ) from error
    except (ValueError, RecursionError) as error:
        found = "objects deep within others" if isinstance(error, RecursionError) else error
        raise ValueError(f"{shape}: {found}") from error
    if not isinstance(clips, tuple):
        raise ValueError(f"{shape}, found {_kind(clips)}: copy the file from the release again")
    rows = [_labels_of(clip, labels, shape) for clip, labels in clips]
    columns = {"FileName": [_text(clip) for clip, _ in clips]}
    for key in dict.fromkeys(key for row in rows for key in row):
        columns[key] = [_text(row.get(key)) for row in rows]
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


def _labels_of(clip: str, pairs: object, shape: str) -> dict[str, object]:
    """What JSON says of one clip. Raises ValueError where it is no object, or says something twice."""
    if not isinstance(pairs, tuple):
        raise ValueError(f'{shape}, as {{"EmoClass": "N", "EmoVal": 4.6}}, found {_kind(pairs)} for {clip}')
    labels: dict[str, object] = dict(pairs)
    if len(labels) < len(pairs):
        repeated = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"{shape}, each label once, found {repeated} more than once for {clip}: remove one")
    if nested := [key for key, value in pairs if isinstance(value, tuple | list)]:
        raise ValueError(f"{shape}, found {_kind(labels[nested[0]])} as {nested[0]} of {clip}")
    return labels


def _kind(value: object) -> str:
    if isinstance(value, tuple | list):
        return "an object" if isinstance(value, tuple) else "a list"
    return f"{json.dumps(value):.40}"


def _text(value: object) -> str | None:
    return None if value is None else str(value).strip() or None


def compare_labels(taken: Path, table: pa.Table, others: Sequence[Path]) -> list[str]:
    """Notes on the label files beside the one that was read, where they say something else."""
    notes = []
    for other in others:
        try:
            differing = _differing(table, read_labels(other))
        except ValueError as error:
            notes.append(f"{taken} was read, and not {other}, which cannot be: {error}")
            continue
        if differing:
            notes.append(
                f"{taken} was read, and not {other}, which says something else of {len(differing)} of the clips "
                f"(the first: {differing[0]}): keep the right one"
            )
    return notes


def _differing(one: pa.Table, other: pa.Table) -> list[str]:
    """The clips that only one file has, or whose labels differ."""
    columns = [
        name
        for name in (*LABEL_COLUMNS[1:], "Split_Set")
        if name in one.column_names and name in other.column_names
    ]

    def rows(table: pa.Table) -> dict[str, tuple[Any, ...]]:
        values = ([_value(text) for text in table.column(name).to_pylist()] for name in columns)
        return dict(zip(table.column("FileName").to_pylist(), zip(*values, strict=True), strict=True))

    first, second = rows(one), rows(other)
    return sorted(clip for clip in first.keys() | second.keys() if first.get(clip) != second.get(clip))


def _value(text: str | None) -> float | str | None:
    """What is the same in CSV and JSON: 4.2 and 4.20, 5.166667 and 5.1666666666, nothing and NaN."""
    try:
        number = round(float(text or "nan"), 4)
    except ValueError:
        return text
    return number if number == number else None
