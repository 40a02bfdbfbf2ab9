"""prepare: which corpus is read, from where, and what of it is left out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from pipeline.config.section import Count, Section

Session = Annotated[int, Field(ge=1, le=5)]


class Sample(Section):
    """The synthetic sample corpus."""

    utterances: Count
    seed: int


def _column_names(written: Any) -> Any:
    """A column may be called 0."""
    if not isinstance(written, Mapping):
        return written
    return {key: _as_text(value) for key, value in written.items()}


def _as_texts(written: Any) -> Any:
    """Whole numbers as the texts that they are written as; what YAML makes of `no` or `null` is refused."""
    if isinstance(written, Mapping):
        return {
            _as_text(key): [_as_text(one) for one in value] if isinstance(value, list) else value
            for key, value in written.items()
        }
    return written


def _as_text(value: Any) -> Any:
    if value is None or isinstance(value, bool | float):
        raise ValueError(
            f"a name must be a text, found {value!r}: write what the file has in quotes, as 'no'"
        )
    return str(value) if isinstance(value, int) else value


Values = BeforeValidator(_as_texts)
"""Of texts, among which whole numbers count: splits may be called 0 and 1."""

EmotionCode = Literal["A", "S", "H", "U", "F", "D", "C", "N"]


class Table(Section):
    """A table of one's own, one row a clip: CSV or other delimited text, parquet or feather."""

    file: str
    """Where it is neither absolute nor in the working folder, it is looked for below the corpus's root."""
    name: str | None = None
    """How results call the corpus; the file's name where there is none."""
    columns: Annotated[dict[str, str], BeforeValidator(_column_names)]
    """The manifest's name of a column → the file's name of it."""
    splits: Annotated[dict[str, str], Values] = Field(default_factory=dict)
    """A value in the file's split column → the manifest's split; what is not listed stays as it is."""
    emotions: Annotated[dict[str, EmotionCode | None], Values] = Field(default_factory=dict)
    """A value in the file's emotion column → the manifest's class, null for none; what is not listed stays."""
    drop: Annotated[dict[str, list[str]], Values] = Field(default_factory=dict)
    """The manifest's name of a column → values of the file whose rows are left out; "" is an empty cell."""
    scale: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None
    """The file's lowest and highest possible label, rescaled to 1..7; null is 1..7."""
    separator: Annotated[str, Field(pattern=r"^[!#-~\t]$")] | None = None
    """What stands between the columns; null is told from the header."""
    decimal: Literal[".", ","] | None = None
    """What stands before a number's fraction; null is told from the labels."""


MspEmotion = Literal["A", "S", "H", "U", "F", "D", "C", "N", "O", "X"]
IemocapEmotion = Literal["ang", "sad", "hap", "exc", "sur", "fea", "dis", "neu", "fru", "oth", "xxx"]


class MspDrop(Section):
    """Clips of MSP-Podcast that are left out."""

    emotion: list[MspEmotion] = []
    split: list[Literal["train", "development", "test1", "test2", "test3"]] = []


class IemocapDrop(Section):
    """Turns of IEMOCAP that are left out."""

    emotion: list[IemocapEmotion] = []


class MspPodcast(Section):
    """A release of MSP-Podcast."""

    release: Annotated[str, Field(pattern=r"^\d+\.\d+$")] | None = None
    """Which one it is, such as "1.12", where the folder's name does not say it."""
    drop: MspDrop = MspDrop(emotion=["X", "O"])
    """No agreement and other, as in the paper."""
    transcripts: bool = False
    """Read what is said in each clip: one small file a clip."""


class Iemocap(Section):
    """IEMOCAP."""

    test_sessions: Annotated[list[Session], Field(min_length=1)] = [5]
    development_sessions: Annotated[list[Session], Field(min_length=1)] = [4]
    """No speaker is in two sessions; those that are named nowhere are for training."""
    drop: IemocapDrop = IemocapDrop(emotion=["fru", "oth", "xxx"])
    """Frustrated, other, no majority: they have no class, which some methods need. Take them in with {}."""
    transcripts: bool = False

    @model_validator(mode="after")
    def _disjoint(self) -> Self:
        if both := sorted({*self.test_sessions} & {*self.development_sessions}):
            raise ValueError(f"a session must be for test or for development, found {both[0]} in both")
        return self


class Prepare(Section):
    """Stage prepare: a corpus on disk to data/manifest.parquet."""

    corpus: Literal["sample", "table", "msp-podcast", "iemocap"]
    root: str
    """The folder that the clips' paths are relative to: of a published corpus, its own."""
    unreachable: Annotated[float, Field(ge=0, le=1)] = 0.05
    """The share of the clips that may be absent or unreadable; beyond it the corpus is not taken for whole."""
    sample: Sample | None = None
    table: Table | None = None
    msp_podcast: MspPodcast = MspPodcast()
    iemocap: Iemocap = Iemocap()

    @property
    def folder(self) -> Path:
        """Where the corpus lies: ERCLAP_CORPUS_ROOT where it is set, otherwise `root`.

        So that teammates with the corpus mounted elsewhere share one params.yaml, and one lock file. The sample
        is written, not mounted, and stays in its `root`.
        """
        mounted = os.environ.get("ERCLAP_CORPUS_ROOT") if self.corpus != "sample" else None
        return Path(mounted).expanduser() if mounted else self.written_folder

    @property
    def written_folder(self) -> Path:
        """Where `root` says that the corpus lies."""
        return Path(self.root).expanduser()

    @property
    def table_file(self) -> Path | None:
        """The table of corpus `table`, None for another.

        It is looked for as it is written, then below `folder`: a relative path as it is, an absolute one by where
        it lies below `root`. One that is nowhere is as it is written.
        """
        if self.table is None or self.corpus != "table":
            return None
        file, moved = Path(self.table.file).expanduser(), None
        if not file.is_absolute():
            moved = self.folder / file
        elif file.is_relative_to(self.written_folder):
            moved = self.folder / file.relative_to(self.written_folder)
        return moved if moved is not None and not file.is_file() and moved.is_file() else file
