"""The manifest: one row per utterance, and everything that later stages need to know about it."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.support import read_parquet, write_parquet

MANIFEST_FILE = Path("data/manifest.parquet")

MADE_BY = "erclap prepare"

LABEL_MIN, LABEL_MAX = 1.0, 7.0
"""The scale of valence, arousal and dominance: self-assessment manikins from 1 to 7, as in MSP-Podcast."""

EMOTIONS = {
    "A": "anger",
    "S": "sadness",
    "H": "happiness",
    "U": "surprise",
    "F": "fear",
    "D": "disgust",
    "C": "contempt",
    "N": "neutral",
}
"""The classes of MSP-Podcast by their codes, without X (no agreement) and O (other), which the paper drops."""

TRAIN, DEVELOPMENT, TEST1 = "train", "development", "test1"


@dataclass(frozen=True, slots=True)
class Utterance:
    """What a corpus says about one clip, before the clip itself is looked at.

    `path` is relative to the corpus's root, with forward slashes; labels are on 1..7.
    """

    id: str
    path: str
    split: str
    valence: float
    arousal: float
    dominance: float | None = None
    emotion: str | None = None
    speaker: str | None = None
    transcript: str | None = None


SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("duration", pa.float64(), nullable=False),  # seconds
        pa.field("sampling_rate", pa.int32(), nullable=False),  # Hz
        pa.field("channels", pa.int32(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("valence", pa.float64(), nullable=False),
        pa.field("arousal", pa.float64(), nullable=False),
        pa.field("dominance", pa.float64()),
        pa.field("emotion", pa.string()),
        pa.field("speaker", pa.string()),
        pa.field("transcript", pa.string()),
    ]
)


@dataclass(frozen=True)
class Manifest:
    """The rows of a manifest, as read from its file or a part of them."""

    table: pa.Table

    @classmethod
    def read(cls, path: Path = MANIFEST_FILE) -> Manifest:
        """Read a manifest. Raises RuntimeError where the file is absent or not a manifest."""
        return cls(read_parquet(path, SCHEMA, made_by=MADE_BY))

    @classmethod
    def read_clips(cls, path: Path = MANIFEST_FILE) -> Manifest:
        """Read what says where each clip is and which, id, path, sha256 and duration, in little memory.

        Raises RuntimeError as `read` does.
        """
        columns = ["id", "path", "sha256", "duration"]
        repeating = ["path", "sha256"]  # where several rows name one clip
        return cls(read_parquet(path, SCHEMA, made_by=MADE_BY, columns=columns, repeating=repeating))

    def write(self, path: Path = MANIFEST_FILE) -> None:
        """Write the manifest whole or not at all."""
        write_parquet(self.table, path)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def strings(self, column: str) -> list[str]:
        """A text column's values; None where the corpus says nothing."""
        values: list[str] = self.table.column(column).to_pylist()
        return values

    def labels(self) -> npt.NDArray[np.float64]:
        """Valence and arousal, (N, 2), each on 1..7."""
        return np.stack([self.table.column(name).to_numpy() for name in ("valence", "arousal")], axis=1)

    def labels_digest(self) -> str:
        """A hash of what captions, training and tests take from the corpus: ids, splits, labels and classes."""
        columns = ("id", "split", "valence", "arousal", "dominance", "emotion")
        return _digest(self.table.column(name).to_pylist() for name in columns)

    def digest(self, rejects: Sequence[str]) -> str:
        """A hash of all that the manifest holds, and of the paths of the clips that were left out."""
        return _digest([*(self.table.column(name).to_pylist() for name in SCHEMA.names), sorted(rejects)])

    def split(self, name: str) -> Manifest:
        """The rows of one split. Raises ValueError where it has none."""
        rows = self.table.filter(pc.equal(self.table.column("split"), name))
        if not rows.num_rows:
            counts = sorted(Counter(self.strings("split")).items())
            listed = ", ".join(f"{split} {count}" for split, count in counts)
            raise ValueError(f"split {name!r} must have utterances, found none; the manifest has {listed}")
        return Manifest(rows)

    def utterances(self) -> list[Utterance]:
        """The rows as what the corpus said."""
        columns = [self.strings(name) for name in Utterance.__dataclass_fields__]
        return [Utterance(*row) for row in zip(*columns, strict=True)]


def _digest(columns: Iterable[Sequence[object]]) -> str:
    digest = hashlib.sha256()
    for column in columns:
        digest.update(json.dumps(column).encode() + b"\n")
    return digest.hexdigest()


def check_utterances(utterances: Sequence[Utterance], source: str) -> None:
    """Raise ValueError unless ids are unique, paths and splits are there and labels lie on their scale."""
    if not utterances:
        raise ValueError(f"a corpus must have utterances, found none in {source}")
    repeated = [name for name, count in Counter(u.id for u in utterances).items() if count > 1]
    if repeated:
        raise ValueError(
            f"an utterance id must occur once, found {repeated[0]!r} more than once"
            f"{_and_more(len(repeated))} in {source}"
        )
    for field in ("id", "path", "split"):
        if empty := [u.id or u.path for u in utterances if not getattr(u, field)]:
            raise ValueError(
                f"every utterance must have a {field}, found none for {empty[0]!r}"
                f"{_and_more(len(empty))} in {source}"
            )
    for field in ("valence", "arousal", "dominance"):
        outside = [u for u in utterances if not _on_scale(getattr(u, field), required=field != "dominance")]
        if outside:
            raise ValueError(
                f"{field} must lie within {LABEL_MIN:g}..{LABEL_MAX:g}, found {getattr(outside[0], field)} "
                f"for {outside[0].id!r}{_and_more(len(outside))} in {source}"
            )


def _on_scale(label: float | None, *, required: bool) -> bool:
    if label is None:
        return not required
    return LABEL_MIN <= label <= LABEL_MAX


def _and_more(count: int) -> str:
    return f" and {count - 1} more like it" if count > 1 else ""


def describe_splits(splits: Iterable[str]) -> str:
    """`train 1000, development 200, …`, the usual splits first."""
    counts = Counter(splits)
    order = [s for s in (TRAIN, DEVELOPMENT, TEST1) if s in counts]
    order += sorted(counts.keys() - set(order))
    return ", ".join(f"{split} {counts[split]}" for split in order)
