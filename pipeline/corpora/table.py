"""A corpus of one's own: any table with one row a clip, and a map of its columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.corpora import paths, remarks
from pipeline.corpora.columns import check_map, locate
from pipeline.corpora.corpus import Corpus
from pipeline.corpora.loading import KINDS, Loaded, load
from pipeline.corpora.rows import LABELS, check_filled, drop_rows, to_utterances
from pipeline.corpora.texts import shown
from pipeline.manifest import LABEL_MAX, LABEL_MIN
from pipeline.support import counted

EMPTY = "empty row"
"""Why a row is left out none of whose mapped columns has anything; spreadsheets write such after the last."""


def read(
    file: Path,
    *,
    columns: Mapping[str, str],
    root: Path | None = None,
    written_root: Path | None = None,
    splits: Mapping[str, str] | None = None,
    emotions: Mapping[str, str | None] | None = None,
    scale: Sequence[float] | None = None,
    drop: Mapping[str, Sequence[str]] | None = None,
    separator: str | None = None,
    decimal: str | None = None,
) -> Corpus:
    """Read a table's rows as utterances, and count those left out by the reason.

    `columns` maps the manifest's names to the file's: path, split, valence and arousal must be there; id (the
    path where it is not given or empty), dominance, emotion, speaker and transcript may be. `splits` and
    `emotions` rename the values of these columns. `drop` leaves out rows that hold one of the listed values, as
    the file spells them, in a column. `scale` is the lowest and highest possible label, rescaled to 1..7; None is
    1..7 with a note where the labels look otherwise. `separator` and `decimal` are told from the file where they
    are None: by the header, and by numbers that all have a comma or no fraction. Paths are looked for below
    `root`, by default the file's folder; `written_root` is where params.yaml says that it lies. Raises
    ValueError with one line where the file is no such table, with the line, the column and the value.
    """
    check_map(columns)
    low, high = scale or (LABEL_MIN, LABEL_MAX)
    if not low < high:
        raise ValueError(f"prepare.table.scale must be a low and a high label, found {low:g} and {high:g}")
    if unmapped := sorted((drop or {}).keys() - columns.keys()):
        raise ValueError(f"prepare.table.drop must name mapped columns, found {', '.join(unmapped)}")
    if emotions and "emotion" not in columns:
        raise ValueError("prepare.table.columns must map emotion where prepare.table.emotions renames them")
    if not file.is_file():
        raise ValueError(f"prepare.table.file must be {KINDS}, found no file {file}")
    loaded = load(file, wanted=list(columns.values()), separator=separator)
    numbers, notes = locate(columns, loaded.names, file)
    if not loaded.rows:
        raise ValueError(f"{file} must have a row a clip below its header, found none")
    rows = loaded.text(numbers)
    rows, kept, left_out = _drop(rows, drop or {}, loaded)
    place = _Place(loaded, kept, rows, {name: loaded.names[i] for name, i in numbers.items()})
    root = root or file.parent
    check_filled(rows.column("path"), "path", lambda row: place(row, "path"), hints=True)
    found = paths.find(
        rows.column("path").to_pylist(), root, written_root or root, lambda row: place(row, "path")
    )
    ids, more = _ids(rows, found.listed, place)
    notes += [*more, *found.notes]
    rows = _with(_with(rows, "path", found.files), "id", ids)
    utterances, _ = to_utterances(
        rows,
        place,
        scale=(low, high),
        rename={"split": dict(splits or {})} | ({"emotion": dict(emotions)} if emotions else {}),
        decimal=decimal,
        hints=True,
    )
    notes += remarks.unusual_splits(utterances, (splits or {}).values(), file)
    notes += remarks.unknown_emotions(utterances, file)
    notes += remarks.forgotten_scale(utterances, file) if scale is None else []
    return Corpus(utterances, str(file), left_out, notes)


class _Place:
    """Where a kept row has a column of the manifest's: line, column and path."""

    def __init__(self, loaded: Loaded, kept: pa.Array, rows: pa.Table, names: Mapping[str, str]) -> None:
        self._loaded, self._kept, self._rows, self._names = loaded, kept, rows, names

    def lines(self, *rows: int) -> str:
        return self._loaded.place(*(self._kept[row].as_py() for row in rows))

    def __call__(self, row: int, name: str) -> str:
        path = self._rows.column("path")[row].as_py()
        clip = f" ({shown(path)})" if path and name != "path" else ""
        return f"{self.lines(row)}, column {self._names[name]!r}{clip}"


def _drop(
    rows: pa.Table, drop: Mapping[str, Sequence[str]], loaded: Loaded
) -> tuple[pa.Table, pa.Array, dict[str, int]]:
    """The rows that stay, their numbers, and how many were left out by reason."""
    nothing = pc.is_null(rows.column(0))
    for column in rows.columns[1:]:
        nothing = pc.and_(nothing, pc.is_null(column))
    empty = rows.num_rows and pc.sum(nothing).as_py()
    drop = {name: values for name, values in drop.items() if values}
    marked = rows.append_column(EMPTY, pc.if_else(nothing, EMPTY, None))
    marked, kept, left_out = drop_rows(marked, ({EMPTY: [EMPTY]} if empty else {}) | drop)
    rows = marked.drop_columns([EMPTY])
    if empty:
        left_out[EMPTY] = left_out.pop(f"{EMPTY} {EMPTY}")
    if loaded.separator is None:  # a missing text may be a number there that is none
        for name in set(rows.column_names) - set(LABELS):
            texts = rows.column(name)
            rows = _with(rows, name, pc.if_else(pc.equal(texts, "nan"), None, texts))
    return rows, kept, left_out


def _with(rows: pa.Table, name: str, values: object) -> pa.Table:
    column = (
        values if isinstance(values, pa.ChunkedArray) else pa.chunked_array([pa.array(values, pa.string())])
    )
    if name in rows.column_names:
        return rows.set_column(rows.column_names.index(name), name, column)
    return rows.append_column(name, column)


def _ids(rows: pa.Table, listed: Sequence[str], place: _Place) -> tuple[list[str], list[str]]:
    """Every row's id, and a note where the path stands for one. Raises ValueError where two rows have one."""
    mapped = "id" in rows.column_names
    given = rows.column("id").to_pylist() if mapped else [None] * len(listed)
    ids = [name or path for name, path in zip(given, listed, strict=True)]
    if repeated := remarks.first_repeated(ids):
        first, second, count = repeated
        several = f" (in all {count} ids occur more than once)" if count > 1 else ""
        advice = "remove one" if mapped else "remove one, or map a column that tells them apart as id"
        raise ValueError(
            f"an utterance id must occur once, found {ids[first]!r} in "
            f"{place.lines(first, second)}{several}: {advice}"
        )
    notes = []
    if mapped and None in given:
        missing = counted(given.count(None), "row has", "rows have")
        notes.append(
            f"{missing} no id, for which the path stands (the first: {place(given.index(None), 'id')})"
        )
    return ids, notes
