"""Calls in processes of their own: one that hangs, or ends its process, costs no more than itself."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Callable
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Generic, Self, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Killable(Generic[Item, Result]):
    """A function that each thread calls in a process of its own, which is ended where a call takes too long.

    The process starts with the thread's first call, and anew after one that ended it. It leaves Ctrl-C to this
    process, and ends with it.
    """

    def __init__(self, function: Callable[[Item], Result], seconds: float) -> None:
        """`function` is one of a module's, or a partial of one; a call may take so many seconds."""
        self._function, self._seconds = function, seconds
        self._own = threading.local()
        self._processes: list[BaseProcess] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            process.kill()
            process.join()

    def __call__(self, item: Item) -> Result:
        """What the function returns, or raises.

        Raises TimeoutError where it takes longer than it may, ChildProcessError where it ends its process.
        """
        if getattr(self._own, "started", None) is None:
            self._own.started = self._start()
        process, connection = self._own.started
        try:
            connection.send(item)
            answer: Result | _Raised = connection.recv()
        except (EOFError, ConnectionError):
            self._own.started = None
            process.join()
            if process.exitcode == -signal.SIGALRM:
                raise TimeoutError(f"given up after {self._seconds:g} s") from None
            raise ChildProcessError(f"ended its process (exit code {process.exitcode})") from None
        if isinstance(answer, _Raised):
            raise answer.error
        return answer

    def _start(self) -> tuple[BaseProcess, Connection]:
        # Spawned, since a fork would copy the locks of threads that it does not copy.
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        process = context.Process(target=_work, args=(there, self._function, self._seconds), daemon=True)
        resource_tracker.ensure_running()  # its start would let Ctrl-C through again
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # which it inherits
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        there.close()  # so that its end is seen here
        self._processes.append(process)
        return process, here


class _Raised:
    """What a call raised, on its way here."""

    def __init__(self, error: Exception) -> None:
        self.error = error


def _work(connection: Connection, function: Callable[[Item], Result], seconds: float) -> None:
    """Answer calls until nobody asks. A late one is ended by the system, whatever it does."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    while True:
        try:
            item = connection.recv()
        except (EOFError, ConnectionError):
            return
        signal.setitimer(signal.ITIMER_REAL, seconds)
        answer: object
        try:
            answer = function(item)
        except Exception as error:
            answer = _Raised(error)
        signal.setitimer(signal.ITIMER_REAL, 0)
        try:
            connection.send(answer)
        except ConnectionError:
            return
