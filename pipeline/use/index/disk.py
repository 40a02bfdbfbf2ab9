"""An index on disk: index.json names the generation that counts, a folder of two tables and the embeddings.

A generation is written whole beside the one that counts, and never changed; index.json is then replaced. Whoever
dies before that leaves the old one in force.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tokenize import TokenError
from typing import Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.support import (
    held,
    read_json_object,
    read_parquet,
    remove,
    replacing_folder,
    shown,
    sync_folder,
    write_parquet,
    write_text,
)

INDEX_FILE, UNREADABLE_FILE, FEATURES = "index.json", "unreadable.csv", "features"
FILES_FILE, WINDOWS_FILE, EMBEDDINGS_FILE = "files.parquet", "windows.parquet", "embeddings.npy"

VERSION = 1

GENERATION = re.compile("[0-9a-f]{12}")

FILES = pa.schema(
    [
        ("path", pa.string()),
        ("size", pa.int64()),
        ("mtime_ns", pa.int64()),
        ("sha256", pa.string()),
        ("duration", pa.float64()),
        ("sampling_rate", pa.int32()),
    ]
)
"""Seconds and Hz; the path is relative to the root, with forward slashes. In the order of the paths."""

WINDOWS = pa.schema(
    [
        ("file", pa.int32()),
        ("start", pa.float64()),
        ("end", pa.float64()),
        ("valence", pa.float32()),
        ("arousal", pa.float32()),
        ("dominance", pa.float32()),
    ]
)
"""The file's row, seconds in it, the encoder's own reading on 1..7 or null. In the order of file and start."""

MADE_BY = "erclap index"


@dataclass(frozen=True, slots=True)
class About:
    """What an index is of."""

    generation: str
    root: str
    """The folder of the recordings, absolute."""
    model: str
    """The model's digest."""
    seconds: float
    """Of a window."""
    hop: float
    """Seconds from one window's start to the next."""


@dataclass(frozen=True)
class Stored:
    """A generation as it was read: N windows of the files."""

    about: About
    files: pa.Table
    windows: pa.Table
    embeddings: npt.NDArray[np.float32]
    """(N, E), mapped into memory rather than read."""


def read_about(folder: Path) -> About:
    """What index.json says. Raises RuntimeError where there is none, or none of today's."""
    path = folder / INDEX_FILE
    written = read_json_object(path, made_by=f"{MADE_BY} DIR")
    if written.get("version") != VERSION:
        raise RuntimeError(
            f"{path} must be of version {VERSION}, found {written.get('version')!r:.40}: run `{MADE_BY} DIR` again"
        )
    try:
        about = About(**{name: written[name] for name in About.__slots__})
        if not GENERATION.fullmatch(about.generation) or not Path(about.root).is_absolute():
            raise ValueError("no generation or no root")
        if not (0 < about.seconds < np.inf and 0 < about.hop < np.inf and isinstance(about.model, str)):
            raise ValueError("no length, no hop or no model")
    except (KeyError, TypeError, ValueError) as error:
        raise RuntimeError(
            f"{path} must say what it is an index of ({error!s:.80}): run `{MADE_BY} DIR` again"
        ) from error
    return about


def read_stored(folder: Path) -> Stored:
    """The generation that counts. Raises RuntimeError where there is none, or where its files disagree."""
    about = read_about(folder)
    while True:
        try:
            return _read(folder / about.generation, about)
        except (RuntimeError, FileNotFoundError):
            before, about = about, read_about(folder)
            if about == before:  # otherwise others have built anew meanwhile, twice
                raise


def _read(folder: Path, about: About) -> Stored:
    made_by = f"{MADE_BY} DIR"
    files = read_parquet(folder / FILES_FILE, FILES, made_by=made_by).combine_chunks()
    windows = read_parquet(folder / WINDOWS_FILE, WINDOWS, made_by=made_by).combine_chunks()
    path = folder / EMBEDDINGS_FILE
    try:
        embeddings = np.load(path, mmap_mode="r", allow_pickle=False)
        of = windows.column("file").to_numpy()
        if (
            not isinstance(embeddings, np.ndarray)
            or embeddings.ndim != 2
            or not embeddings.shape[1]
            or embeddings.dtype != np.float32
            or not embeddings.flags.c_contiguous
        ):
            raise ValueError("found another array")
        if len(embeddings) != len(of) or not len(of):
            raise ValueError(f"found {len(embeddings)} for {len(of)} windows")
        if of[0] < 0 or of[-1] >= len(files) or (np.diff(of) < 0).any():
            raise ValueError("the windows are not in the order of their files")
        told = [files.column(name) for name in FILES.names]
        told += [windows.column(name) for name in ("file", "start", "end")]
        if any(column.null_count for column in told):
            raise ValueError("a table has nothing where something must be")
        if not pc.all(pc.match_substring_regex(files.column("sha256"), "^[0-9a-f]{64}$")).as_py():
            raise ValueError("a sha256 is none")
    except (OSError, ValueError, EOFError, OverflowError, SyntaxError, TokenError) as error:
        raise RuntimeError(
            f"{path} must hold an embedding for each window ({error!s:.120}): run `{made_by}` again"
        ) from error
    return Stored(about, files, windows, embeddings)


@contextmanager
def writing(folder: Path, about: dict[str, Any]) -> Iterator[Path]:
    """A folder to write a generation into, which counts when the block ends, and goes when it fails.

    `about` are the fields of `About` but for the generation. The generation that counted before stays, for those
    who have it open; older ones go.
    """
    said = About(generation=uuid4().hex[:12], **about)
    with ExitStack() as stack:
        with replacing_folder(folder / said.generation) as temporary:
            yield temporary
            sync_folder(temporary)
            stack.enter_context(held(folder))  # so that no other build takes this one for an old one
        kept = {said.generation, _counting(folder)}
        write_text(
            json.dumps({"version": VERSION, **asdict(said)}, indent=2, sort_keys=True) + "\n",
            folder / INDEX_FILE,
        )
        sync_folder(folder)
        for path in folder.iterdir():
            if _is_generation(path) and path.name not in kept:
                remove(path)


def _is_generation(path: Path) -> bool:
    """Whether it is a folder of ours, as far as its name and what it holds tell."""
    if not GENERATION.fullmatch(path.name) or path.is_symlink() or not path.is_dir():
        return False
    return {one.name for one in path.iterdir()} <= {FILES_FILE, WINDOWS_FILE, EMBEDDINGS_FILE}


def check_is_index(folder: Path) -> None:
    """Raise ValueError for a folder that holds something else than an index, which a build might overwrite."""
    if not folder.is_dir() or _counting(folder):
        return
    told = {INDEX_FILE, UNREADABLE_FILE, FEATURES}
    there = (path for path in sorted(folder.iterdir()) if not path.name.startswith("."))
    other = next((path for path in there if path.name not in told and not _is_generation(path)), None)
    if other is None and (folder / INDEX_FILE).exists():
        try:
            written = read_json_object(folder / INDEX_FILE)
        except RuntimeError:  # a damaged one
            return
        other = None if "generation" in written else folder / INDEX_FILE
    if other is not None:
        raise ValueError(
            f"the folder of an index must hold that alone, found {shown(other.name)} in {shown(folder)}: name "
            f"another with --index"
        )


def _counting(folder: Path) -> str | None:
    try:
        return read_about(folder).generation
    except RuntimeError:
        return None


def write_tables(folder: Path, files: pa.Table, windows: pa.Table) -> None:
    """Write a generation's tables."""
    write_parquet(files.cast(FILES), folder / FILES_FILE)
    write_parquet(windows.cast(WINDOWS), folder / WINDOWS_FILE)


class EmbeddingsWriter:
    """Writes embeddings (N, E) block by block.

    Not by mapping the file: a full disk is then an OSError, and does not end the process.
    """

    def __init__(self, folder: Path, rows: int) -> None:
        self._path, self._rows = folder / EMBEDDINGS_FILE, rows
        self._file = self._path.open("wb")
        self._begun = False

    def __enter__(self) -> EmbeddingsWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._file.flush()
                os.fsync(self._file.fileno())
        finally:
            self._file.close()

    def add(self, block: npt.NDArray[np.float32]) -> None:
        """Write the next rows."""
        if not self._begun:
            np.lib.format.write_array_header_1_0(
                self._file,
                {"descr": "<f4", "fortran_order": False, "shape": (self._rows, block.shape[1])},
            )
            self._begun = True
        try:
            self._file.write(np.ascontiguousarray(block, "<f4").data)
        except OSError as error:
            error.filename = error.filename or str(self._path)
            raise
