"""A SIGTERM unwinds, whatever it falls into."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from stages import terminating
from stages.terminating import Terminated, unwinding_on_sigterm


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.001)


class Falling:
    def __del__(self) -> None:
        terminate()


def in_a_destructor() -> None:
    Falling()


def in_a_callback() -> None:
    ctypes.CFUNCTYPE(None)(terminate)()


def where_everything_is_caught() -> None:
    with suppress(BaseException):
        terminate()


@pytest.mark.parametrize("fall", [terminate, in_a_destructor, in_a_callback, where_everything_is_caught])
def test_a_sigterm_is_not_lost_and_what_unwinds_is_not_disturbed(fall: Callable[[], None], monkeypatch):
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)  # pytest's would keep what was dropped
    before, unwound = signal.getsignal(signal.SIGTERM), False
    with pytest.raises(Terminated), unwinding_on_sigterm():  # noqa: PT012
        try:
            fall()
            time.sleep(5)
        finally:
            time.sleep(0.05)
            unwound = True
    assert unwound
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_sigterm_that_was_caught_is_not_sent_again_once_all_is_over(monkeypatch):
    monkeypatch.setattr(terminating, "SECONDS_UNTIL_AGAIN", 0.1)
    came = []
    before = signal.signal(signal.SIGTERM, lambda *_: came.append("again"))
    try:
        with unwinding_on_sigterm():
            where_everything_is_caught()
        timers = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
        for timer in timers:
            timer.join()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert timers
    assert came == []
