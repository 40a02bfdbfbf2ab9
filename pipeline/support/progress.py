"""Progress with a rate and a remaining time: a bar on a terminal, plain lines in a log, or nothing."""

from __future__ import annotations

import os
import sys
import time
from types import TracebackType
from typing import Self

SECONDS_BETWEEN_LINES = 10.0


def progress_wanted() -> bool:
    """Whether progress is to be told at all."""
    return not os.environ.get("ERCLAP_QUIET")


class Progress:
    """Counts work done towards a total.

    On a terminal it is a bar. Elsewhere it is a line every ten seconds and one at the end, so that a log
    stays readable.
    """

    def __init__(self, label: str, total: int, unit: str, *, work: float | None = None) -> None:
        """`work` is how much all of it takes, in any measure, where one item may take more than another: the
        share and the remaining time go by it."""
        self.label, self.total, self.unit = label, total, unit
        self.done = 0
        self._work, self._worked = float(total if work is None else work), 0.0
        self._started = self._last_line = time.monotonic()
        self._bar, self._told = None, progress_wanted()
        if self._told and sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(
                total=self._work,
                desc=label,
                file=sys.stderr,
                dynamic_ncols=True,
                bar_format="{desc}: {percentage:3.0f}%|{bar}| {unit} [{elapsed}<{remaining}]",
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
        elif self._told and self.total:
            self._line("done" if kind is None else "stopped")

    def advance(self, count: int = 1, *, work: float | None = None) -> None:
        """`count` more are done, which took so much `work`."""
        self.done += count
        worked = float(count if work is None else work)
        self._worked += worked
        if self._bar is not None:
            self._bar.unit = f"{self._count()}, {self._rate()}"  # a postfix would begin with a comma
            self._bar.update(worked)
        elif (
            self._told
            and self.done < self.total
            and time.monotonic() - self._last_line >= SECONDS_BETWEEN_LINES
        ):
            self._line(f"{self._remaining()} left")

    def to(self, done: int) -> None:
        """So many are done in all."""
        self.advance(done - self.done)

    def _count(self) -> str:
        return f"{self.done}/{self.total} {self.unit}"

    def _rate(self) -> str:
        return f"{self.done / max(time.monotonic() - self._started, 1e-9):.1f} {self.unit}/s"

    def _share(self) -> float:
        return min(1.0, self._worked / self._work) if self._work else self.done / self.total

    def _remaining(self) -> str:
        elapsed, share = time.monotonic() - self._started, max(self._share(), 1e-9)
        seconds = round(elapsed * (1 - share) / share)
        return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"

    def _line(self, state: str) -> None:
        self._last_line = time.monotonic()
        print(
            f"{self.label}: {self._count()} ({100 * self._share():.0f}%), {self._rate()}, {state}",
            file=sys.stderr,
            flush=True,
        )
