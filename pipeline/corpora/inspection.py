"""Every clip looked at once: hashed, decoded, checked; what cannot be read is set aside with its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa

from pipeline.audio import AudioError, decode, inside
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
    utterances: Sequence[Utterance], root: Path, *, workers: int = 2
) -> tuple[Manifest, list[Reject]]:
    """Hash, decode and check every clip under `root` with `workers` threads.

    Returns the manifest of the clips that can be heard, in the given order, and the others with their
    reasons. Raises ValueError where a path leaves the root, where the root is absent, or where a split is
    left with no clip at all.
    """
    if not root.is_dir():
        raise ValueError(f"prepare.root must be the folder of the clips, found no folder {root}")
    files = [inside(root, utterance.path) for utterance in utterances]
    rows: list[dict[str, object]] = []
    rejects: list[Reject] = []
    with ThreadPoolExecutor(workers) as pool, Progress("inspect", len(files), "clips") as progress:
        for utterance, file, outcome in zip(utterances, files, pool.map(_look, files), strict=True):
            if isinstance(outcome, str):
                rejects.append(Reject(utterance.id, utterance.path, utterance.split, outcome))
            else:
                path = file.relative_to(root.resolve()).as_posix()
                rows.append({**asdict(utterance), "path": path, **outcome})
            progress.advance()
    emptied = sorted({u.split for u in utterances} - {str(row["split"]) for row in rows})
    if emptied:
        reasons = Counter(reject.reason for reject in rejects if reject.split in emptied).most_common(1)
        raise ValueError(
            f"every split must keep a clip, found none left in {', '.join(emptied)} under {root}: "
            f"{len(rejects)} of {len(files)} clips cannot be used, most often: {reasons[0][0]}"
        )
    return Manifest(pa.Table.from_pylist(rows, schema=SCHEMA)), rejects


def _look(file: Path) -> dict[str, object] | str:
    """What the manifest says about a clip, without its samples, or why it cannot be used."""
    try:
        clip = decode(file.read_bytes())
    except AudioError as error:
        return str(error)
    except FileNotFoundError:
        return "no such file"
    except OSError as error:
        return f"not readable ({error.strerror or error})"
    return {
        "sha256": clip.sha256,
        "duration": clip.duration,
        "sampling_rate": clip.sampling_rate,
        "channels": clip.channels,
    }


def write_rejects(rejects: Sequence[Reject], path: Path) -> None:
    """Write what was left out as CSV: id, path, split, reason. An empty list gives a header alone."""
    write_csv([asdict(reject) for reject in rejects], path, list(Reject.__dataclass_fields__))
