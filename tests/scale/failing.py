"""Calls that go wrong, of a module that a cluster's processes can import."""

from __future__ import annotations

import os
import signal
from pathlib import Path


def refuses(what: str) -> None:
    raise ValueError(f"{what} must be finite,\n  found nan")


def reads(path: Path) -> str:
    return path.read_text()


def counts(number: int) -> tuple[int, str]:
    return number, os.environ["OMP_NUM_THREADS"]


def dies_once(marker: Path) -> str:
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"
