"""Every answer that was paid for, kept: a journal that is safe when a line returns, and a table to share.

A folder holds `answers.parquet` and `journal.jsonl`, and in `prompts` what each hash of a prompt stands for. An
answer is appended to the journal and synced to the disk as it arrives; when a run ends, the journal goes into the
table. One process at a time may write, the others wait for it: so none asks what another is asking.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO

import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from pipeline.captions.llm.requests import Key, Question, Request
from pipeline.captions.llm.table import ANSWERS_SCHEMA, Answer, judged, read_table
from pipeline.support import sync_folder, write_parquet, write_text

TABLE, JOURNAL, LOCK, PROMPTS = "answers.parquet", "journal.jsonl", "lock", "prompts"


def answers_folder() -> Path:
    """Where answers are kept: ERCLAP_ANSWERS where it is set, otherwise cache/answers."""
    return Path(os.environ.get("ERCLAP_ANSWERS") or "cache/answers")


class Answers:
    """Answers by their key.

    Of several good answers to one request the earliest counts, so that two people who merge each other's tables
    end with the same captions.
    """

    def __init__(self, rows: Iterable[Answer] = ()) -> None:
        self._rows: dict[Answer, None] = {}
        self._good: dict[Key, Answer] = {}
        self._bad: dict[Key, list[Answer]] = {}
        self._questions: set[Question] = set()
        for row in rows:
            self.put(row)

    def put(self, row: Answer) -> None:
        """Take in an answer; one that is there already changes nothing."""
        if row in self._rows:
            return
        self._rows[row] = None
        if row.answer is None:
            self._bad.setdefault(row.key, []).append(row)
            return
        self._questions.add(row.key.question)
        best = self._good.get(row.key)
        if best is None or (row.date, row.raw) < (best.date, best.raw):
            self._good[row.key] = row

    def text(self, key: Key) -> str | None:
        """The captions of a request, one a line; None where there is no good answer."""
        found = self._good.get(key)
        return found.answer if found else None

    def written(self, request: Request) -> tuple[Key, str] | None:
        """The captions of a request, one a line, and what they answer: it, or else how it was put otherwise."""
        form: Request | None = request
        while form is not None:
            if (text := self.text(form.key)) is not None:
                return form.key, text
            form = form.otherwise
        return None

    def text_of(self, request: Request) -> str | None:
        """The captions of a request however it was put, one a line; None where there are none."""
        found = self.written(request)
        return found[1] if found else None

    def to_ask(self, request: Request, attempts: int) -> Request | None:
        """What is asked next for a request that has no captions; None where that was done often enough."""
        form: Request | None = request
        while form is not None and len(self.problems(form.key)) >= attempts:
            form = form.otherwise
        return form

    def has_good(self, question: Question) -> bool:
        """Whether any cell and draw of a question has its captions."""
        return question in self._questions

    def problems(self, key: Key) -> list[Answer]:
        """The answers to a request that were no captions."""
        return self._bad.get(key, [])

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Answer]:
        return iter(self._rows)

    def table(self) -> pa.Table:
        """All rows in an order that does not depend on when they came."""
        rows = sorted(self, key=lambda row: (row.key, row.date, row.raw))
        return pa.Table.from_pylist([asdict(row) for row in rows], schema=ANSWERS_SCHEMA)


def read_answers(folder: Path) -> Answers:
    """What a folder holds, also while another process adds to it. Raises RuntimeError for a damaged file."""
    # The journal first: what leaves it meanwhile is in the table by then.
    rows = _read_journal(folder / JOURNAL)
    table = folder / TABLE
    return Answers([*(read_table(table) if table.exists() else []), *rows])


def _read_journal(path: Path) -> list[Answer]:
    """The journal's whole lines; a last one that a killed run left torn was never reported as kept."""
    row_of = TypeAdapter(Answer)
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    rows = []
    for number, line in enumerate(lines[:-1], start=1):
        if line:
            try:
                rows.append(row_of.validate_json(line, strict=True))
            except ValidationError:
                print(
                    f"warning: line {number} of {path} is torn, left by a run that was killed, or damaged; it is "
                    f"not used",
                    file=sys.stderr,
                )
    return rows


class AnswersWriter:
    """The one writer of a folder of answers."""

    def __init__(self, folder: Path, journal: IO[bytes]) -> None:
        self.folder, self.known = folder, read_answers(folder)
        self._journal = journal
        self._lock = threading.Lock()

    def add(self, row: Answer) -> None:
        """Keep an answer: when this returns, it is on the disk. Any number of threads may call it."""
        line = json.dumps(asdict(row), ensure_ascii=False).encode() + b"\n"
        with self._lock:
            self._append(line)
            self.known.put(row)

    def _append(self, line: bytes) -> None:
        """Write a whole line or, where the disk is full, none of it, and raise OSError."""
        end = os.fstat(self._journal.fileno()).st_size
        rest = memoryview(line)
        try:
            while rest:  # a disk that is almost full takes a part
                rest = rest[self._journal.write(rest) :]
            os.fsync(self._journal.fileno())
        except OSError:
            self._journal.truncate(end)
            raise

    def say_what_was_asked(self, prompts: Mapping[str, Mapping[str, object]]) -> None:
        """Write down what the hashes of prompts stand for, a file each."""
        for name, prompt in prompts.items():
            file = self.folder / PROMPTS / f"{name}.json"
            if not file.exists():
                file.parent.mkdir(exist_ok=True)
                write_text(json.dumps(prompt, ensure_ascii=False, indent=2) + "\n", file)

    def merge(self, rows: Iterable[Answer]) -> int:
        """Take in answers from elsewhere, judged anew; returns how many were not there yet.

        Raises RuntimeError for one that cannot have come from an endpoint; then none is taken in.
        """
        before = len(self.known)
        for row in [judged(row) for row in rows]:
            self.known.put(row)
        return len(self.known) - before

    def compact(self) -> None:
        """Move the journal into the table."""
        with self._lock:
            if not len(self.known):
                return
            write_parquet(self.known.table(), self.folder / TABLE)
            sync_folder(self.folder)
            self._journal.truncate(0)


@contextmanager
def writing_answers(folder: Path) -> Iterator[AnswersWriter]:
    """Be the one writer of a folder, after waiting for another to end; at the end the table is brought up to date.

    The lock goes with the process, however that ends.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{folder}: another process is asking; waiting for it to end", file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        with (folder / JOURNAL).open("ab", buffering=0) as journal:
            if journal.tell():
                _end_torn_line(folder / JOURNAL, journal)
            writer = AnswersWriter(folder, journal)
            try:
                yield writer
            finally:
                writer.compact()


def _end_torn_line(path: Path, journal: IO[bytes]) -> None:
    """Let no new line begin at the end of one that a killed run left torn."""
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        if file.read() != b"\n":
            journal.write(b"\n")
