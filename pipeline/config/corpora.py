"""prepare: which corpus is read, from where, and what of it is left out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pipeline.config.section import Count, Section

Session = Annotated[int, Field(ge=1, le=5)]


class Sample(Section):
    """The synthetic sample corpus."""

    utterances: Count
    seed: int


class Table(Section):
    """A CSV or parquet file of one's own, one row a clip."""

    file: str
    columns: dict[str, str]
    """The manifest's name of a column → the file's name of it."""
    splits: dict[str, str] = Field(default_factory=dict)
    """A value in the file's split column → the manifest's split; what is not listed stays as it is."""
    drop: dict[str, list[str]] = Field(default_factory=dict)
    """The manifest's name of a column → values of the file whose rows are left out; "" is an empty cell."""
    scale: Annotated[list[float], Field(min_length=2, max_length=2)] = [1.0, 7.0]
    """The file's lowest and highest possible label; labels are rescaled to 1..7."""


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
        return Path(mounted or self.root)
