"""What is searched: a model, and an index of the moment, which may be replaced while it answers."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.support import counted, shown
from pipeline.use.page.answers import refusal
from pipeline.use.page.limits import PLANE_PLACES
from pipeline.use.page.questions import Question

if TYPE_CHECKING:
    from pipeline.use.index.index import Hit, Index
    from pipeline.use.model import EmotionRankCLAP

SECONDS_BETWEEN_LOOKS = 1.0

CAPTIONS = 8
"""Captions nearest to a sentence: they say where it lies on the plane."""

SENTENCES = 5
"""Captions that tell how a window sounds."""


class Part(NamedTuple):
    """A window of the index."""

    row: int
    file: int
    start: float
    end: float
    valence: float | None
    arousal: float | None
    dominance: float | None


class Edition:
    """One generation of an index, whose files and windows are called by what they hold.

    A file's id is the start of its content's hash, and a window's adds where it begins in milliseconds: both stay
    when the index is made again, and a link to a search by one leads to the same sound.
    """

    def __init__(self, index: Index) -> None:
        self.index = index
        digests = index.files.column("sha256").to_pylist()
        self._keys = np.array([int(digest[:16], 16) for digest in digests], np.uint64)
        self._order = np.argsort(self._keys, kind="stable")

    def file_id(self, file: int) -> str:
        """The id of a file in its row."""
        return f"{int(self._keys[file]):016x}"

    def window_id(self, file: int, start: float) -> str:
        """The id of a window."""
        return f"{self.file_id(file)}-{round(1000 * start)}"

    def file(self, name: str) -> int:
        """The row of a file by its id. Refused with 404 where there is none."""
        row = self._row(name)
        if row is None:
            raise refusal(404, "the index has no such file")
        return row

    def _row(self, name: str) -> int | None:
        if len(name) == 16 and set(name) <= set("0123456789abcdef"):
            key = np.uint64(int(name, 16))
            place = int(np.searchsorted(self._keys, key, sorter=self._order))
            if place < len(self._order) and self._keys[self._order[place]] == key:
                return int(self._order[place])
        return None

    def window(self, name: str) -> Part:
        """A window by its id. Refused with 404 where there is none."""
        of, _, start = name.partition("-")
        if start.isascii() and start.isdigit() and len(start) <= 12:
            file = self._row(of)
            rows = range(0) if file is None else self.index.rows_of(file)
            for row, window in zip(rows, self.index.windows[rows.start : rows.stop].to_pylist(), strict=True):
                if round(1000 * window["start"]) == int(start):
                    return Part(row, **window)
        raise refusal(404, "the index has no such window")

    def result(self, hit: Hit) -> dict[str, Any]:
        """A hit as the API gives it."""
        return {
            "id": self.window_id(hit.file, hit.start),
            "file": self.file_id(hit.file),
            "path": os.fsencode(hit.path).decode("utf-8", "replace"),
            "start": hit.start,
            "end": hit.end,
            "score": hit.score,
            "valence": hit.valence,
            "arousal": hit.arousal,
            "dominance": hit.dominance,
        }

    @cached_property
    def has_attributes(self) -> bool:
        """Whether windows have places on the plane."""
        column = self.index.windows.column("valence")
        return bool(column.null_count < len(column))

    @cached_property
    def places(self) -> list[list[float]]:
        """Valence and arousal of windows spread evenly over the index."""
        count = len(self.index)
        rows = np.linspace(0, count - 1, min(PLANE_PLACES, count)).astype(np.int64)
        found = self.index.windows.select(["valence", "arousal"]).take(pa.array(rows)).to_pylist()
        return [
            [round(one["valence"], 3), round(one["arousal"], 3)]
            for one in found
            if one["valence"] is not None
        ]

    @cached_property
    def hours(self) -> float:
        """Of all recordings together."""
        return float(np.sum(self.index.files.column("duration").to_numpy())) / 3600

    @property
    def summary(self) -> str:
        """What it holds, for a line."""
        files, windows = counted(len(self.index.files), "recording"), counted(len(self.index), "window")
        return f"{files} in {windows}"


class Library:
    """A model and the newest edition of an index. Any number of threads may search it."""

    def __init__(
        self,
        model: EmotionRankCLAP,
        open_index: Callable[[], Index],
        watched: Path,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises as `open_index` does, and RuntimeError for an index of another model.

        `watched` is the file that is replaced when the index is made again.
        """
        self.model = model
        self._open_index, self._watched, self._clock = open_index, watched, clock
        self._looking = threading.Lock()
        self._seen, self._looked = self._stamp(), clock()
        self._edition = self._opened()

    def warm_up(self) -> None:
        """Load what a search by a sentence needs."""
        self.embed_sentences(["The person is speaking calmly."])

    @property
    def edition(self) -> Edition:
        """The newest one that fits the model; looked for once a second, by one thread at a time."""
        if self._clock() - self._looked >= SECONDS_BETWEEN_LOOKS and self._looking.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._looking.release()
        return self._edition

    def _look(self) -> None:
        self._looked = self._clock()
        stamp = self._stamp()
        if stamp in (self._seen, None):
            return
        self._seen = stamp
        try:
            self._edition = self._opened()
        except (ValueError, RuntimeError, OSError) as error:
            print(
                f"the index was made again and cannot be used, so the one before stays: {shown(error)}",
                file=sys.stderr,
            )

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            found = self._watched.stat()
        except OSError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns

    def _opened(self) -> Edition:
        index = self._open_index()
        index.check(self.model)
        return Edition(index)

    def embed_sentences(self, sentences: list[str]) -> npt.NDArray[np.float32]:
        """N sentences' embeddings (N, E). By one thread at a time, as it loads the encoder."""
        return self.model.embed_sentences(sentences)

    def search(self, question: Question, sentence: npt.NDArray[np.float32] | None = None) -> dict[str, Any]:
        """Where a question lies on the plane, as far as that is known, and the windows that suit it best.

        `sentence` is the embedding (E,) of the question's, where it has one.
        """
        edition, place, captions = self.edition, None, []
        index = edition.index
        if sentence is not None:
            captions = self.captions(sentence, CAPTIONS)
            place = _mean_place(captions)
            (hits,) = index.by_embedding(sentence, question.k)
        elif question.point is not None:
            if not edition.has_attributes:
                raise refusal(400, "this index has no valence and arousal to search by: search by a sentence")
            place = question.point
            hits = index.by_point(*question.point, question.k)
        else:
            part = edition.window(question.like or "")
            if part.valence is not None and part.arousal is not None:
                place = part.valence, part.arousal
            hits = index.by_like(part.row, question.k)
        query = {"valence": place and place[0], "arousal": place and place[1], "captions": captions}
        return {"query": query, "results": [edition.result(hit) for hit in hits]}

    def similar(self, edition: Edition, embedding: npt.NDArray[np.float32], k: int) -> list[dict[str, Any]]:
        """The windows nearest to an embedding (E,)."""
        (hits,) = edition.index.by_embedding(embedding, k)
        return [edition.result(hit) for hit in hits]

    def captions(self, embedding: npt.NDArray[np.float32], count: int) -> list[dict[str, Any]]:
        """The captions nearest to an embedding; none where the model has none."""
        bank = self.model.model.bank
        return bank.described(embedding, count) if bank else []

    def hear(
        self, waveforms: Sequence[npt.NDArray[np.float32]]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32] | None]:
        """Windows' embeddings (N, E), and valence, arousal, dominance (N, 3) where the model says them.

        By one thread at a time, as it loads the encoder.
        """
        statistics = self.model.speech.encode_heard(waveforms)
        return self.model.embed_statistics(statistics), self.model.attributes(statistics)

    def about(self) -> dict[str, Any]:
        """What is searched."""
        edition, origin = self.edition, self.model.model.origin
        return {
            "model": self.model.name,
            "title": str(origin.get("title", self.model.name)),
            "digest": self.model.digest,
            "synthetic": _synthetic(origin.get("corpus")),
            "files": len(edition.index.files),
            "windows": len(edition.index),
            "hours": edition.hours,
            "has_attributes": edition.has_attributes,
            "has_captions": self.model.model.bank is not None,
        }


def _synthetic(corpus: object) -> bool:
    return isinstance(corpus, dict) and corpus.get("synthetic") is True


def _mean_place(captions: list[dict[str, Any]]) -> tuple[float, float] | None:
    if not captions:
        return None
    valence, arousal = np.mean([(one["valence"], one["arousal"]) for one in captions], axis=0)
    return float(valence), float(arousal)
