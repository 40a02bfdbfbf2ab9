"""A corpus of one's own: any CSV or parquet with one row a clip and a column map."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.corpora.corpus import Corpus
from pipeline.corpora.rows import OPTIONAL, REQUIRED, load, to_utterances
from pipeline.manifest import DEVELOPMENT, LABEL_MAX, LABEL_MIN, TEST1, TRAIN, Utterance
from pipeline.support import counted

USUAL_SPLITS = (TRAIN, DEVELOPMENT, TEST1, "test2", "test3")

SPLITS_TOLD = 10
"""A note names no more of them: a column that was mapped by mistake has thousands of values."""


def read(
    file: Path,
    *,
    columns: Mapping[str, str],
    splits: Mapping[str, str] | None = None,
    scale: Sequence[float] = (LABEL_MIN, LABEL_MAX),
    drop: Mapping[str, Sequence[str]] | None = None,
) -> Corpus:
    """Read a table's rows as utterances, and count those left out by the reason.

    `columns` maps the manifest's names to the file's: path, split, valence and arousal must be there; id (the
    path where it is not given), dominance, emotion, speaker and transcript may be. `splits` renames the
    values of the split column. `drop` leaves out rows that hold one of the listed values, as the file spells
    them, in a column. `scale` is the lowest and highest possible label, rescaled to 1..7. Raises ValueError
    where the map names a column that does not exist, or a label is not a number.
    """
    _check_map(columns, scale, drop or {})
    if not file.is_file():
        raise ValueError(f"prepare.table.file must be a CSV or parquet file, found no file {file}")
    table = load(file)
    if repeated := sorted({n for n in columns.values() if table.column_names.count(n) > 1}):
        raise ValueError(f"{file} must have a mapped column once, found {', '.join(repeated)} repeated")
    if absent := sorted(set(columns.values()) - set(table.column_names)):
        raise ValueError(
            f"{file} must have the columns that prepare.table.columns names, missing {', '.join(absent)}; "
            f"it has {', '.join(table.column_names)}"
        )
    rows = table.select(list(columns.values())).rename_columns(list(columns))
    utterances, left_out = to_utterances(
        rows,
        lambda row: f"row {row + 1} of {file}",
        scale=scale,
        drop=drop,
        rename={"split": dict(splits or {})},
    )
    return Corpus(utterances, str(file), left_out, _unusual_splits(utterances, splits or {}, file))


def _unusual_splits(utterances: Sequence[Utterance], splits: Mapping[str, str], file: Path) -> list[str]:
    """A note on splits that are neither the usual ones nor named in `splits`: `Train` is not `train`."""
    counts = Counter(utterance.split for utterance in utterances)
    unusual = sorted(counts.keys() - {*USUAL_SPLITS, *splits.values()})
    if not unusual:
        return []
    told = ", ".join(f"{split!r} {counts[split]}" for split in unusual[:SPLITS_TOLD])
    more = f" and {len(unusual) - SPLITS_TOLD} more" if len(unusual) > SPLITS_TOLD else ""
    return [
        f"{file} has {counted(len(unusual), 'split', 'splits')} of other names than {', '.join(USUAL_SPLITS)}, "
        f"kept as written: {told}{more}; prepare.table.splits renames them"
    ]


def _check_map(columns: Mapping[str, str], scale: Sequence[float], drop: Mapping[str, Sequence[str]]) -> None:
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
    if unmapped := sorted(drop.keys() - columns.keys()):
        raise ValueError(f"prepare.table.drop must name mapped columns, found {', '.join(unmapped)}")
