"""Many processes at one store: forks of one that has imported what they need, all let go at the same moment.

    python -m tests.features.crowd FOLDER ROLE=COUNT... [-- ROLE=COUNT...]

Those after `--` go on until the others have ended. It ends with the number of those that failed.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pipeline.features.shards.folder import ShardFolder
from pipeline.features.store import FeatureStore
from pipeline.features.team import TeamStore
from pipeline.features.upkeep import compacting
from tests.features.forked import forked
from tests.features.samples import RECIPE, features_of, keys_of

ROWS, STEP = 240, 10
"""A writer has a beginning of its own and writes two steps of rows at once, so that every row has many writers."""

STOP = "stop"


def writer(root: Path, number: int, rng: random.Random) -> None:
    starts = [*range(number % STEP, ROWS - 2 * STEP + 1, STEP), 0, ROWS - 2 * STEP]
    rng.shuffle(starts)
    store = FeatureStore(root, RECIPE)
    for turn, start in enumerate(starts):
        store.append(keys_of(start, 2 * STEP), features_of(start, 2 * STEP))
        if number in (0, 1) and turn % 8 == 0:
            compacting.compact(ShardFolder(root))
        if number in (2, 3) and turn % 8 == 0:
            assert store.verify() == [], store.folder.findings


def person(root: Path, number: int, rng: random.Random) -> None:
    """Who fills a store of their own, and the team's."""
    team = TeamStore(root / "team")
    shared = root / "team" / RECIPE.digest
    store = FeatureStore(root / str(number), RECIPE, share=team.offer)
    begin, wanted = number * ROWS // 16, ROWS // 2
    for part in range(begin, begin + wanted, STEP):
        keys = keys_of(part, STEP)
        team.fetch(store, keys)
        known = store.keys()
        lacking = [i for i, key in enumerate(keys) if key not in known]
        if lacking:
            store.append([keys[i] for i in lacking], features_of(part, STEP)[lacking])
        if number in (0, 1):
            compacting.compact(ShardFolder(shared, shared=True))
        if number in (2, 3):
            assert ShardFolder(shared, shared=True).verify() == []
    team.offer_missing(store, keys_of(begin, wanted))


def pruner(root: Path, number: int, rng: random.Random) -> None:
    for _ in range(6):
        store = FeatureStore(root, RECIPE)
        if number % 2:
            first = rng.randrange(ROWS - 2 * STEP)
            store.append(keys_of(first, STEP), features_of(first, STEP))
            compacting.compact(ShardFolder(root))
        else:
            store.prune(keys_of(0, ROWS))


def reader(root: Path, number: int, rng: random.Random) -> None:
    expected = dict(zip(keys_of(0, ROWS), features_of(0, ROWS), strict=True))
    reads = 0
    while not (root / STOP).exists():
        store = FeatureStore(root, RECIPE)
        keys = sorted(store.keys())
        assert set(keys_of(0, 2 * STEP)) <= set(keys)
        rng.shuffle(keys)
        assert np.array_equal(store.gather(keys), np.stack([expected[key] for key in keys]))
        assert store.folder.findings == []
        reads += 1
    assert reads > 0


def gatherer(root: Path, number: int, rng: random.Random) -> None:
    keys, wanted = keys_of(0, ROWS), features_of(0, ROWS)
    reads = 0
    while not (root / STOP).exists():
        assert np.array_equal(FeatureStore(root, RECIPE).gather(keys), wanted)
        reads += 1
    assert reads > 0


ROLES: dict[str, Callable[[Path, int, random.Random], None]] = {
    role.__name__: role for role in (writer, person, pruner, reader, gatherer)
}


def play(role: str, root: Path, number: int, gate: tuple[int, int]) -> None:
    """A role, once nobody holds the other end of the gate, a pipe, any more."""
    os.close(gate[1])
    os.read(gate[0], 1)
    ROLES[role](root, number, random.Random(number))


def failed(processes: list[int]) -> int:
    """How many of them end otherwise than well."""
    return sum(os.waitpid(process, 0)[1] != 0 for process in processes)


def main(folder: str, *crowd: str) -> int:
    assert os.environ["HDF5_USE_FILE_LOCKING"] == "FALSE"
    compacting.SHARD_ROWS = 64
    root, gate = Path(folder), os.pipe()
    processes: list[list[int]] = [[]]
    for word in crowd:
        if word == "--":
            processes.append([])
            continue
        role, _, count = word.partition("=")
        for _ in range(int(count)):
            processes[-1].append(forked(play, role, root, sum(map(len, processes)), gate))
    os.close(gate[1])
    failures = failed(processes[0])
    (root / STOP).touch()
    failures += sum(map(failed, processes[1:]))
    (root / STOP).unlink()
    return failures


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
