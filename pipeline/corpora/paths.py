"""The files that a table's paths mean: below the root, with the names that they have on this disk."""

from __future__ import annotations

import os
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.corpora.texts import shown
from pipeline.support import counted

SAME, FORM, CASE, SEVERAL, ABSENT = range(5)
"""How a path and a file's agree: wholly, but for the Unicode form, but for the case, with several, with none."""


@dataclass
class Found:
    """A table's paths."""

    listed: list[str]
    """Relative to the root, with forward slashes, otherwise as the table writes them."""
    files: list[str]
    """With the names that the files have on this disk, where there are such files."""
    notes: list[str] = field(default_factory=list)


def find(paths: Sequence[str], root: Path, written: Path, place: Callable[[int], str]) -> Found:
    """The files below `root` that paths mean, by one listing of each folder.

    A path may be absolute, below `root` or below `written`, the root that params.yaml names where the corpus is
    mounted elsewhere. Backslashes are forward slashes where files are found so and none without. Another Unicode
    form, or another case where it is one file alone that differs so, is the file's. Raises ValueError, with the
    row's `place`, for an absolute path elsewhere.
    """
    listed = _relative(paths, root, written, place)
    folders = Folders(root)
    notes = []
    if any("\\" in path for path in listed):
        listed, note = _with_slashes(listed, folders)
        notes.append(note)
    resolved = {path: folders.resolve(path) for path in dict.fromkeys(listed)}
    notes += _notes(listed, resolved, folders)
    return Found(listed, [resolved[path][0] for path in listed], notes)


def _relative(paths: Sequence[str], root: Path, written: Path, place: Callable[[int], str]) -> list[str]:
    """Absolute paths made relative to the root."""
    if not any(path.startswith("/") for path in paths):
        return list(paths)
    real = os.path.realpath(root)
    roots = dict.fromkeys(f"{str(r).rstrip('/')}/" for r in (root.absolute(), written.absolute(), real))
    folders: dict[str, str] = {}

    def relative(row: int, path: str) -> str:
        if not path.startswith("/"):
            return path
        if start := next((start for start in roots if path.startswith(start)), None):
            return path.removeprefix(start)
        folder, name = os.path.split(path)
        if folder not in folders:
            folders[folder] = os.path.relpath(os.path.realpath(folder), real)
        if folders[folder].startswith(".."):
            raise ValueError(
                f"a clip's path must be relative to prepare.root, or lie below it, found {shown(path)} in "
                f"{place(row)}, which is not below {root}"
            )
        return os.path.normpath(os.path.join(folders[folder], name))  # noqa: PTH118

    return [relative(row, path) for row, path in enumerate(paths)]


def _with_slashes(listed: list[str], folders: Folders) -> tuple[list[str], str]:
    slashed = {path: path.replace("\\", "/") for path in listed if "\\" in path}
    several = counted(sum("\\" in path for path in listed), "path holds", "paths hold")
    if any(folders.resolve(path)[1] == SAME for path in slashed):
        return listed, f"{several} backslashes, which belong to the names of files, and were kept"
    if any(folders.resolve(path)[1] != ABSENT for path in slashed.values()):
        return [slashed.get(path, path) for path in listed], f"{several} backslashes, read as forward slashes"
    return listed, f"{several} backslashes, and no such file is found, nor one with forward slashes"


def _notes(listed: Iterable[str], resolved: dict[str, tuple[str, int]], folders: Folders) -> list[str]:
    differing: dict[int, list[str]] = defaultdict(list)
    for path in listed:
        if resolved[path][1] in (FORM, CASE, SEVERAL):
            differing[resolved[path][1]].append(path)
    notes = []
    if paths := differing[FORM]:
        several = counted(len(paths), "path is", "paths are")
        notes.append(
            f"{several} in another Unicode form than the file's name, which was taken: {paths[0]}, …"
        )
    if paths := differing[CASE]:
        several = counted(len(paths), "path differs from a file's name", "paths differ from files' names")
        notes.append(
            f"{several} in case alone, and were read as the files (the first: {paths[0]} is "
            f"{resolved[paths[0]][0]})"
        )
    if paths := differing[SEVERAL]:
        several, like = counted(len(paths), "path differs", "paths differ"), folders.like(paths[0])
        notes.append(
            f"{several} from two files' names in case alone (the first: {paths[0]} may be {' or '.join(like)}): "
            f"write the right one"
        )
    return notes


class Folders:
    """The folders below a root, each listed once, when it is first asked for."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._names: dict[str, dict[str, list[str]]] = {}
        self._exact: dict[str, frozenset[str]] = {}
        self._resolved: dict[str, tuple[str, int]] = {"": ("", SAME)}

    def resolve(self, path: str) -> tuple[str, int]:
        """The file or folder that a path means, as its names are on disk, and how they agree."""
        if path in self._resolved:
            return self._resolved[path]
        folder, _, name = path.rpartition("/")
        if name in ("", ".", ".."):
            return path, SAME if os.path.lexists(self._root / path) else ABSENT
        if folder not in self._resolved:
            self._resolved[folder] = self.resolve(folder)
        parent, how = self._resolved[folder]
        if how in (SEVERAL, ABSENT):
            return path, how
        names = self._listed(parent)
        if name in names:
            found = name
        else:
            alike = self._alike(parent, name)
            same_form = [other for other in alike if _form(other) == _form(name)]
            if len(same_form) == 1:
                found, how = same_form[0], max(how, FORM)
            elif len(alike) == 1:
                found, how = alike[0], max(how, CASE)
            else:
                return path, SEVERAL if alike else ABSENT
        return (f"{parent}/{found}" if parent else found), how

    def like(self, path: str) -> list[str]:
        """The files or folders whose names are a path's but for Unicode form and case."""
        folder, _, name = path.rpartition("/")
        parent, how = self.resolve(folder)
        if how == SEVERAL:
            return self.like(folder)
        return [f"{parent}/{other}" if parent else other for other in self._alike(parent, name)]

    def _listed(self, folder: str) -> frozenset[str]:
        if folder not in self._exact:
            try:
                self._exact[folder] = frozenset(os.listdir(self._root / folder))  # noqa: PTH208
            except (OSError, ValueError):  # no folder, or a name that no folder can have
                self._exact[folder] = frozenset()
        return self._exact[folder]

    def _alike(self, folder: str, name: str) -> list[str]:
        if folder not in self._names:
            alike = defaultdict(list)
            for other in sorted(self._listed(folder)):
                alike[_form(other).casefold()].append(other)
            self._names[folder] = alike
        return self._names[folder].get(_form(name).casefold(), [])


def _form(name: str) -> str:
    return unicodedata.normalize("NFC", name)
