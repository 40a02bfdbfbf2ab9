"""The files of an MSP-Podcast release, in the layouts and spellings of releases 1.8 to 1.12."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from pipeline.corpora.msp_podcast_labels import canonical
from pipeline.manifest import DEVELOPMENT, TEST1, TRAIN

AUDIO_FOLDERS = ("Audios", "Audio", "audios", "audio")
LABEL_FOLDERS = ("Labels", "labels", "")
LABEL_FILES = tuple(
    f"labels_{spelling}.{ending}" for ending in ("csv", "json") for spelling in ("consensus", "concensus")
)
PARTITION_FILES = ("Partitions.txt", "Partition.txt", "partitions.txt", "partition.txt")
SPEAKER_FILES = ("Speaker_ids.txt", "speaker_ids.txt")
TRANSCRIPT_FOLDERS = ("Transcripts", "transcripts")

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
    other_labels: tuple[Path, ...] = ()
    """Label files in other spellings or forms, which are not read."""

    @classmethod
    def find(cls, root: Path) -> Release:
        """The parts under `root`. Raises ValueError where there is no audio folder or no label file."""
        audio = next((root / name for name in AUDIO_FOLDERS if (root / name).is_dir()), None)
        label_files = _all(root, LABEL_FILES)
        if audio is None or not label_files:
            raise ValueError(
                f"prepare.root must be the folder of an MSP-Podcast release, which holds Audios/ and "
                f"Labels/{LABEL_FILES[0]} (or .json), found no "
                f"{'audio folder' if audio is None else 'label file'} in {root}"
            )
        labels, *others = label_files
        partition, speakers = (
            next(iter(_all(root, names)), None) for names in (PARTITION_FILES, SPEAKER_FILES)
        )
        return cls(root, audio, labels, partition, speakers, tuple(others))

    @property
    def number(self) -> str | None:
        """Which release it is, as its folder's name says: `1.12` in MSP-PODCAST-Publish-1.12."""
        for name in (self.root.name, self.root.resolve().name):
            if said := re.search(r"(?<![\d.])1\.\d+(?!\d|\.\d)", name):
                return said.group()
        return None

    def clips(self) -> dict[str, str]:
        """The audio files: canonical name → the name on disk."""
        with os.scandir(self.audio) as entries:
            names = [entry.name for entry in entries if entry.name[0] != "."]
        # Capitals sort first: of a.WAV and a.wav beside it, the latter is the clip.
        names = sorted(name for name in names if canonical(name).endswith(".wav"))
        return {canonical(name): name for name in names}

    def transcript(self, clip: str) -> str | None:
        """What is said in a clip, None where nobody has written it down."""
        for folder in TRANSCRIPT_FOLDERS:
            try:
                text = (self.root / folder / f"{Path(clip).stem}.txt").read_text("utf-8-sig", "replace")
            except FileNotFoundError:
                continue
            return " ".join(text.split()) or None
        return None


def _all(root: Path, names: Iterable[str]) -> list[Path]:
    files = (root / folder / name for name, folder in product(names, LABEL_FOLDERS))
    return [file for file in files if file.is_file()]


def read_partition(file: Path) -> dict[str, str]:
    """The split of every clip, from lines such as `Train; MSP-PODCAST_0023_0048.wav`.

    Lines that name no clip are headings. Raises ValueError for a line of another form or another split, and
    where a clip has two splits.
    """
    splits: dict[str, str] = {}
    for number, line in enumerate(file.read_text("utf-8-sig", "replace").splitlines(), start=1):
        if ".wav" not in line.lower():
            continue
        said, _, clip = line.rstrip("; \t").partition(";")
        split = SPLITS.get(_plain(said))
        if split is None or not clip:
            raise ValueError(
                f"{file} must have lines as `Train; MSP-PODCAST_0023_0048.wav`, with Train, Development, "
                f"Validation, Test1, Test2 or Test3, found {line.strip()!r} in line {number}"
            )
        _put(splits, clip, split, f"line {number} of {file}")
    return splits


def _put(said: dict[str, str], clip: str, value: str, where: str) -> None:
    """Keep what a line says of a clip. Raises ValueError where an earlier one said something else."""
    name = canonical(clip.strip())
    if said.setdefault(name, value) != value:
        raise ValueError(
            f"two lines on a clip must agree, found {name} as {said[name]} and then as {value} in {where}: remove "
            f"the wrong line"
        )


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
    Raises ValueError where a clip has two speakers.
    """
    speakers: dict[str, str] = {}
    for number, line in enumerate(file.read_text("utf-8-sig", "replace").splitlines(), start=1):
        clip, _, speaker = line.rstrip("; \t").partition(";")
        if clip.strip().lower().endswith(".wav") and speaker.strip():
            _put(speakers, clip, speaker.strip().removeprefix("Speaker_"), f"line {number} of {file}")
    return speakers
