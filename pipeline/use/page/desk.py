"""Work off the event loop: so much at once, so much waiting, and no more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from pipeline.use.page.answers import refusal

Result = TypeVar("Result")


class Desk:
    """A few threads and a queue of limited length before them."""

    def __init__(self, name: str, threads: int, waiting: int) -> None:
        self._threads = ThreadPoolExecutor(threads, f"page-{name}")
        self._room, self._taken = threads + waiting, 0

    @property
    def is_full(self) -> bool:
        """Whether as many have a place as may."""
        return self._taken >= self._room

    def take(self) -> Place:
        """A place in the queue, for a `with`. Refused with 429 where there is none left."""
        return Place(self)

    async def do(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """What a function returns that a thread calls. Refused with 429 where too many wait."""
        with self.take():
            return await self.call(function, *arguments)

    async def call(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """The same for who has a place."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, partial(function, *arguments))

    def close(self) -> None:
        """Begin nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class Place:
    """One of a desk's places, held for a block."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def __enter__(self) -> None:
        if self._desk.is_full:
            raise refusal(429, "too many ask at once: ask again in a second", retry_after="1")
        self._desk._taken += 1

    def __exit__(self, *raised: object) -> None:
        self._desk._taken -= 1
