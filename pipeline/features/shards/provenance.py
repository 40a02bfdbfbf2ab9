"""Where the rows of a shard come from: who computed them, when, on what, with which versions.

Nothing of it decides whether a row is served. It stays with the rows when they are copied, merged or compacted.
"""

from __future__ import annotations

import functools
import getpass
import json
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import numpy.typing as npt

Origin = dict[str, str]
"""`user`, `host`, `date` (UTC, ISO 8601), `device`, and a version for each of `VERSIONS`."""

ORIGIN_AT_MOST = 1000
"""Characters of an origin as JSON, so that what a shard's rows may say of themselves has an end."""

VALUE_AT_MOST = 200
"""Characters as JSON of what this machine says of itself in one."""

VERSIONS = ("emotionrankclap", "torch", "transformers", "h5py")

Positions = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Provenance:
    """Runs of rows, in the rows' order, each with the origin that they share."""

    runs: tuple[tuple[int, Origin], ...]

    @classmethod
    def joined(cls, parts: Iterable[Provenance]) -> Provenance:
        """That of rows which follow each other."""
        runs: list[tuple[int, Origin]] = []
        for part in parts:
            for count, origin in part.runs:
                if runs and runs[-1][1] == origin:
                    count += runs.pop()[0]
                runs.append((count, origin))
        return cls(tuple(runs))

    def of(self, rows: Positions) -> Provenance:
        """That of some rows, in the order given."""
        run_of_row = np.repeat(np.arange(len(self.runs)), [count for count, _ in self.runs])[rows]
        starts = np.flatnonzero(np.diff(run_of_row, prepend=-1))
        counts = np.diff(starts, append=len(rows))
        runs = zip(counts.tolist(), run_of_row[starts].tolist(), strict=True)
        return Provenance.joined(Provenance(((count, self.runs[run][1]),)) for count, run in runs)

    def to_json(self) -> str:
        """A list with an object a run: the origin and the number of its `rows`."""
        return json.dumps([{"rows": count, **origin} for count, origin in self.runs], sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Provenance:
        """Read back what `to_json` wrote. Raises ValueError for anything else."""
        written = json.loads(text)
        if not isinstance(written, list):
            raise ValueError(f"a provenance must be a list, found {type(written).__name__}")
        return cls(tuple(map(_run, written)))

    @property
    def rows(self) -> int:
        """How many rows it is of."""
        return sum(count for count, _ in self.runs)


def _run(written: Any) -> tuple[int, Origin]:
    """A run of rows as `to_json` wrote it."""
    if not isinstance(written, dict):
        raise ValueError(f"a provenance's runs must be objects, found {type(written).__name__}")
    count = written.pop("rows", None)
    if type(count) is not int or count < 1:
        raise ValueError(f"a provenance's rows must be whole numbers from 1 on, found {count!r:.60}")
    if not all(isinstance(value, str) for value in written.values()):
        raise ValueError("a provenance must be of texts, found other values")
    if (length := len(json.dumps(written))) > ORIGIN_AT_MOST:
        raise ValueError(f"a provenance's run must have at most {ORIGIN_AT_MOST} characters, found {length}")
    return count, written


def here(rows: int, device: str) -> Provenance:
    """That of rows which are computed now, by this process, on `device`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"
    date = datetime.now(UTC).isoformat(timespec="seconds")
    about = {
        "user": _cut(user),
        "host": _cut(socket.gethostname()),
        "date": date,
        "device": _cut(device),
    }
    return Provenance(((rows, about | {name: _version(name) for name in VERSIONS}),))


@functools.cache  # a package's metadata takes longer to read than a small shard to write
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _cut(value: str) -> str:
    """As much of a text as an origin has room for."""
    value = value[:VALUE_AT_MOST]
    while len(json.dumps(value)) > VALUE_AT_MOST:
        value = value[:-1]
    return value
