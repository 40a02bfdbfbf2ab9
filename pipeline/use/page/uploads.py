"""A recording that somebody sends: decoded in a process of its own, which a time limit ends, then heard."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.audio import AudioError, Window, read_windows
from pipeline.support import Killable, shown
from pipeline.use.page.answers import refusal
from pipeline.use.page.library import SENTENCES, Library
from pipeline.use.page.limits import MAX_AUDIO_SECONDS, WORK_SECONDS

SIMILAR = 10
"""Windows of the index that are given with each window of a recording."""


@dataclass(frozen=True)
class Asked:
    """A recording to be decoded."""

    file: Path
    window_seconds: float
    at_most: float
    """Seconds of it."""


def decode(asked: Asked) -> list[Window]:
    """A recording's windows. Raises AudioError as `read_windows`, and for one that is too long."""
    if multiprocessing.parent_process():  # nobody wants what a decoder says of a stranger's file
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
    windows = []
    for window in read_windows(asked.file, asked.window_seconds):
        if window.end > asked.at_most:
            raise AudioError(f"longer than {asked.at_most / 60:g} minutes")
        windows.append(window)
    return windows


class Ear:
    """Hears recordings, one after another, and keeps nothing of them."""

    def __init__(
        self, library: Library, *, seconds: float = WORK_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._library, self._seconds, self._clock = library, seconds, clock
        self._closing, self._closed = ExitStack(), False
        self._decode = self._closing.enter_context(Killable(decode, seconds))
        self.folder = Path(self._closing.enter_context(tempfile.TemporaryDirectory(prefix="erclap-page-")))
        """Where recordings lie while they are received and heard; it goes with this."""

    def close(self) -> None:
        """End the process, remove what was being received, and hear no further window."""
        self._closed = True
        self._closing.close()

    @contextmanager
    def receiving(self) -> Iterator[Path]:
        """A file for a recording that arrives, which goes when the block ends."""
        descriptor, name = tempfile.mkstemp(dir=self.folder)
        os.close(descriptor)
        try:
            yield Path(name)
        finally:
            Path(name).unlink(missing_ok=True)

    def hear(self, file: Path) -> dict[str, Any]:
        """Each window of a recording: its place, the captions and the windows of the index nearest to it.

        What cannot be heard is refused with 422. Where time runs out, `heard` says how far it got.
        """
        begun = self._clock()
        library = self._library
        try:
            windows = self._decode(Asked(file, library.model.crop_seconds, MAX_AUDIO_SECONDS))
        except AudioError as error:
            raise refusal(422, f"this recording cannot be heard: {shown(error)}") from None
        except TimeoutError:
            raise refusal(
                422, f"this recording cannot be heard: it takes over {self._seconds:g} s to decode"
            ) from None
        except ChildProcessError:
            raise refusal(422, "this recording cannot be heard: it is damaged") from None
        edition = library.edition
        told: list[dict[str, Any]] = []
        for window in windows:
            if self._closed or (told and self._clock() - begun > self._seconds):
                break
            (embedding,), attributes = library.hear([window.waveform])
            places = [None] * 3 if attributes is None else [float(value) for value in attributes[0]]
            told.append(
                {
                    "start": window.start,
                    "end": window.end,
                    **dict(zip(("valence", "arousal", "dominance"), places, strict=True)),
                    "sentences": library.captions(embedding, SENTENCES),
                    "results": library.similar(edition, embedding, SIMILAR),
                }
            )
        return {"heard": told[-1]["end"], "duration": windows[-1].end, "windows": told}
