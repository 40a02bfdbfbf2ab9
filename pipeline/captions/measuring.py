"""Every distinct clip measured once, on all cores, and kept by the hash of its file.

On processes: Praat keeps hold of the interpreter, so that threads wait for each other.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa

from pipeline.audio import AudioError, Unusable, inside, read_waveform, refuse_unusable
from pipeline.captions.acoustics import Acoustics, measure, method
from pipeline.manifest import Manifest
from pipeline.support import Progress, in_order, read_parquet, write_parquet

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

CLIPS_AT_ONCE = 16
"""One process's task."""

SECONDS_BETWEEN_WRITES = 30.0
"""At most so much work is lost when a run is killed."""


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip of the manifest to measure."""

    id: str
    path: str
    sha256: str


def measure_clips(
    manifest: Manifest,
    root: Path,
    heard_seconds: float,
    *,
    workers: int = 2,
    memory: Path = ACOUSTICS_FILE,
    listing: Path = UNMEASURED_FILE,
) -> dict[str, Acoustics]:
    """The measures of every utterance by its id: of what the encoder hears, the first `heard_seconds`.

    `memory` keeps them by clip, and in the end holds those of this manifest alone; a clip that is in it is not
    read, so that nobody needs the audio of a corpus that was measured. Any number of processes may use one
    memory: each replaces it whole, with what it finds in it. Raises ValueError where there is something to read
    and no folder to read it from; RuntimeError where clips could not be read, all others being kept, with the
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
    failures = _measure_missing(missing, root, known, workers)
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


def _measure_missing(missing: Sequence[Clip], root: Path, known: _Memory, workers: int) -> list[Unusable]:
    """Measure clips and remember them; return those that could not be read."""
    failures: list[Unusable] = []
    if not missing:
        return failures
    batches = [missing[start : start + CLIPS_AT_ONCE] for start in range(0, len(missing), CLIPS_AT_ONCE)]
    work = partial(_measure_batch, root, known.heard_seconds)
    try:
        with (
            Progress("acoustics", len(missing), "clips") as progress,
            _processes(min(workers, len(batches))) as pool,
            closing(in_order(pool, work, batches, 2 * workers + 1)) as results,
        ):
            for batch, outcomes in zip(batches, results, strict=True):
                for clip, outcome in zip(batch, outcomes, strict=True):
                    if isinstance(outcome, str):
                        failures.append(Unusable(clip.id, clip.path, outcome))
                    else:
                        known.remember(clip.sha256, outcome)
                progress.advance(len(batch))
    finally:
        known.write()
    return failures


@contextmanager
def _processes(count: int) -> Iterator[Executor]:
    """So many processes, which leave Ctrl-C to this one and end when it is killed; one is a thread of this one."""
    if count == 1:
        with ThreadPoolExecutor(1, "measure") as pool:
            yield pool
        return
    # Spawned, since a fork would copy the locks of threads that it does not copy.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, context, _end_with_parent) as pool:
        with _interrupted_after():
            for _ in range(count):  # that a task is there for each starts them all
                pool.submit(os.getpid)
        yield pool


@contextmanager
def _interrupted_after() -> Iterator[None]:
    """Have a Ctrl-C wait for the end of this, and for ever in the processes that are started meanwhile."""
    came: list[int] = []
    waiting = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # which they inherit
    # Another thread may take the signal, and Python would still raise it in the main one.
    in_main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, lambda number, frame: came.append(number)) if in_main else None
    try:
        yield
    finally:
        if in_main:
            signal.signal(signal.SIGINT, before)
        signal.pthread_sigmask(signal.SIG_SETMASK, waiting)
    for number in came:
        signal.raise_signal(number)


def _measure_batch(root: Path, heard_seconds: float, clips: Sequence[Clip]) -> list[Acoustics | str]:
    """Measures, or why there are none, of each clip."""
    return [_measure_clip(root, heard_seconds, clip) for clip in clips]


def _measure_clip(root: Path, heard_seconds: float, clip: Clip) -> Acoustics | str:
    try:
        return measure(read_waveform(inside(root, clip.path), heard_seconds, sha256=clip.sha256))
    except AudioError as error:
        return str(error)


def _end_with_parent() -> None:
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)
