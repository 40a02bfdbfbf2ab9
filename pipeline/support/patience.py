"""Work that may hang, such as a decoder's or that on a network's folder, given up when it does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic
from typing import TypeVar

Item = TypeVar("Item")


SECONDS_AT_ONCE = 1.0
"""A signal that comes just as a wait begins does not end it: its handler runs when this has passed."""


def patiently(items: Iterable[Item], seconds: float | Callable[[], float]) -> Iterator[Item]:
    """The items, each made on another thread as it is asked for.

    Raises TimeoutError where one takes longer than `seconds`, which may be asked for anew for each; its thread is
    then left behind, and keeps no process from ending.
    """
    asked: SimpleQueue[bool] = SimpleQueue()
    answers: SimpleQueue[tuple[Item] | BaseException] = SimpleQueue()

    def work() -> None:
        source = iter(items)
        while asked.get():
            try:
                answers.put((next(source),))
            except BaseException as error:  # StopIteration too: the one who asked decides
                answers.put(error)
                return

    Thread(target=work, name="patiently", daemon=True).start()
    try:
        while True:
            asked.put(True)
            longest = seconds() if callable(seconds) else seconds
            answer = _first(answers, longest)
            if isinstance(answer, StopIteration):
                return
            if isinstance(answer, BaseException):
                raise answer
            yield answer[0]
    finally:
        asked.put(False)


def _first(answers: SimpleQueue[Item], seconds: float) -> Item:
    until = monotonic() + seconds
    while (left := until - monotonic()) > 0:
        with suppress(Empty):
            return answers.get(timeout=min(left, SECONDS_AT_ONCE))
    raise TimeoutError(f"no answer for {seconds:g} s")
