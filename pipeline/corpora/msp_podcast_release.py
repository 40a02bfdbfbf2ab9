"""The files of an MSP-Podcast release, in the layouts and spellings of releases 1.8 to 1.12."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pyarrow as pa

from pipeline.corpora.rows import load
from pipeline.manifest import DEVELOPMENT, TEST1, TRAIN

AUDIO_FOLDERS = ("Audios", "Audio", "audios", "audio")
LABEL_FOLDERS = ("Labels", "labels", "")
LABEL_FILES = tuple(
    f"labels_{spelling}.{ending}" for ending in ("csv", "json") for spelling in ("consensus", "concensus")
)
PARTITION_FILES = ("Partitions.txt", "Partition.txt", "partitions.txt", "partition.txt")
SPEAKER_FILES = ("Speaker_ids.txt", "speaker_ids.txt")
TRANSCRIPT_FOLDERS = ("Transcripts", "transcripts")

LABEL_COLUMNS = ("FileName", "EmoClass", "EmoAct", "EmoVal", "EmoDom")

SPLITS = {
    "train": TRAIN,
    "development": DEVELOPMENT,
    "validation": DEVELOPMENT,
    "test1": TEST1,
    "test2": "test2",
    "test3": "test3",
}
"""A split as a release spells it, in small letters and without spaces → as the manifest does."""


@dataclass(frozen=True)
class Release:
    """Where the parts of a release are."""

    root: Path
    audio: Path
    labels: Path
    partition: Path | None
    """The split of every clip, one a line: it says alone where the label file has no column Split_Set."""
    speakers: Path | None

    @classmethod
    def find(cls, root: Path) -> Release:
        """The parts under `root`. Raises ValueError where there is no audio folder or no label file."""
        audio = next((root / name for name in AUDIO_FOLDERS if (root / name).is_dir()), None)
        labels = _first(root, LABEL_FILES)
        if audio is None or labels is None:
            raise ValueError(
                f"prepare.root must be the folder of an MSP-Podcast release, which holds Audios/ and "
                f"Labels/{LABEL_FILES[0]} (or .json), found no "
                f"{'audio folder' if audio is None else 'label file'} in {root}"
            )
        return cls(root, audio, labels, _first(root, PARTITION_FILES), _first(root, SPEAKER_FILES))

    @property
    def number(self) -> str | None:
        """Which release it is, as its folder's name says: `1.12` in MSP-PODCAST-Publish-1.12."""
        for name in (self.root.name, self.root.resolve().name):
            if said := re.search(r"(?<![\d.])1\.\d+(?!\d|\.\d)", name):
                return said.group()
        return None

    def clips(self) -> set[str]:
        """The names of the audio files."""
        with os.scandir(self.audio) as entries:
            return {entry.name for entry in entries if entry.name.endswith(".wav") and entry.name[0] != "."}

    def transcript(self, clip: str) -> str | None:
        """What is said in a clip, None where nobody has written it down."""
        for folder in TRANSCRIPT_FOLDERS:
            try:
                text = (self.root / folder / f"{Path(clip).stem}.txt").read_text("utf-8-sig", "replace")
            except FileNotFoundError:
                continue
            return " ".join(text.split()) or None
        return None


def _first(root: Path, names: Iterable[str]) -> Path | None:
    files = (root / folder / name for name, folder in product(names, LABEL_FOLDERS))
    return next((file for file in files if file.is_file()), None)


def read_labels(file: Path) -> pa.Table:
    """The consensus labels as text, one row a clip, with the columns of the release.

    Raises ValueError where the file has another structure, or a clip twice.
    """
    table = _load_json(file) if file.suffix == ".json" else load(file)
    if wrong := [name for name in LABEL_COLUMNS if table.column_names.count(name) != 1]:
        raise ValueError(
            f"{file} must have the columns {', '.join(LABEL_COLUMNS)} once, not so {', '.join(wrong)}; "
            f"it has {', '.join(table.column_names)}"
        )
    names = table.column("FileName").to_pylist()
    if None in names:
        raise ValueError(
            f"every row of {file} must have a FileName, found none in row {names.index(None) + 1}"
        )
    if repeated := [name for name, count in Counter(names).items() if count > 1]:
        raise ValueError(
            f"{file} must have one row a clip, found {repeated[0]} more than once (in all {len(repeated)} such "
            f"clips): remove the rows that are too many, or copy the file from the release again"
        )
    return table


def _load_json(file: Path) -> pa.Table:
    """`{"MSP-PODCAST_0001_0008.wav": {"EmoClass": "N", "EmoAct": 4.2, ...}, ...}` as a table of text."""
    try:
        with file.open(encoding="utf-8-sig") as text:
            # As pairs, because a dictionary would take the last of two rows of a clip and say nothing.
            clips = [(name, dict(labels)) for name, labels in json.load(text, object_pairs_hook=tuple)]
    except (ValueError, TypeError) as error:
        raise ValueError(f"{file} must map each clip's name to its labels: {error}") from error
    columns = {"FileName": [name for name, _ in clips]}
    for key in dict.fromkeys(key for _, labels in clips for key in labels):
        columns[key] = [_text(labels.get(key)) for _, labels in clips]
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


def _text(value: object) -> str | None:
    return None if value is None else str(value).strip() or None


def read_partition(file: Path) -> dict[str, str]:
    """The split of every clip, from lines such as `Train; MSP-PODCAST_0023_0048.wav`.

    Lines that name no clip are headings. Raises ValueError for a line of another form or another split.
    """
    splits: dict[str, str] = {}
    for number, line in enumerate(file.read_text("utf-8-sig", "replace").splitlines(), start=1):
        if ".wav" not in line:
            continue
        said, _, clip = line.rstrip("; \t").partition(";")
        split = SPLITS.get(_plain(said))
        if split is None or not clip:
            raise ValueError(
                f"{file} must have lines as `Train; MSP-PODCAST_0023_0048.wav`, with Train, Development, "
                f"Validation, Test1, Test2 or Test3, found {line.strip()!r} in line {number}"
            )
        splits[clip.strip()] = split
    return splits


def read_splits(texts: list[str | None], clips: list[str], file: Path) -> list[str | None]:
    """The column Split_Set as the manifest spells splits. Raises ValueError for another split."""
    known = {text: SPLITS.get(_plain(text)) for text in set(texts) if text is not None}
    if wrong := [i for i, text in enumerate(texts) if text is not None and known[text] is None]:
        raise ValueError(
            f"Split_Set must be Train, Development, Validation, Test1, Test2 or Test3, found "
            f"{texts[wrong[0]]!r} for {clips[wrong[0]]} (in all {len(wrong)} such rows) in {file}"
        )
    return [None if text is None else known[text] for text in texts]


def _plain(split: str) -> str:
    return re.sub(r"[\s_]", "", split).lower()


def read_speakers(file: Path) -> dict[str, str]:
    """The speaker of every clip, from the lines `MSP-PODCAST_0001_0008.wav; 127` of Speaker_ids.txt.

    The file lists the speakers' genders first, `Speaker_127; Male`; the numbers are those of SpkrID.
    """
    speakers: dict[str, str] = {}
    for line in file.read_text("utf-8-sig", "replace").splitlines():
        clip, _, speaker = line.rstrip("; \t").partition(";")
        if clip.strip().endswith(".wav") and speaker.strip():
            speakers[clip.strip()] = speaker.strip().removeprefix("Speaker_")
    return speakers
