"""Every clip looked at once: hashed, decoded, checked; what cannot be read is set aside with its reason."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.audio import AudioError, inside
from pipeline.corpora.found_by_parts import FoundByPart, left_by_parts
from pipeline.corpora.inspected import Inspected
from pipeline.corpora.looking import Findings, Looking
from pipeline.corpora.rejects import Reject
from pipeline.manifest import SCHEMA, Manifest, Utterance
from pipeline.support import Part


class Inspection(NamedTuple):
    """What was found of a corpus's clips."""

    manifest: Manifest
    """Of those that can be heard, in the order of the utterances."""
    rejects: list[Reject]
    """The others, with their reasons."""
    cancelling: list[str]
    """The ids of those whose channels cancel each other out, all but nothing being left to hear."""


class PartInspection(NamedTuple):
    """What was found of a part of a corpus's clips."""

    clips: int
    """How many there are of it."""
    rejects: list[Reject]
    """Those that cannot be used, with their reasons."""


def inspect(
    utterances: Sequence[Utterance],
    root: Path,
    *,
    heard_seconds: float = 10.0,
    workers: int = 2,
    patience: float = 60.0,
    memory: Path | None = None,
    parts: Path | None = None,
) -> Inspection:
    """Hash, decode and check every file that the utterances name under `root`, once, with `workers` threads.

    `heard_seconds` of a clip are what the encoder will hear, by default the paper's crop, and must not be
    silent. `memory` is the SQLite file that keeps what was found, so that an unchanged file is not read again,
    by a later run or by one that goes on after it was killed. `parts` is the folder where `inspect_part` leaves
    what it finds: that is taken into the memory, and goes. A file at which a decoder hangs is given up after
    `patience` seconds, and one more for each MB of it; its thread is left behind. Among the reasons why a clip
    cannot be used is a link that leads out of the root.
    Raises ValueError where a path leaves the root without a link or the root is absent.
    """
    files, which, refused = _distinct(utterances, root)
    looking = Looking(os.path.realpath(root), heard_seconds, workers, patience)
    with Inspected(memory, heard_seconds) as inspected:
        for path, found in left_by_parts(parts, looking.root, heard_seconds) if parts else ():
            if inspected.take(found):
                path.unlink(missing_ok=True)
        findings = looking.at(files, range(len(files)), refused, inspected)
    cancelling = [
        u.id for u, number in zip(utterances, which.tolist(), strict=True) if findings.cancels[number]
    ]
    return Inspection(
        Manifest(_table(utterances, files, which, findings)),
        _rejects(utterances, which, findings),
        cancelling,
    )


def inspect_part(
    utterances: Sequence[Utterance],
    root: Path,
    part: Part,
    folder: Path,
    *,
    heard_seconds: float,
    workers: int,
    patience: float,
) -> PartInspection:
    """Inspect the files of one part, by the hash of their paths, and leave what was found in `folder`.

    Any number of parts may be at it at once. Raises as `inspect`, and OSError where nothing can be left there.
    """
    files, which, refused = _distinct(utterances, root)
    share = part.holds_texts(files)
    ours = {number: reason for number, reason in refused.items() if share[number]}
    looking = Looking(os.path.realpath(root), heard_seconds, workers, patience)
    with FoundByPart(folder, part, looking.root, heard_seconds) as found:
        findings = looking.at(files, np.flatnonzero(share).tolist(), ours, found)
    return PartInspection(int(share[which].sum()), _rejects(utterances, which, findings))


def _rejects(
    utterances: Sequence[Utterance], which: npt.NDArray[np.int64], findings: Findings
) -> list[Reject]:
    return [
        Reject(u.id, u.path, u.split, findings.reasons[number])
        for u, number in zip(utterances, which.tolist(), strict=True)
        if number in findings.reasons
    ]


def _table(
    utterances: Sequence[Utterance], files: Sequence[str], which: npt.NDArray[np.int64], findings: Findings
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

    Files are relative to the root with links resolved, but for those that a link takes out of the root. Raises
    ValueError as `inspect` does.
    """
    if not root.is_dir():
        raise ValueError(f"prepare.root must be the folder of the clips, found no folder {root}")
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
