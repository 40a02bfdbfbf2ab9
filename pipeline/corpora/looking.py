"""Files looked at by threads, each once: what each is, or why it cannot be used."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from pipeline.audio import AudioError, PassingAudioError, inspect_clip
from pipeline.corpora.inspected import Known, Outcome, Stamp, Unreachable
from pipeline.support import Progress, in_order, patiently

FILES_AT_ONCE = 32
"""One thread's task."""

SLOWEST = 1e6
"""Bytes a second that are read and decoded at least, however far a file is away."""

SECONDS_UNTIL_SETTLED = 2.0
"""A file written later than this before it was read could be written again without a change of its time."""


class Memory(Protocol):
    """What is known of files, by their absolute paths."""

    def recall(self, files: Sequence[str]) -> dict[str, Known]:
        """What is known of these files."""

    def remember(self, file: str, stamp: Stamp, outcome: Outcome) -> None:
        """Keep what was found of a file."""


class Findings:
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
        """Take in what was found of a file."""
        if isinstance(outcome, str):
            self.reasons[number] = outcome
            return
        self.sha256[number] = outcome.sha256
        self.duration[number] = outcome.duration
        self.sampling_rate[number] = outcome.sampling_rate
        self.channels[number] = outcome.channels
        self.cancels[number] = outcome.cancels


@dataclass(frozen=True)
class Looking:
    """How files are looked at."""

    root: str
    """Its real path."""
    heard_seconds: float
    workers: int
    patience: float

    def at(
        self, files: Sequence[str], numbers: Sequence[int], refused: Mapping[int, str], memory: Memory
    ) -> Findings:
        """What is found of some of the files; those that are refused are not read."""
        findings = Findings(len(files))
        findings.reasons.update(refused)
        wanted = [number for number in numbers if number not in refused]
        with (
            Progress("inspect", len(wanted), "clips") as progress,
            closing(self.outcomes([files[number] for number in wanted], memory)) as outcomes,
        ):
            for number, outcome in zip(wanted, outcomes, strict=True):
                findings.put(number, outcome)
                progress.advance()
        return findings

    def outcomes(self, files: Sequence[str], memory: Memory) -> Generator[Outcome]:
        """Every file's outcome, in order, with a bounded number of them ahead."""

        def batches() -> Iterator[tuple[list[str], dict[str, Known]]]:
            for start in range(0, len(files), FILES_AT_ONCE):
                batch = [f"{self.root}/{name}" for name in files[start : start + FILES_AT_ONCE]]
                yield batch, memory.recall(batch)

        pool = ThreadPoolExecutor(self.workers, "inspect")
        try:
            for found in in_order(pool, self._look_at, batches(), 2 * self.workers + 1):
                for file, outcome, stamp in found:
                    if stamp is not None:
                        memory.remember(file, stamp, outcome)
                    yield outcome
        finally:
            pool.shutdown(cancel_futures=True)

    def _look_at(self, task: tuple[list[str], dict[str, Known]]) -> list[tuple[str, Outcome, Stamp | None]]:
        batch, known = task
        found: list[tuple[str, Outcome, Stamp | None]] = []
        while rest := batch[len(found) :]:
            looks = ((file, *_look(file, known.get(file), self.heard_seconds)) for file in rest)
            answers = patiently(looks, lambda: _longest(batch[len(found)], self.patience))
            try:
                for _ in rest:
                    found.append(next(answers))
            except TimeoutError as error:
                found.append((batch[len(found)], f"reading and decoding it was given up: {error}", None))
        return found


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
