"""The recordings below a folder: found by their names, opened by nobody here."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pipeline.support import shown

DECODED = (
    ".aif .aifc .aiff .au .avr .caf .flac .htk .mp1 .mp2 .mp3 .mpga .nist .oga .ogg .opus .paf .pvf .rf64 .sf "
    ".snd .sph .spx .svx .voc .w64 .wav .wave .wve"
)
OTHERS = ".3gp .aac .ac3 .amr .ape .m4a .mka .mpc .tta .wma .wv"
"""Of recordings that libsndfile does not read: they are listed as unreadable rather than passed over."""

SUFFIXES = frozenset(f"{DECODED} {OTHERS}".split())


@dataclass(frozen=True, slots=True)
class Found:
    """A file with a recording's name, and what tells it from an earlier one of that name."""

    path: str
    """Relative to the folder, with forward slashes."""
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file or folder that is not indexed."""

    path: str
    """Relative to the folder; what a terminal would obey is escaped."""
    reason: str

    @classmethod
    def of(cls, path: str, reason: object) -> Unreadable:
        """A path as it is on disk, and why."""
        return cls(shown(path, 4096), shown(reason, 1000))


def find_recordings(root: Path, left_out: Path) -> tuple[list[Found], list[Unreadable]]:
    """Every recording below `root` in the order of the paths, and what cannot be one of them.

    Files and folders whose names begin with a dot are left out, and so is the folder `left_out`. A link to a file
    below `root` is another file; one to a folder below it leads to what is found there anyway; one to outside of
    it is refused. Raises ValueError where `root` is no folder, OSError where it cannot be listed.
    """
    if not root.is_dir():
        there_is = "a file" if root.exists() else "none"
        raise ValueError(f"there must be a folder of recordings, found {there_is} at {root}")
    real, own = os.path.realpath(root), os.path.realpath(left_out)
    found: list[Found] = []
    refused: list[Unreadable] = []
    folders = [""]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(os.path.join(real, folder)) as entries:  # noqa: PTH118
                there = [entry for entry in entries if not entry.name.startswith(".")]
        except OSError as error:
            if not folder:
                raise
            refused.append(Unreadable.of(folder, f"a folder that cannot be listed ({error.strerror})"))
            continue
        for entry in there:
            path = f"{folder}/{entry.name}" if folder else entry.name
            is_audio = os.path.splitext(entry.name)[1].lower() in SUFFIXES  # noqa: PTH122
            try:
                is_folder = entry.is_dir()
            except OSError as error:  # a link to itself, or into a folder that is closed
                if is_audio:
                    refused.append(Unreadable.of(path, f"not readable ({error.strerror})"))
                continue
            if not (is_audio or is_folder):
                continue
            if entry.is_symlink():
                target = os.path.realpath(entry.path)
                if os.path.commonpath([real, target]) != real:
                    refused.append(Unreadable.of(path, f"a link to {target}, outside of {root}"))
                    continue
            if is_folder:
                if not entry.is_symlink() and os.path.realpath(entry.path) != own:
                    folders.append(path)
            elif _is_utf8(path):
                found.append(_found(entry, path))
            else:
                refused.append(Unreadable.of(path, "its path must be UTF-8: rename it"))
    return sorted(found, key=lambda one: one.path), sorted(refused, key=lambda one: one.path)


def _found(entry: os.DirEntry[str], path: str) -> Found:
    try:
        status = entry.stat()
    except OSError:  # a link to nowhere, or gone since: whoever opens it is told
        return Found(path, 0, 0)
    return Found(path, status.st_size, status.st_mtime_ns)


def _is_utf8(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
