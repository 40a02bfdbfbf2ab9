"""Every distinct clip measured once, on all cores, and kept by the hash of its file.

On processes: Praat keeps hold of the interpreter, so that threads would wait for each other, and for ever where it
hangs.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path

import pyarrow as pa

from pipeline.audio import AudioError, Unusable, refuse_unusable
from pipeline.captions.acoustics import Acoustics, Clip, measure_clip, method
from pipeline.manifest import Manifest
from pipeline.support import Killable, Progress, in_order, read_parquet, write_parquet

ACOUSTICS_FILE = Path("cache/acoustics.parquet")

UNMEASURED_FILE = Path("cache/unmeasured.csv")

SCHEMA = pa.schema(
    [
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("heard_seconds", pa.float64(), nullable=False),
        pa.field("method", pa.string(), nullable=False),
        *(pa.field(name, pa.float64(), nullable=False) for name in Acoustics._fields),  # NaN is missing
    ]
)

CLIPS_AHEAD = 16
"""Of each process, so that none waits while one clip takes long."""

SECONDS_BETWEEN_WRITES = 30.0
"""At most so much work is lost when a run is killed."""


def measure_clips(
    manifest: Manifest,
    root: Path,
    heard_seconds: float,
    *,
    workers: int = 2,
    patience: float = 60.0,
    memory: Path = ACOUSTICS_FILE,
    listing: Path = UNMEASURED_FILE,
) -> dict[str, Acoustics]:
    """The measures of every utterance by its id: of what the encoder hears, the first `heard_seconds`.

    `memory` keeps them by clip, and in the end holds those of this manifest alone; a clip that is in it is not
    read, so that nobody needs the audio of a corpus that was measured. Any number of processes may use one
    memory: each replaces it whole, with what it finds in it. A clip that takes longer than `patience` seconds is
    given up. Raises ValueError where there is something to read
    and no folder to read it from; RuntimeError where clips could not be measured, all others being kept, with the
    clips in `listing`, and where Praat is not installed.
    """
    known = _Memory(memory, heard_seconds)
    ids, paths, hashes = (manifest.strings(column) for column in ("id", "path", "sha256"))
    clips: dict[str, Clip] = {}
    for name, path, sha256 in zip(ids, paths, hashes, strict=True):
        clips.setdefault(sha256, Clip(name, path, sha256))
    missing = [clip for sha256, clip in clips.items() if sha256 not in known.found]
    if missing and not root.is_dir():
        raise ValueError(
            f"prepare.root must be the folder of the clips, found no folder {root}, and {len(missing)} of "
            f"{len(clips)} clips are not measured yet for the captions `paraclap`"
        )
    failures = _measure_missing(missing, root, known, workers, patience)
    refuse_unusable(
        failures,
        listing,
        must="every clip must be measured for the captions `paraclap`",
        among=len(clips),
        others="kept",
    )
    known.prune(clips)
    return {name: known.found[sha256] for name, sha256 in zip(ids, hashes, strict=True)}


def keep_memory(memory: Path = ACOUSTICS_FILE) -> None:
    """Leave the memory as it is, or write an empty one: DVC wants every file that a stage may write."""
    if not memory.exists():
        write_parquet(SCHEMA.empty_table(), memory)


class _Memory:
    """What is known of clips, by the hash of their files."""

    def __init__(self, path: Path, heard_seconds: float) -> None:
        self._path, self.heard_seconds, self._method = path, heard_seconds, method()
        self._written = time.monotonic()
        self.found = self._read()

    def remember(self, sha256: str, acoustics: Acoustics) -> None:
        """Keep a clip's measures; they are written within half a minute, or by `write`."""
        self.found[sha256] = acoustics
        if time.monotonic() - self._written >= SECONDS_BETWEEN_WRITES:
            self.write()

    def write(self) -> None:
        """Replace the file by what is in it, what another process has put there since, and what is new."""
        self.found = self._read() | self.found
        self._replace()

    def prune(self, wanted: Iterable[str]) -> None:
        """Keep these clips alone, so that the file is the same whatever was measured before."""
        self.found = {sha256: self.found[sha256] for sha256 in sorted(wanted)}
        self._replace()

    def _read(self) -> dict[str, Acoustics]:
        if not self._path.exists():
            return {}
        try:
            columns = read_parquet(self._path, SCHEMA, made_by="erclap caption").to_pydict().values()
        except RuntimeError as error:
            print(f"warning: {error}; clips are measured anew", file=sys.stderr, flush=True)
            return {}
        return {
            sha256: Acoustics(*values)
            for sha256, heard_seconds, how, *values in zip(*columns, strict=True)
            if (heard_seconds, how) == (self.heard_seconds, self._method)
        }

    def _replace(self) -> None:
        # By columns: a dictionary a clip takes a second and 100 MB at full size, every half minute.
        count = len(self.found)
        measures = zip(*self.found.values(), strict=True) if count else [[] for _ in Acoustics._fields]
        columns = [list(self.found), [self.heard_seconds] * count, [self._method] * count, *measures]
        write_parquet(pa.table(columns, schema=SCHEMA), self._path)
        self._written = time.monotonic()


def _measure_missing(
    missing: Sequence[Clip], root: Path, known: _Memory, workers: int, patience: float
) -> list[Unusable]:
    """Measure clips and remember them; return those that could not be measured."""
    failures: list[Unusable] = []
    if not missing:
        return failures
    work = partial(measure_clip, root, known.heard_seconds)
    workers = min(workers, len(missing))
    try:
        with (
            Progress("acoustics", len(missing), "clips") as progress,
            ThreadPoolExecutor(workers, "measure") as pool,
            Killable(work, patience) as measured,  # ended first, so that no thread waits for one that hangs
            closing(in_order(pool, partial(_outcome, measured), missing, CLIPS_AHEAD * workers)) as results,
        ):
            for clip, outcome in zip(missing, results, strict=True):
                if isinstance(outcome, str):
                    failures.append(Unusable(clip.id, clip.path, outcome))
                else:
                    known.remember(clip.sha256, outcome)
                progress.advance()
    finally:
        known.write()
    return failures


def _outcome(measured: Callable[[Clip], Acoustics], clip: Clip) -> Acoustics | str:
    """A clip's measures, or why there are none."""
    try:
        return measured(clip)
    except AudioError as error:
        return str(error)
    except TimeoutError as error:
        return f"measuring it was {error}"
    except ChildProcessError as error:
        return f"measuring it {error}"
