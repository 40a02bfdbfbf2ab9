"""The tables of sentences and how they are read: captions of clips and of the plane, and the test's prompts."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.support import read_json_object, read_parquet, replacing_folder, write_parquet, write_text

CAPTIONS_FILE = Path("data/captions.parquet")
PLANE_FILE = Path("data/plane.parquet")
PROMPTS_FILE = Path("data/prompts.parquet")
SENTENCE_FILES = (CAPTIONS_FILE, PROMPTS_FILE, PLANE_FILE)
"""Every table whose sentences are encoded."""
LEARNT_FOLDER = Path("data/learnt")
"""A file for each method, which tells the sentences that it learns from by their digests."""

CAPTIONS_SCHEMA = pa.schema(
    [
        pa.field("utterance_id", pa.string(), nullable=False),
        pa.field("variant", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
    ]
)
PLANE_SCHEMA = pa.schema(
    [
        pa.field("valence", pa.float64(), nullable=False),
        pa.field("arousal", pa.float64(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
    ]
)
PROMPTS_SCHEMA = pa.schema(
    [
        pa.field("test", pa.string(), nullable=False),  # voc or aoc
        pa.field("list", pa.int32(), nullable=False),
        pa.field("position", pa.int32(), nullable=False),
        pa.field("valence", pa.float64(), nullable=False),
        pa.field("arousal", pa.float64(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
    ]
)

MADE_BY = "erclap caption"

LABELS_KEY = "labels"
"""The key of the file's metadata that says for which labels captions were written."""

PROMPTS_PER_LIST = 14

Test = Literal["voc", "aoc"]
"""Valence ordinal consistency, in whose lists valence rises, and arousal ordinal consistency."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A place in a list of the ordinality test, and the labels on 0.5..7 that its sentence describes."""

    test: Test
    list: int
    position: int
    valence: float
    arousal: float


@dataclass(frozen=True, slots=True)
class WordedPrompt(Prompt):
    """A prompt with its sentence."""

    text: str


@dataclass(frozen=True)
class PlaneCaptions:
    """Captions of labels all over the plane of valence and arousal that belong to no clip."""

    texts: list[str]
    labels: npt.NDArray[np.float64]
    """(M, 2) valence and arousal on 0.5..7."""

    def __len__(self) -> int:
        return len(self.texts)


def write_captions(captions: pa.Table, labels: str, path: Path = CAPTIONS_FILE) -> None:
    """Write captions whole or not at all; `labels` is the digest of the labels and splits they are written for."""
    write_parquet(captions.replace_schema_metadata({LABELS_KEY: labels}), path)


def write_learnt(
    methods: Mapping[str, tuple[str, bool]], captions: pa.Table, plane: pa.Table, folder: Path = LEARNT_FOLDER
) -> None:
    """Write which sentences each method learns from, METHOD.json with their digests.

    `methods` says of each the variant of its captions, and whether it learns from the plane. A method's file stays
    the same to the byte when sentences change that it does not learn from.
    """
    with replacing_folder(folder) as temporary:
        for name, (variant, of_plane) in methods.items():
            rows = captions.filter(pc.equal(captions.column("variant").cast(pa.string()), variant))
            learnt = {
                "captions": variant,
                "captions_sha256": _digest(rows.select(["utterance_id", "text"])),
                "plane_sha256": _digest(plane) if of_plane else None,
            }
            write_text(json.dumps(learnt, indent=2) + "\n", temporary / f"{name}.json")


def read_learnt(name: str, folder: Path = LEARNT_FOLDER) -> dict[str, object] | None:
    """What a method learns from, as `write_learnt` wrote it; None for one that train.methods did not name then.

    Raises RuntimeError where the file is no JSON object.
    """
    path = folder / f"{name}.json"
    return read_json_object(path, made_by=MADE_BY) if path.exists() else None


def _digest(table: pa.Table) -> str:
    digest = hashlib.sha256()
    for batch in table.to_batches(max_chunksize=10_000):
        digest.update("".join(json.dumps(list(row.values())) + "\n" for row in batch.to_pylist()).encode())
    return digest.hexdigest()


def read_captions(variant: str, path: Path = CAPTIONS_FILE, *, labels: str | None = None) -> dict[str, str]:
    """The captions of one variant by utterance id; `labels` is the digest of those that they must be written for.

    Raises RuntimeError where the file is absent, has other columns, has no caption of the variant or has two
    for one utterance, or was written for other labels or splits.
    """
    if labels is not None and path.exists():
        found = (pq.read_schema(path).metadata or {}).get(LABELS_KEY.encode(), b"").decode()
        if found != labels:
            raise RuntimeError(
                f"{path} must be written for the labels and splits of the manifest, found captions for other "
                f"ones: run `{MADE_BY}`"
            )
    table = read_parquet(path, CAPTIONS_SCHEMA, made_by=MADE_BY, repeating=["variant", "text"])
    variants = table.column("variant")
    rows = table.filter(pc.equal(variants.cast(pa.string()), variant))
    if not rows.num_rows:
        found = ", ".join(sorted(variants.unique().to_pylist())) or "none at all"
        raise RuntimeError(
            f"{path} must have captions of the variant {variant!r}, found {found}: run `{MADE_BY}` again"
        )
    ids: list[str] = rows.column("utterance_id").to_pylist()
    captions = dict(zip(ids, rows.column("text").to_pylist(), strict=True))
    if len(captions) < len(ids):
        repeated = next(name for name, count in Counter(ids).items() if count > 1)
        raise RuntimeError(
            f"{path} must have one caption {variant!r} of an utterance, found several for {repeated!r}: "
            f"run `{MADE_BY}` again"
        )
    return captions


def read_prompts(path: Path = PROMPTS_FILE) -> list[WordedPrompt]:
    """The ordinality test's prompts. Raises RuntimeError where the file is absent or has other columns."""
    return [WordedPrompt(**row) for row in read_parquet(path, PROMPTS_SCHEMA, made_by=MADE_BY).to_pylist()]


def read_plane(path: Path = PLANE_FILE) -> PlaneCaptions:
    """The captions of no clip; none where no method learns from them.

    Raises RuntimeError where the file is absent or has other columns.
    """
    table = read_parquet(path, PLANE_SCHEMA, made_by=MADE_BY)
    labels = np.column_stack([table.column(name).to_numpy() for name in ("valence", "arousal")])
    return PlaneCaptions(table.column("text").to_pylist(), labels)


def all_sentences(
    captions: Path = CAPTIONS_FILE, prompts: Path = PROMPTS_FILE, plane: Path = PLANE_FILE
) -> list[str]:
    """Every distinct sentence of the tables, sorted. Raises RuntimeError as the reading of each does."""
    sentences: list[str] = sentence_column(captions, prompts, plane).to_pylist()
    return sentences


def sentence_column(
    captions: Path = CAPTIONS_FILE, prompts: Path = PROMPTS_FILE, plane: Path = PLANE_FILE
) -> pa.Array:
    """The same as a column, in which a sentence takes little more than its bytes. Raises as `all_sentences`."""
    texts = [
        read_parquet(path, schema, made_by=MADE_BY, columns=["text"], repeating=["text"])
        .column("text")
        .unique()
        .cast(pa.string())
        for path, schema in (
            (captions, CAPTIONS_SCHEMA),
            (prompts, PROMPTS_SCHEMA),
            (plane, PLANE_SCHEMA),
        )
    ]
    distinct = pc.unique(pa.chunked_array(texts))
    return distinct.take(pc.sort_indices(distinct))
