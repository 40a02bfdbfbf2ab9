"""Sentences that are asked for at the same time, embedded together, at a fraction of what each costs alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from pipeline.use.page.answers import refusal

Embeddings = npt.NDArray[np.float32]

AT_ONCE = 32


class Sentences:
    """One thread that embeds all that wait, up to 32 at once; a sentence has the same bits in any company."""

    def __init__(self, embed: Callable[[list[str]], Embeddings], room: int) -> None:
        """`embed` makes (N, E) of N sentences; `room` is how many may wait."""
        self._embed, self._room = embed, room
        self._thread = ThreadPoolExecutor(1, "page-sentences")
        self._waiting: list[tuple[str, asyncio.Future[Embeddings]]] = []
        self._working: asyncio.Task[None] | None = None

    async def embedding(self, sentence: str) -> Embeddings:
        """A sentence's embedding (E,). Refused with 429 where too many wait."""
        if len(self._waiting) >= self._room:
            raise refusal(429, "too many ask at once: ask again in a second", retry_after="1")
        found = asyncio.get_running_loop().create_future()
        self._waiting.append((sentence, found))
        if self._working is None:
            self._working = asyncio.create_task(self._work())
        embedding: Embeddings = await found
        return embedding

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            now, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
            try:
                rows = await loop.run_in_executor(
                    self._thread, self._embed, [sentence for sentence, _ in now]
                )
            except Exception as error:
                for _, found in now:
                    if not found.done():
                        found.set_exception(error)
                continue
            for (_, found), row in zip(now, rows, strict=True):
                if not found.done():  # whoever asked may have gone
                    found.set_result(row)
        self._working = None

    def close(self) -> None:
        """Begin nothing more."""
        self._thread.shutdown(wait=False, cancel_futures=True)
