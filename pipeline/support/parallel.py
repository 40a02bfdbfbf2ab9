"""Work on threads, in order and bounded: torch, soundfile, soxr and hashlib all let go of the interpreter."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from queue import Queue
from threading import Event, Lock
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    pool: Executor,
    function: Callable[[Item], Result],
    items: Iterable[Item],
    ahead: float,
    *,
    weight: Callable[[Item], float] = lambda _: 1.0,
) -> Generator[Result]:
    """The function's results in the items' order, until `ahead` of the items are under way or waiting.

    Items are taken as they are needed, so that neither they nor their results pile up; `weight` says how much of
    `ahead` an item is. Close it, or use it up, before the pool ends: what was not begun is then dropped.
    """
    waiting: deque[tuple[Future[Result], float]] = deque()
    weighs = 0.0
    try:
        for item in items:
            waiting.append((pool.submit(function, item), weight(item)))
            weighs += waiting[-1][1]
            while waiting and weighs >= ahead:
                future, freed = waiting.popleft()
                weighs -= freed
                yield future.result()
        while waiting:
            yield waiting.popleft()[0].result()
    finally:
        for future, _ in waiting:
            future.cancel()


def merged(streams: Iterable[Iterator[Item]], threads: int, ahead: int) -> Generator[Item]:
    """The items of many streams in no order between streams, each stream drawn by one of `threads` threads.

    No more than `ahead` items wait, so that a stream may be endless; what one raises is raised here. Close it, or
    use it up.
    """
    waiting: Queue[tuple[Item] | BaseException | None] = Queue(ahead)
    source, turn, stopped = iter(streams), Lock(), Event()

    def draw() -> None:
        try:
            while not stopped.is_set():
                with turn:
                    stream = next(source, None)
                if stream is None:
                    break
                for item in stream:
                    waiting.put((item,))
                    if stopped.is_set():
                        break
        except BaseException as error:  # whoever takes the items decides
            waiting.put(error)
        finally:
            waiting.put(None)

    working = threads
    with ThreadPoolExecutor(threads, "merged") as pool:
        for _ in range(threads):
            pool.submit(draw)
        try:
            while working:
                found = waiting.get()
                if found is None:
                    working -= 1
                elif isinstance(found, BaseException):
                    raise found
                else:
                    yield found[0]
        finally:
            stopped.set()
            while working:  # until none waits for a place
                working -= waiting.get() is None


@contextmanager
def torch_threads() -> Iterator[ThreadPoolExecutor]:
    """As many threads as torch would use for one operation, each of which computes alone.

    So every item is computed by one thread whatever their number, and small operations have no thread to wait
    for.
    """
    import torch

    threads = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(threads, "encode", initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield pool
    finally:
        torch.set_num_threads(threads)  # new threads take what was set last, by whichever thread
