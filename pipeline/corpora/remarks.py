"""What a person must be told of a table that was read: unusual values, labels that look like another scale."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import numpy as np

from pipeline.manifest import DEVELOPMENT, EMOTIONS, TEST1, TRAIN, Utterance
from pipeline.support import counted

USUAL_SPLITS = (TRAIN, DEVELOPMENT, TEST1, "test2", "test3")

TOLD = 10
"""A note names no more values: a column that was mapped by mistake has thousands."""

OTHER_END = 5.0
"""The highest label of the most usual scale beside 1..7; on 1..7, a corpus of some size goes beyond."""

ENOUGH_ROWS, FEW_ROWS = 100, 20
"""So many rows tell by their highest label alone that a scale ends there; so few, where its ends are common."""

SHARE_AT_ENDS = 0.05


def unusual_splits(utterances: Sequence[Utterance], renamed: Collection[str], file: Path) -> list[str]:
    """A note on splits that are neither the usual ones nor made by renaming: `Train` is not `train`."""
    counts = Counter(utterance.split for utterance in utterances)
    unusual = sorted(counts.keys() - {*USUAL_SPLITS, *renamed})
    if not unusual:
        return []
    return [
        f"{file} has {counted(len(unusual), 'split', 'splits')} of other names than {', '.join(USUAL_SPLITS)}, "
        f"kept as written: {_told(unusual, counts)}; prepare.table.splits renames them"
    ]


def unknown_emotions(utterances: Sequence[Utterance], file: Path) -> list[str]:
    """A note on emotions that no method knows: `happy` is not `H`."""
    counts = Counter(u.emotion for u in utterances if u.emotion is not None)
    unknown = sorted(counts.keys() - set(EMOTIONS))
    if not unknown:
        return []
    return [
        f"{file} has {counted(len(unknown), 'emotion', 'emotions')} of other names than {' '.join(EMOTIONS)}, "
        f"which methods that learn from classes need, kept as written: {_told(unknown, counts)}; "
        f"prepare.table.emotions renames them (null for no class), prepare.table.drop leaves such rows out"
    ]


def forgotten_scale(utterances: Sequence[Utterance], file: Path) -> list[str]:
    """A note where labels that were taken for 1..7 never go beyond 5 and there are enough to tell."""
    labels = np.array([(u.valence, u.arousal) for u in utterances])
    if len(labels) < FEW_ROWS or labels.max() > OTHER_END:
        return []
    at_ends = np.mean((labels == OTHER_END) | (labels == 1))
    both_ends = labels.max() == OTHER_END and labels.min() == 1 and at_ends >= SHARE_AT_ENDS
    if len(labels) < ENOUGH_ROWS and not both_ends:
        return []
    return [
        f"no valence or arousal of the {len(labels)} rows of {file} is above {labels.max():g}: if people could "
        f"not choose up to 7, set prepare.table.scale to the lowest and the highest that they could, such as "
        f"[1, 5]; if they could, set it to [1, 7]"
    ]


def _told(values: Sequence[str], counts: Counter[str]) -> str:
    told = ", ".join(f"{value!r} {counts[value]}" for value in values[:TOLD])
    return told + (f" and {len(values) - TOLD} more" if len(values) > TOLD else "")


def first_repeated(ids: Iterable[str]) -> tuple[int, int, int] | None:
    """The first two rows that have one id, and how many ids occur more than once; None where none does."""
    counts = Counter(ids)
    repeated = {name for name, count in counts.items() if count > 1}
    if not repeated:
        return None
    first: dict[str, int] = {}
    for row, name in enumerate(ids):
        if name in repeated and first.setdefault(name, row) != row:
            return first[name], row, len(repeated)
    return None
