"""Progress with a rate and a remaining time: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Counts work done towards a total.

    On a terminal it is a bar. Elsewhere it is a line every ten seconds and one at the end, so that a log
    stays readable.
    """

    def __init__(self, label: str, total: int, unit: str) -> None:
        self.label, self.total, self.unit = label, total, unit
        self.done = 0
        self._started = self._last_line = time.monotonic()
        self._bar = None
        if sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(total=total, desc=label, unit=f" {unit}", file=sys.stderr, dynamic_ncols=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
        elif self.total:
            self._line("done" if kind is None else "stopped")

    def advance(self, count: int = 1) -> None:
        """`count` more are done."""
        self.done += count
        if self._bar is not None:
            self._bar.update(count)
        elif self.done < self.total and time.monotonic() - self._last_line >= SECONDS_BETWEEN_LINES:
            self._line(f"{self._remaining()} left")

    def to(self, done: int) -> None:
        """So many are done in all."""
        self.advance(done - self.done)

    def _rate(self) -> float:
        return self.done / max(time.monotonic() - self._started, 1e-9)

    def _remaining(self) -> str:
        seconds = round((self.total - self.done) / max(self._rate(), 1e-9))
        return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"

    def _line(self, state: str) -> None:
        self._last_line = time.monotonic()
        share = 100 * self.done / self.total
        print(
            f"{self.label}: {self.done}/{self.total} {self.unit} ({share:.0f}%), "
            f"{self._rate():.1f} {self.unit}/s, {state}",
            file=sys.stderr,
            flush=True,
        )
