"""Every clip looked at once: hashed, decoded, checked; what cannot be read is set aside with its reason."""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.audio import AudioError, PassingAudioError, inside, inspect_clip
from pipeline.corpora.inspected import Inspected, Known, Outcome, Stamp, Unreachable
from pipeline.corpora.rejects import Reject
from pipeline.manifest import SCHEMA, Manifest, Utterance
from pipeline.support import Progress, in_order, patiently

FILES_AT_ONCE = 32
"""One thread's task."""

SLOWEST = 1e6
"""Bytes a second that are read and decoded at least, however far a file is away."""

SECONDS_UNTIL_SETTLED = 2.0
"""A file written later than this before it was read could be written again without a change of its time."""


class Inspection(NamedTuple):
    """What was found of a corpus's clips."""

    manifest: Manifest
    """Of those that can be heard, in the order of the utterances."""
    rejects: list[Reject]
    """The others, with their reasons."""
    cancelling: list[str]
    """The ids of those whose channels cancel each other out, all but nothing being left to hear."""


def inspect(
    utterances: Sequence[Utterance],
    root: Path,
    *,
    heard_seconds: float = 10.0,
    workers: int = 2,
    patience: float = 60.0,
    memory: Path | None = None,
) -> Inspection:
    """Hash, decode and check every file that the utterances name under `root`, once, with `workers` threads.

    `heard_seconds` of a clip are what the encoder will hear, by default the paper's crop, and must not be
    silent. `memory` is the SQLite file that keeps what was found, so that an unchanged file is not read again,
    by a later run or by one that goes on after it was killed. A file at which a decoder hangs is given up after
    `patience` seconds, and one more for each MB of it; its thread is left behind. Among the reasons why a clip
    cannot be used is a link that leads out of the root.
    Raises ValueError where a path leaves the root without a link or the root is absent.
    """
    if not root.is_dir():
        raise ValueError(f"prepare.root must be the folder of the clips, found no folder {root}")
    files, which, refused = _distinct(utterances, root)
    findings = _Findings(len(files))
    findings.reasons.update(refused)
    wanted = [number for number in range(len(files)) if number not in refused]
    with (
        Inspected(memory, heard_seconds) as inspected,
        Progress("inspect", len(wanted), "clips") as progress,
        closing(
            _look_at_all(
                [files[number] for number in wanted], inspected, root, heard_seconds, workers, patience
            )
        ) as outcomes,
    ):
        for number, outcome in zip(wanted, outcomes, strict=True):
            findings.put(number, outcome)
            progress.advance()
    rejects = [
        Reject(u.id, u.path, u.split, findings.reasons[number])
        for u, number in zip(utterances, which.tolist(), strict=True)
        if number in findings.reasons
    ]
    cancelling = [
        u.id for u, number in zip(utterances, which.tolist(), strict=True) if findings.cancels[number]
    ]
    return Inspection(Manifest(_table(utterances, files, which, findings)), rejects, cancelling)


class _Findings:
    """What was found of each distinct file, in columns: an object for each takes five times more."""

    def __init__(self, count: int) -> None:
        self.sha256 = np.zeros(count, "S64")
        self.duration = np.zeros(count, np.float64)
        self.sampling_rate = np.zeros(count, np.int32)
        self.channels = np.zeros(count, np.int32)
        self.cancels = np.zeros(count, bool)
        self.reasons: dict[int, str] = {}
        """Of the files that cannot be used."""

    def put(self, number: int, outcome: Outcome) -> None:
        if isinstance(outcome, str):
            self.reasons[number] = outcome
            return
        self.sha256[number] = outcome.sha256
        self.duration[number] = outcome.duration
        self.sampling_rate[number] = outcome.sampling_rate
        self.channels[number] = outcome.channels
        self.cancels[number] = outcome.cancels


def _table(
    utterances: Sequence[Utterance], files: Sequence[str], which: npt.NDArray[np.int64], findings: _Findings
) -> pa.Table:
    """The manifest's table, built a column at a time."""
    usable = np.ones(len(files), bool)
    usable[list(findings.reasons)] = False
    rows = np.flatnonzero(usable[which])
    numbers = which[rows]
    columns = []
    for field in SCHEMA:
        if field.name == "path":
            column = pa.array([files[number] for number in numbers.tolist()], field.type)
        elif field.name == "sha256":
            column = pa.array(findings.sha256[numbers]).cast(field.type)
        elif field.name in ("duration", "sampling_rate", "channels"):
            column = pa.array(getattr(findings, field.name)[numbers], field.type)
        else:
            column = pa.array([getattr(utterances[row], field.name) for row in rows.tolist()], field.type)
        columns.append(column)
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def _distinct(
    utterances: Sequence[Utterance], root: Path
) -> tuple[list[str], npt.NDArray[np.int64], dict[int, str]]:
    """The files that utterances name, which is each utterance's, and which must not be read, with the reason.

    Files are relative to the root with links resolved, but for those that a link takes out of the root.
    """
    folders: dict[str, str] = {}
    numbers: dict[str, int] = {}
    files: dict[str, int] = {}
    refused: dict[int, str] = {}
    which = np.empty(len(utterances), np.int64)
    for row, utterance in enumerate(utterances):
        path = utterance.path
        if path not in numbers:
            try:
                located = _locate(root, path, folders)
            except AudioError as error:
                located, refused[len(files)] = path, str(error)
            numbers[path] = files.setdefault(located, len(files))
        which[row] = numbers[path]
    return list(files), which, refused


def _locate(root: Path, path: str, folders: dict[str, str]) -> str:
    """A clip's path relative to the root with links resolved; `folders` keeps those of the folders.

    Raises ValueError where it would leave the root, AudioError where a link does.
    """
    folder, name = os.path.split(path)
    if folder not in folders:
        try:
            found = inside(root, folder).relative_to(os.path.realpath(root)).as_posix()
        except ValueError:
            return _relative(root, path)  # which says it of the path
        folders[folder] = "" if found == "." else f"{found}/"
    located = folders[folder] + name
    if name in ("", ".", "..") or "\0" in name:
        return _relative(root, path)
    if os.path.islink(root / located):  # noqa: PTH114 (a Path raises for a name that is too long)
        return _relative(root, path)
    # The utterance's own string, where it is the same, so that there are not two of each.
    return path if located == path else located


def _relative(root: Path, path: str) -> str:
    return inside(root, path).relative_to(os.path.realpath(root)).as_posix()


def _look_at_all(
    files: Sequence[str],
    inspected: Inspected,
    root: Path,
    heard_seconds: float,
    workers: int,
    patience: float,
) -> Generator[Outcome]:
    """Every file's outcome, in order, with a bounded number of them ahead."""
    folder = os.path.realpath(root)

    def batches() -> Iterator[tuple[list[str], dict[str, Known]]]:
        for start in range(0, len(files), FILES_AT_ONCE):
            batch = [f"{folder}/{name}" for name in files[start : start + FILES_AT_ONCE]]
            yield batch, inspected.recall(batch)

    def look(task: tuple[list[str], dict[str, Known]]) -> list[tuple[str, Outcome, Stamp | None]]:
        batch, known = task
        found: list[tuple[str, Outcome, Stamp | None]] = []
        while rest := batch[len(found) :]:
            looks = ((file, *_look(file, known.get(file), heard_seconds)) for file in rest)
            answers = patiently(looks, lambda: _longest(batch[len(found)], patience))
            try:
                for _ in rest:
                    found.append(next(answers))
            except TimeoutError as error:
                found.append((batch[len(found)], f"reading and decoding it was given up: {error}", None))
        return found

    pool = ThreadPoolExecutor(workers, "inspect")
    try:
        for found in in_order(pool, look, batches(), 2 * workers + 1):
            for file, outcome, stamp in found:
                if stamp is not None:
                    inspected.remember(file, stamp, outcome)
                yield outcome
    finally:
        pool.shutdown(cancel_futures=True)


def _longest(file: str, patience: float) -> float:
    """How many seconds a file may take."""
    stamp = Stamp.of(file)
    return patience + (stamp.size / SLOWEST if stamp else 0.0)


def _look(file: str, known: Known | None, heard_seconds: float) -> tuple[Outcome, Stamp | None]:
    """A file's outcome, and its stamp where the outcome is news and worth remembering."""
    now, stamp = time.time(), Stamp.of(file)
    if known is not None and known[0] == stamp:
        return known[1], None
    outcome: Outcome
    try:
        outcome = inspect_clip(Path(file), heard_seconds)
    except PassingAudioError as error:
        return Unreachable(error), None
    except AudioError as error:
        outcome = str(error)
    settled = stamp is not None and stamp.mtime_ns < (now - SECONDS_UNTIL_SETTLED) * 1e9
    return outcome, stamp if settled and stamp == Stamp.of(file) else None
