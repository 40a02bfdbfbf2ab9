"""Work that hangs is given up; other work is as it would be without."""

from __future__ import annotations

import threading
import time

import pytest

from pipeline.support.patience import patiently


def test_items_come_in_order_and_errors_come_through():
    def items():
        yield from range(3)
        raise OSError("gone")

    received = []
    with pytest.raises(OSError, match="gone"):
        received.extend(patiently(items(), 5.0))
    assert list(patiently(iter("abc"), 5.0)) == ["a", "b", "c"]


def test_an_item_is_made_when_it_is_asked_for_and_not_before():
    made = []

    def items():
        for i in range(10):
            made.append(i)
            yield i

    for item in patiently(items(), 5.0):
        if item == 2:
            break
    assert made == [0, 1, 2]


def test_what_hangs_is_given_up():
    hanging = threading.Event()

    def items():
        yield 1
        hanging.wait()

    waiting = patiently(items(), 0.1)
    assert next(waiting) == 1
    started = time.monotonic()
    with pytest.raises(TimeoutError, match="no answer for 0.1 s"):
        next(waiting)
    assert time.monotonic() - started < 5
    hanging.set()
