"""A table that nobody has described yet: which settings would read it, and what a person must check of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.corpora import guessing, labels, paths
from pipeline.corpora.loading import Loaded, load
from pipeline.corpora.rows import LABELS, OPTIONAL, REQUIRED
from pipeline.corpora.texts import listed
from pipeline.manifest import EMOTIONS

TABLES = (".csv", ".tsv", ".parquet", ".pq", ".feather", ".arrow")
PACKED = (".gz", ".bz2", ".zst", ".lz4")

SHOWN = 8
"""A message names no more values."""


@dataclass(frozen=True)
class Proposal:
    """Settings of prepare.table for a file."""

    file: Path
    columns: dict[str, str]
    splits: dict[str, str]
    emotions: dict[str, str | None]
    drop: dict[str, list[str]]
    scale: tuple[float, float]
    counts: dict[str, int]
    """Rows of each split, by its new name, without those that are dropped."""
    classes: bool
    """Whether every such row has an emotion class."""
    checks: list[str] = field(default_factory=list)
    """What a person must look at."""


def propose_table(root: Path, file: Path | None, given: Mapping[str, str]) -> Proposal:
    """Settings that read a table of clips below `root`; without `file`, of the one table that lies in it.

    `given` maps columns that are known. Raises ValueError where the table, or a column that it must have, cannot
    be told, naming those that it may be.
    """
    loaded = load(file or _only_table(root))
    if not loaded.rows:
        raise ValueError(f"{loaded.file} must have a row a clip below its header, found none")
    columns, checks = _columns(loaded, root, given)
    rows = loaded.text({name: loaded.names.index(column) for name, column in columns.items()})
    checks += _paths(rows.column("path"), root)
    splits, scale = guessing.guess_splits(_values(rows, "split")), _scale(rows)
    emotions = guessing.guess_emotions(_values(rows, "emotion")) if "emotion" in columns else {}
    drop, kept = _unlabelled(rows)
    if drop:
        checks.append(
            f"{rows.num_rows - kept.num_rows} of {rows.num_rows} rows have no label or split: left out"
        )
    counts = Counter(splits.get(split, split) for split in kept.column("split").to_pylist())
    checks.append(
        f"labels are taken for {scale[0]:g}..{scale[1]:g}: write prepare.table.scale as people were asked"
    )
    if unknown := sorted(counts.keys() - guessing.USUAL_SPLITS.keys()):
        checks.append(f"splits that are kept as written: {_some(unknown)}: prepare.table.splits renames them")
    classes = "emotion" in columns
    if classes:
        values = {emotions.get(value, value) for value in kept.column("emotion").to_pylist()}
        classes = values <= set(EMOTIONS)
        if strange := sorted(value for value in values if value and value not in EMOTIONS):
            checks.append(
                f"emotions that have no class: {_some(strange)}: name one in prepare.table.emotions"
            )
    return Proposal(loaded.file, columns, splits, emotions, drop, scale, dict(counts), classes, checks)


def _only_table(root: Path) -> Path:
    tables = sorted(
        path
        for path in root.iterdir()
        if path.is_file()
        and not path.name.startswith(".")
        and (path.with_suffix("") if path.suffix.lower() in PACKED else path).suffix.lower() in TABLES
    )
    if len(tables) != 1:
        found = ", ".join(path.name for path in tables[:SHOWN]) or "none"
        raise ValueError(f"--file must name the table where there is not one alone in {root}, found {found}")
    return tables[0]


def _columns(loaded: Loaded, root: Path, given: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The map of columns, and what is not certain about it."""
    columns, checks = {}, []
    for name, column in given.items():
        if name not in (*REQUIRED, *OPTIONAL) or loaded.names.count(column) != 1:
            raise ValueError(
                f"--column must map one of {', '.join((*REQUIRED, *OPTIONAL))} to a column of {loaded.file}, "
                f"which has {listed(loaded.names)}, found {name}={column}"
            )
    for name in (*REQUIRED, *OPTIONAL):
        found = [given[name]] if name in given else guessing.candidates(loaded.names, name)
        if name == "path" and len(found) > 1:
            found = _with_files(loaded, found, root) or found
        if name == "id":
            unique = [column for column in found if _is_unique(loaded, column)]
            if found and not unique:
                checks.append(f"{found[0]!r} is empty or the same in several rows: the path is the id")
            found = unique
        if len(found) != 1 and name in REQUIRED:
            usual = ", ".join(guessing.USUAL_COLUMNS[name][:4])
            what = f"may be {' or '.join(found)}" if found else f"is called none of {usual} and the like"
            raise ValueError(
                f"a column of {loaded.file} must be {name}, which {what}; it has {listed(loaded.names)}: say "
                f"which by --column {name}=NAME"
            )
        if found:
            columns[name] = found[0]
        if len(found) > 1:
            checks.append(f"{name} may be {' or '.join(map(repr, found))}: {found[0]!r} was taken")
    return columns, checks


def _with_files(loaded: Loaded, columns: Sequence[str], root: Path) -> list[str]:
    """The columns whose first value is a file below the root."""
    folders = paths.Folders(root)

    def is_there(column: str) -> bool:
        text = loaded.text({"path": loaded.names.index(column)}).column("path")[0].as_py()
        return text is not None and folders.resolve(text.replace("\\", "/"))[1] != paths.ABSENT

    return [column for column in columns if is_there(column)]


def _is_unique(loaded: Loaded, column: str) -> bool:
    texts = loaded.text({"id": loaded.names.index(column)}).column("id")
    return not texts.null_count and len(pc.unique(texts)) == len(texts)


def _paths(texts: pa.ChunkedArray, root: Path) -> list[str]:
    """What is to be said where files are not where the table says."""
    listed = [path for path in texts.to_pylist() if path]
    found = paths.find(listed, root, root, lambda row: f"row {row + 1}")
    folders = paths.Folders(root)
    absent = [path for path in found.files if folders.resolve(path)[1] == paths.ABSENT]
    if not absent:
        return []
    nearby = (path for path in (root.parent, *sorted(root.iterdir())) if path.is_dir())
    near = next((folder for folder in nearby if (folder / absent[0]).is_file()), None)
    advice = f"; it lies in {near}: use --root {near}" if near else ""
    return [f"{len(absent)} of {len(listed)} paths are no file in {root} (the first: {absent[0]}){advice}"]


def _scale(rows: pa.Table) -> tuple[float, float]:
    """The smallest of the usual scales that every label lies on."""
    ends = []
    for name in LABELS:
        if name in rows.column_names:
            known = labels.known_of(rows.column(name))
            numbers = labels.to_numbers(known, name, lambda row: f"row {row + 1}", scale=(-100, 100))
            ends += [end for end in pc.min_max(numbers).as_py().values() if end is not None]
    low, high = min(ends, default=1.0), max(ends, default=7.0)
    fitting = [scale for scale in labels.USUAL_SCALES if scale[0] <= low and high <= scale[1]]
    return fitting[0] if fitting else (low, high)


def _unlabelled(rows: pa.Table) -> tuple[dict[str, list[str]], pa.Table]:
    """The values that stand for no label or no split, and the rows without them."""
    drop, kept = {}, rows
    for name in REQUIRED[1:]:
        column = kept.column(name)
        missing = pc.is_null(column if name == "split" else labels.known_of(column))
        if pc.any(missing).as_py():
            drop[name] = sorted(pc.unique(pc.fill_null(column.filter(missing), "")).to_pylist())
            kept = kept.filter(pc.invert(missing))
    return drop, kept


def _values(rows: pa.Table, name: str) -> list[str]:
    return sorted(value for value in pc.unique(rows.column(name)).to_pylist() if value is not None)


def _some(values: Sequence[str]) -> str:
    return ", ".join(repr(value) for value in values[:SHOWN]) + (", …" if len(values) > SHOWN else "")
