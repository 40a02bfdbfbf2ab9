"""Clips that a stage could not use: listed, and then refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.support import write_csv


@dataclass(frozen=True, slots=True)
class Unusable:
    """A clip of the manifest that could not be read, or not be encoded."""

    id: str
    path: str
    reason: str


def refuse_unusable(clips: Sequence[Unusable], listing: Path, *, must: str, among: int, others: str) -> None:
    """Write the clips to `listing` and raise RuntimeError, or remove an older listing where there are none.

    The error says what every clip `must`, of how many, and what became of the `others`.
    """
    listing.unlink(missing_ok=True)
    if clips:
        write_csv([asdict(clip) for clip in clips], listing)
        raise RuntimeError(
            f"{must}, {len(clips)} of {among} could not: see {listing} (the first: {clips[0].path}: "
            f"{clips[0].reason}); the others are {others}; mend them or run `erclap prepare` again"
        )
