"""A job scheduler's SIGTERM unwinds like Ctrl-C, so that work in hand is stored first, wherever it falls."""

from __future__ import annotations

import os
import signal
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SECONDS_UNTIL_AGAIN = 0.01


class Terminated(KeyboardInterrupt):
    """A SIGTERM came."""


@contextmanager
def unwinding_on_sigterm() -> Iterator[None]:
    """Within this a SIGTERM raises `Terminated`, in the main thread.

    Where it falls into a destructor, or a callback of a library's, Python drops what is raised. An exception that
    is dropped before this ends is gone, while one that unwinds is not: then the signal is sent again, soon.
    """
    inside = True
    ending = threading.Lock()
    raised: list[weakref.ref[Terminated]] = []

    def dropped(_: weakref.ref[Terminated]) -> None:
        if inside:
            # From another thread, as the handler would run within this callback, and what it raises be dropped.
            timer = threading.Timer(SECONDS_UNTIL_AGAIN, again)
            timer.daemon = True
            timer.start()

    def again() -> None:
        with ending:  # or the signal could come after this has ended, when it kills
            if inside:
                os.kill(os.getpid(), signal.SIGTERM)

    def terminate(number: int, frame: FrameType | None) -> None:
        if not inside:
            return
        error = Terminated()
        raised.append(weakref.ref(error, dropped))
        try:
            raise error
        finally:
            del error  # or else this frame would keep it, and it this frame

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        inside = False
        with ending:
            signal.signal(signal.SIGTERM, before)
