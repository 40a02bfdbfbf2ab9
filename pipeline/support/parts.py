"""One of n parts of some work, told by the digest of each item: the same on every machine, and whatever is added.

Parts need not know of each other: each takes the items whose digest, modulo n, is its own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

Digests = npt.NDArray[np.bytes_]
"""(N,) of dtype S32: a sha256 each, as raw bytes."""

SLURM = "slurm"

ID, COUNT = "SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT"
LOWEST, HIGHEST, STEP = "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_MAX", "SLURM_ARRAY_TASK_STEP"

PARTS_AT_MOST = 1_000_000


@dataclass(frozen=True)
class Part:
    """Part `number` of `count`, from 1 on."""

    number: int
    count: int

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @property
    def name(self) -> str:
        """As it may be in a file's name: `3-of-10`."""
        return f"{self.number}-of-{self.count}"

    @classmethod
    def parse(cls, text: str, environment: Mapping[str, str]) -> Self:
        """Read `3/10`, or from what SLURM says of a job array where the text is `slurm`.

        Raises ValueError where it is neither, the number is not from 1 to the count, or the array's tasks cannot
        be told to be so many parts.
        """
        if text == SLURM:
            return cls._of_array(environment)
        found = re.fullmatch(r"(\d{1,7})/(\d{1,7})", text, re.ASCII)
        part = cls(int(found[1]), int(found[2])) if found else cls(0, 0)
        if not 1 <= part.number <= part.count <= PARTS_AT_MOST:
            raise ValueError(
                f"--part must be i/n, i from 1 to n and n at most {PARTS_AT_MOST}, or {SLURM}, found {text!r}"
            )
        return part

    @classmethod
    def _of_array(cls, environment: Mapping[str, str]) -> Self:
        """The task's place in its array: (ID - MIN) / STEP + 1 of COUNT.

        That is its place only where the IDs are evenly spaced, as MAX = MIN + (COUNT - 1) STEP says of them. It
        does not hold of `--array=1,5,6`, whose tasks are told no list of the others: an error.
        """
        known = {name: environment[name] for name in (ID, COUNT, LOWEST) if environment.get(name)}
        if len(known) < 3:
            absent = ", ".join(name for name in (ID, COUNT, LOWEST) if name not in known)
            raise ValueError(
                f"--part {SLURM} needs {ID}, {COUNT} and {LOWEST}, found no {absent}: submit a job array, or "
                f"give --part i/n"
            )
        given = known | {name: environment[name] for name in (HIGHEST, STEP) if environment.get(name)}
        for name, value in given.items():
            if not re.fullmatch(r"\d{1,10}", value, re.ASCII):
                raise ValueError(f"{name} must be a whole number, found {value!r}")
        number, count, lowest = (int(known[name]) for name in (ID, COUNT, LOWEST))
        step = max(int(given.get(STEP, 1)), 1)
        place, astray = divmod(number - lowest, step)
        evenly = int(given.get(HIGHEST, lowest + (count - 1) * step)) == lowest + (count - 1) * step
        if astray or not evenly or not 0 <= place < count <= PARTS_AT_MOST:
            told = ", ".join(
                f"{name.removeprefix('SLURM_ARRAY_TASK_')} {value}" for name, value in given.items()
            )
            raise ValueError(
                f"--part {SLURM} needs an array of evenly spaced tasks, as --array=1-{max(count, 1)} makes it, "
                f"found {told}: give --part i/n"
            )
        return cls(place + 1, count)

    def holds(self, digests: Digests) -> npt.NDArray[np.bool_]:
        """For each digest whether its item is this part's, (N,)."""
        first = np.ascontiguousarray(digests).view(">u8").reshape(-1, 4)[:, 0]
        share: npt.NDArray[np.bool_] = first % np.uint64(self.count) == self.number - 1
        return share

    def holds_texts(self, texts: Iterable[str]) -> npt.NDArray[np.bool_]:
        """The same of texts, by their own sha256."""
        raw = b"".join(hashlib.sha256(text.encode(errors="surrogatepass")).digest() for text in texts)
        return self.holds(np.frombuffer(raw, "S32"))
