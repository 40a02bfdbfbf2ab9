"""What a killed run left half written where this project writes, told from what another run is at."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SECONDS_UNTIL_ABANDONED = 3600.0
"""No file takes so long to write."""


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Make a folder and hold it for the block, so that `remove_abandoned` lets it be; whoever dies lets go."""
    descriptor = _made_and_held(folder)
    while descriptor is None:  # another run took it for abandoned before it was held
        descriptor = _made_and_held(folder)
    try:
        yield
    finally:
        os.close(descriptor)


def _made_and_held(folder: Path) -> int | None:
    folder.mkdir(exist_ok=True)
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return None
    with suppress(OSError):  # where there are no locks, what a killed run left stays
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    with suppress(FileNotFoundError):
        if os.path.samestat(os.fstat(descriptor), folder.stat()):
            return descriptor
    os.close(descriptor)
    return None


def remove_abandoned(folder: Path) -> None:
    """Remove what killed runs left in a folder: temporary folders that nobody holds, and files after an hour."""
    for path in folder.glob(".*.tmp"):
        with suppress(OSError):  # another run removes it, or it may not be removed
            if path.is_dir() and not path.is_symlink():
                _remove_unless_held(path)
            elif time.time() - path.lstat().st_mtime > SECONDS_UNTIL_ABANDONED:
                path.unlink()


def _remove_unless_held(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder)
    except BlockingIOError:
        return  # a run is at it
    finally:
        os.close(descriptor)
