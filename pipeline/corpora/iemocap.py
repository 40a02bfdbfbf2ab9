"""IEMOCAP, as it is published: the folder that holds Session1 to Session5."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from pipeline.config import Iemocap
from pipeline.corpora.corpus import Corpus
from pipeline.corpora.rows import to_utterances
from pipeline.manifest import DEVELOPMENT, TEST1, TRAIN
from pipeline.support import counted

EMOTIONS = {
    "ang": "A",
    "sad": "S",
    "hap": "H",
    "exc": "H",
    "sur": "U",
    "fea": "F",
    "dis": "D",
    "neu": "N",
    "fru": None,
    "oth": None,
    "xxx": None,
}
"""A turn's emotion as IEMOCAP writes it → as the manifest does. Excited counts as happy, as is usual.

Frustrated, other and xxx, where no emotion has a majority, have no class of MSP-Podcast's.
"""

PUBLISHED_TURNS = 10_039
"""github.com/tae898/multimodal-datasets, IEMOCAP/dataset-stats.md: the sum of its three splits."""

SCALE = (1.0, 5.0)

BEYOND = 0.5
"""A mean that is no farther beyond the scale, such as 5.5, is taken for a slip: it counts as the scale's end."""

LABELS = ("valence", "arousal", "dominance")
"""In the order of the label files, which call arousal activation."""

TURN = re.compile(
    r"\[[\d.]+\s*-\s*[\d.]+\]\s+(?P<id>Ses0(?P<session>[1-5])[FM]_\w+_[FM]\w+)\s+(?P<emotion>\w+)\s+"
    r"\[(?P<valence>[^,\]]+),(?P<arousal>[^,\]]+),(?P<dominance>[^,\]]+)\]\s*"
)
"""`[6.2901 - 8.2357]	Ses01F_impro01_F000	neu	[2.5000, 2.5000, 2.5000]`"""

SPOKEN = re.compile(r"(?P<id>Ses\w+)\s+\[[\d.]+\s*-\s*[\d.]+\]:?\s*(?P<text>.*)")
"""`Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.`"""


@dataclass(frozen=True)
class Turn:
    """A line of a label file."""

    id: str
    session: int
    emotion: str
    labels: tuple[str, ...]
    """Valence, arousal and dominance on 1..5."""
    where: str

    @property
    def path(self) -> str:
        """The clip, relative to the corpus's folder."""
        return f"Session{self.session}/sentences/wav/{self.id.rpartition('_')[0]}/{self.id}.wav"

    @property
    def speaker(self) -> str:
        """Session and sex of who speaks: in Ses01F_impro01_M003, the man of session 1."""
        return self.id[:5] + self.id.rpartition("_")[2][0]


def read(root: Path, settings: Iemocap) -> Corpus:
    """Read the folder that holds the sessions; paths are relative to it.

    No speaker is in two sessions, so sessions are splits: the settings name those of test1 and development,
    the others are train. Labels on 1..5 are rescaled to 1..7; those up to half a point beyond the scale count
    as its end, and become a note. Turns that stay and have no class have the emotion None. Raises ValueError
    where the folder or a file has another structure, a turn is labelled twice, a label is far outside the scale,
    or transcripts are asked for and there are none.
    """
    folders = {int(folder.name[-1]): folder for folder in sorted(root.glob("Session[1-5]"))}
    wanted = {*settings.test_sessions, *settings.development_sessions}
    if not folders or wanted - folders.keys():
        raise ValueError(
            f"prepare.root must be the folder of IEMOCAP that holds Session1 to Session5, of which "
            f"prepare.iemocap names {', '.join(map(str, sorted(wanted)))} for test and development, found "
            f"{', '.join(folder.name for folder in folders.values()) or 'no session'} in {root}"
        )
    turns = [turn for folder in folders.values() for turn in _turns(folder)]
    _check_once(turns)
    labels, notes = _labels(turns)
    roles = dict.fromkeys(settings.development_sessions, DEVELOPMENT)
    roles |= dict.fromkeys(settings.test_sessions, TEST1)
    spoken = _spoken(root, list(folders.values())) if settings.transcripts else {}
    columns: dict[str, list[str | None]] = {
        "id": [turn.id for turn in turns],
        "path": [turn.path for turn in turns],
        "split": [roles.get(turn.session, TRAIN) for turn in turns],
        "emotion": [turn.emotion for turn in turns],
        "speaker": [turn.speaker for turn in turns],
        "transcript": [spoken.get(turn.id) for turn in turns],
    }
    utterances, left_out = to_utterances(
        pa.table({name: pa.array(values, pa.string()) for name, values in (columns | labels).items()}),
        lambda row, _: turns[row].where,
        scale=SCALE,
        drop={"emotion": settings.drop.emotion},
        rename={"emotion": EMOTIONS},
    )
    if settings.transcripts and (silent := [u.id for u in utterances if u.transcript is None]):
        notes.append(
            f"{len(silent)} of {len(utterances)} turns without a transcript (the first: {silent[0]})"
        )
    if len(turns) != PUBLISHED_TURNS:
        notes.append(
            f"IEMOCAP is published with {PUBLISHED_TURNS} labelled turns, found {len(turns)} in "
            f"{', '.join(folder.name for folder in folders.values())}: is the copy whole?"
        )
    notes += _unlabelled(folders, turns)
    return Corpus(utterances, str(root), left_out, notes)


def _turns(session: Path) -> list[Turn]:
    """Every turn of a session's label files, without what its annotators said one by one."""
    turns: list[Turn] = []
    folder = session / "dialog" / "EmoEvaluation"
    files = _texts(folder)
    if not files:
        raise ValueError(f"{folder} must hold IEMOCAP's text files, one a dialog, found none")
    for file in files:
        before = len(turns)
        for number, line in enumerate(_lines(file), start=1):
            if not line.startswith("["):
                continue
            said = TURN.fullmatch(line)
            if said is None or said["emotion"] not in EMOTIONS:
                raise ValueError(
                    f"a turn must be written as `[start - end] Ses01F_impro01_F000 neu [V, A, D]`, with one of "
                    f"{' '.join(EMOTIONS)}, found {line!r} in line {number} of {file}"
                )
            labels = tuple(said[name].strip() for name in LABELS)
            turns.append(
                Turn(said["id"], int(said["session"]), said["emotion"], labels, f"line {number} of {file}")
            )
        if len(turns) == before:
            raise ValueError(
                f"a label file must hold the turns of a dialog as text in UTF-8, found none in {file}: copy it "
                f"from IEMOCAP again"
            )
    return turns


def _check_once(turns: Sequence[Turn]) -> None:
    first: dict[str, Turn] = {}
    for turn in turns:
        if first.setdefault(turn.id, turn) is not turn:
            raise ValueError(
                f"a turn must be labelled once, found {turn.id} in {first[turn.id].where} and again in "
                f"{turn.where}: remove one"
            )


def _texts(folder: Path) -> list[Path]:
    """The text files of a folder."""
    # Copies that went through a Mac have a second file ._name beside each, which is not text.
    return sorted(file for file in folder.glob("*.txt") if not file.name.startswith("."))


def _lines(file: Path) -> list[str]:
    return [line.strip() for line in file.read_text("utf-8-sig", "replace").splitlines()]


def _labels(turns: Sequence[Turn]) -> tuple[dict[str, list[str | None]], list[str]]:
    """The labels by column, and what was moved to the end of the scale."""
    columns: dict[str, list[str | None]] = {name: [] for name in LABELS}
    notes = []
    low, high = SCALE
    for column, name in enumerate(LABELS):
        moved = []
        for turn in turns:
            text = turn.labels[column]
            end = min(max(_number(text), low), high)
            if 0 < abs(_number(text) - end) <= BEYOND:
                moved.append(turn.id)
                text = str(end)
            columns[name].append(text)
        if moved:
            notes.append(
                f"{counted(len(moved), 'turn has', 'turns have')} a mean {name} up to {BEYOND:g} beyond "
                f"{low:g}..{high:g}, which counts as the end of the scale (the first: {moved[0]})"
            )
    return columns, notes


def _number(text: str) -> float:
    """NaN where it is none, which the checks of every corpus's labels then name."""
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _spoken(root: Path, sessions: Sequence[Path]) -> dict[str, str]:
    """What is said in every turn that has a transcript. Raises ValueError where none has."""
    files = [file for session in sessions for file in _texts(session / "dialog" / "transcriptions")]
    matches = [SPOKEN.match(line) for file in files for line in _lines(file)]
    spoken = {said["id"]: said["text"].strip() for said in matches if said and said["text"].strip()}
    if not spoken:
        raise ValueError(
            f"prepare.iemocap.transcripts needs the texts in Session1/dialog/transcriptions and so on, found none "
            f"in {root}: copy them there, or set it to false"
        )
    return spoken


def _unlabelled(folders: Mapping[int, Path], turns: Sequence[Turn]) -> list[str]:
    labelled = {turn.path.rpartition("/")[2] for turn in turns}
    clips = [
        clip.name
        for folder in folders.values()
        for clip in sorted(folder.glob("sentences/wav/*/*.wav"))
        if not clip.name.startswith(".") and clip.name not in labelled
    ]
    if not clips:
        return []
    several = counted(len(clips), "clip", "clips")
    return [f"{several} left out, without a turn in the label files (the first: {clips[0]})"]
