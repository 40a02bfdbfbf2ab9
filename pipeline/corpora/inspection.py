"""Every clip looked at once: hashed, decoded, checked; what cannot be read is set aside with its reason."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa

from pipeline.audio import AudioError, check_audible, crop, inside, read_clip
from pipeline.files import write_csv
from pipeline.manifest import SCHEMA, Manifest, Utterance
from pipeline.progress import Progress


@dataclass(frozen=True, slots=True)
class Reject:
    """A clip that was left out."""

    id: str
    path: str
    split: str
    reason: str


def inspect(
    utterances: Sequence[Utterance], root: Path, *, heard_seconds: float = math.inf, workers: int = 2
) -> tuple[Manifest, list[Reject]]:
    """Hash, decode and check every clip under `root` with `workers` threads.

    `heard_seconds` of a clip are what the encoder will hear, and must not be silent. Returns the manifest of
    the clips that can be heard, in the given order, and the others with their reasons. Raises ValueError where
    a path leaves the root or the root is absent.
    """
    if not root.is_dir():
        raise ValueError(f"prepare.root must be the folder of the clips, found no folder {root}")
    files = [inside(root, utterance.path) for utterance in utterances]
    rows: list[dict[str, object]] = []
    rejects: list[Reject] = []
    with ThreadPoolExecutor(workers) as pool, Progress("inspect", len(files), "clips") as progress:
        outcomes = pool.map(lambda file: _look(file, heard_seconds), files)
        for utterance, file, outcome in zip(utterances, files, outcomes, strict=True):
            if isinstance(outcome, str):
                rejects.append(Reject(utterance.id, utterance.path, utterance.split, outcome))
            else:
                path = file.relative_to(root.resolve()).as_posix()
                rows.append({**asdict(utterance), "path": path, **outcome})
            progress.advance()
    return Manifest(pa.Table.from_pylist(rows, schema=SCHEMA)), rejects


def check_splits(manifest: Manifest, rejects: Sequence[Reject], listing: Path) -> None:
    """Raise ValueError where a split is left with no clip at all; `listing` is where the rejects are."""
    emptied = sorted({reject.split for reject in rejects} - set(manifest.strings("split")))
    if emptied:
        reasons = Counter(reject.reason for reject in rejects if reject.split in emptied).most_common(1)
        raise ValueError(
            f"every split must keep a clip, found none left in {', '.join(emptied)}: {len(rejects)} of "
            f"{len(rejects) + len(manifest)} clips cannot be used, most often: {reasons[0][0]}; see {listing}"
        )


def _look(file: Path, heard_seconds: float) -> dict[str, object] | str:
    """What the manifest says about a clip, without its samples, or why it cannot be used."""
    try:
        clip = read_clip(file)
        if heard_seconds < clip.duration:
            check_audible(crop(clip.waveform, heard_seconds))
    except AudioError as error:
        return str(error)
    return {
        "sha256": clip.sha256,
        "duration": clip.duration,
        "sampling_rate": clip.sampling_rate,
        "channels": clip.channels,
    }


def write_rejects(rejects: Sequence[Reject], path: Path) -> None:
    """Write what was left out as CSV: id, path, split, reason. An empty list gives a header alone."""
    write_csv([asdict(reject) for reject in rejects], path, list(Reject.__dataclass_fields__))
