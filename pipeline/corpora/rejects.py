"""The clips that were left out: listed, counted by reason, and too many of them refused."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.corpora.inspected import Unreachable
from pipeline.manifest import Manifest
from pipeline.support import write_csv

REASONS_TOLD = 3
"""A summary names no more of them."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A clip that was left out."""

    id: str
    path: str
    split: str
    reason: str


def write_rejects(rejects: Sequence[Reject], path: Path) -> None:
    """Write what was left out as CSV: id, path, split, reason. An empty list gives a header alone."""
    write_csv([asdict(reject) for reject in rejects], path, list(Reject.__dataclass_fields__))


def read_rejects(path: Path) -> list[Reject]:
    """Read back what `write_rejects` wrote; none where there is no such file."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [Reject(**row) for row in csv.DictReader(file)]


def count_by_reason(rejects: Sequence[Reject]) -> str:
    """`120 no such file, 1 silent throughout`: the most frequent reasons first."""
    counts = Counter(str(reject.reason) for reject in rejects).most_common()
    told = [f"{count} {reason}" for reason, count in counts[:REASONS_TOLD]]
    rest = sum(count for _, count in counts[REASONS_TOLD:])
    return ", ".join([*told, *([f"{rest} for other reasons"] if rest else [])])


def out_of_reach(rejects: Sequence[Reject], clips: int, limit: float) -> str | None:
    """What is wrong where more than a share `limit` of the clips cannot be read now; None where it is well."""
    unreachable = [reject for reject in rejects if isinstance(reject.reason, Unreachable)]
    if len(unreachable) <= limit * clips:
        return None
    return (
        f"at most {limit:.0%} of the clips may be out of reach, found {len(unreachable)} of {clips}: "
        f"{count_by_reason(unreachable)} (the first: {unreachable[0].path}): is the corpus mounted, and whole? "
        f"prepare.unreachable sets the limit"
    )


def check_splits(manifest: Manifest, rejects: Sequence[Reject], listing: Path) -> None:
    """Raise ValueError where a split is left with no clip at all; `listing` is where the rejects are."""
    kept = set(manifest.table.column("split").unique().to_pylist())
    emptied = sorted({reject.split for reject in rejects} - kept)
    if emptied:
        reasons = Counter(reject.reason for reject in rejects if reject.split in emptied).most_common(1)
        raise ValueError(
            f"every split must keep a clip, found none left in {', '.join(emptied)}: {len(rejects)} of "
            f"{len(rejects) + len(manifest)} clips cannot be used, most often: {reasons[0][0]}; see {listing}"
        )
