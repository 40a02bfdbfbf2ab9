"""What a check comes to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warn", "fail"]

EXIT_CODES: dict[State, int] = {"ok": 0, "warn": 1, "fail": 2}


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, how it is, and where it is not well what to do."""

    state: State
    about: str
    says: str


def guarded(about: str, look: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """What a look finds; where it ends with one of our errors, that is a failure with the error's line."""
    try:
        yield from look()
    except (ValueError, RuntimeError, OSError) as error:
        says = (
            f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else error
        )
        yield Finding("fail", about, " ".join(str(says).split()))


def worst(findings: Iterable[Finding]) -> State:
    """The state of them all."""
    return max((finding.state for finding in findings), key=EXIT_CODES.__getitem__, default="ok")
