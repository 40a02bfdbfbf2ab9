"""Many processes write, join, verify and read one store at once, without locks: no damage, no loss."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.features.shards.folder import ShardFolder
from pipeline.features.store import FeatureStore
from pipeline.features.team import TeamStore
from pipeline.features.upkeep.compacting import compact
from tests.features.samples import RECIPE, fill, holds, keys_of, rows_of

ROWS, STEP, WRITERS, READERS = 240, 10, 8, 2
"""A writer has a beginning of its own and writes two steps of rows at once, so that every row has many writers."""

COMMON = """
import os, random, sys, time
from pathlib import Path
import numpy as np
from pipeline.features.store import FeatureStore
from pipeline.features.upkeep import compacting
from pipeline.features.shards.folder import ShardFolder
from pipeline.features.team import TeamStore
from tests.features.samples import RECIPE, features_of, keys_of
assert os.environ["HDF5_USE_FILE_LOCKING"] == "FALSE"
compacting.SHARD_ROWS = 64
root, number, rows, step = Path(sys.argv[1]), *map(int, sys.argv[2:5])
print("ready", flush=True)
sys.stdin.readline()
rng = random.Random(number)
expected = dict(zip(keys_of(0, rows), features_of(0, rows)))
"""

WRITER = """
starts = list(range(number % step, rows - 2 * step + 1, step)) + [0, rows - 2 * step]
rng.shuffle(starts)
store = FeatureStore(root, RECIPE)
for turn, start in enumerate(starts):
    store.append(keys_of(start, 2 * step), features_of(start, 2 * step))
    if number in (0, 1) and turn % 8 == 0:
        compacting.compact(ShardFolder(root))
    if number in (2, 3) and turn % 8 == 0:
        assert store.verify() == [], store.folder.findings
"""

PERSON = """
team = TeamStore(Path(sys.argv[5]))
store = FeatureStore(root / str(number), RECIPE, share=team.offer)
begin, wanted = number * rows // 16, rows // 2
for part in range(begin, begin + wanted, step):
    keys = keys_of(part, step)
    team.fetch(store, keys)
    lacking = [i for i, key in enumerate(keys) if key not in store.keys()]
    if lacking:
        store.append([keys[i] for i in lacking], features_of(part, step)[lacking])
    if number in (0, 1):
        compacting.compact(ShardFolder(Path(sys.argv[5]) / RECIPE.digest, shared=True))
    if number in (2, 3):
        assert ShardFolder(Path(sys.argv[5]) / RECIPE.digest, shared=True).verify() == []
team.offer_missing(store, keys_of(begin, wanted))
"""

READER = """
reads = 0
while not (root / "stop").exists():
    store = FeatureStore(root, RECIPE)
    keys = sorted(store.keys())
    assert set(keys_of(0, 2 * step)) <= set(keys)
    rng.shuffle(keys)
    assert np.array_equal(store.gather(keys), np.stack([expected[key] for key in keys]))
    assert store.folder.findings == []
    reads += 1
assert reads > 0
"""


PRUNER = """
for turn in range(6):
    store = FeatureStore(root, RECIPE)
    if number % 2:
        first = rng.randrange(rows - 2 * step)
        store.append(keys_of(first, step), features_of(first, step))
        compacting.compact(ShardFolder(root))
    else:
        store.prune(keys_of(0, rows))
"""

GATHERER = """
keys, wanted = keys_of(0, rows), features_of(0, rows)
reads = 0
while not (root / "stop").exists():
    assert np.array_equal(FeatureStore(root, RECIPE).gather(keys), wanted)
    reads += 1
assert reads > 0
"""


def start(role: str, root: Path, number: int, *more: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", COMMON + role, str(root), str(number), str(ROWS), str(STEP), *map(str, more)],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"HDF5_USE_FILE_LOCKING": "FALSE"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def begin_together(processes: list[subprocess.Popen[str]]) -> None:
    for process in processes:
        assert process.stdout.readline() == "ready\n", process.stderr.read()
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()


def end(processes: list[subprocess.Popen[str]]) -> None:
    """Wait for processes, which must end well and say nothing."""
    said = [(process.communicate()[1], process.returncode) for process in processes]
    assert said == [("", 0)] * len(processes)


def no_traces(root: Path) -> bool:
    """Whether a folder has shards and nothing else: none set aside, no temporary file."""
    return {path.suffix for path in root.iterdir()} <= {".h5", ".json"}


def test_eight_writers_of_one_folder_lose_and_damage_nothing_while_others_join_verify_and_read(tmp_path):
    fill(tmp_path, (0, 2 * STEP))  # what a reader must find at any moment
    writers = [start(WRITER, tmp_path, number) for number in range(WRITERS)]
    readers = [start(READER, tmp_path, WRITERS + number) for number in range(READERS)]
    begin_together(writers + readers)
    end(writers)
    (tmp_path / "stop").touch()
    end(readers)
    (tmp_path / "stop").unlink()
    assert no_traces(tmp_path)
    assert FeatureStore(tmp_path, RECIPE).verify() == []
    assert holds(tmp_path, (0, ROWS))
    compact(ShardFolder(tmp_path))
    assert holds(tmp_path, (0, ROWS))


def test_eight_people_with_overlapping_work_fill_one_teams_store(tmp_path):
    team = tmp_path / "team"
    team.mkdir()
    people = [start(PERSON, tmp_path, number, team) for number in range(WRITERS)]
    begin_together(people)
    end(people)
    everything = (WRITERS - 1) * ROWS // 16 + ROWS // 2
    for number in range(WRITERS):
        assert no_traces(tmp_path / str(number))
        assert FeatureStore(tmp_path / str(number), RECIPE).verify() == []
        assert holds_at_least(tmp_path / str(number), number * ROWS // 16, ROWS // 2)
    assert no_traces(team / RECIPE.digest)
    assert [path.name for path in team.iterdir()] == [RECIPE.digest]
    assert FeatureStore(team / RECIPE.digest, RECIPE).verify() == []
    assert holds(team / RECIPE.digest, (0, everything))
    newcomer = FeatureStore(tmp_path / "newcomer", RECIPE)
    assert TeamStore(team).fetch(newcomer, keys_of(0, everything)) == everything
    assert holds(newcomer.root, (0, everything))


def test_pruning_compacting_and_writing_at_once_lose_no_row_that_is_wanted(tmp_path):
    fill(tmp_path, *((start, STEP) for start in range(0, ROWS, STEP)))
    pruners = [start(PRUNER, tmp_path, number) for number in range(WRITERS)]
    readers = [start(GATHERER, tmp_path, WRITERS + number) for number in range(READERS)]
    begin_together(pruners + readers)
    end(pruners)
    (tmp_path / "stop").touch()
    end(readers)
    (tmp_path / "stop").unlink()
    assert no_traces(tmp_path)
    assert holds(tmp_path, (0, ROWS))


def holds_at_least(root: Path, start: int, count: int) -> bool:
    features = FeatureStore(root, RECIPE).gather(keys_of(start, count))
    return bool(np.array_equal(features, rows_of(start, count).features))


@pytest.mark.parametrize("again", [False, True])
def test_a_shard_that_another_wrote_again_meanwhile_is_not_removed(tmp_path, again):
    (path,) = fill(tmp_path, (0, 3))
    folder = ShardFolder(tmp_path)
    shards = folder.refresh()
    if again:
        assert fill(tmp_path, (0, 3)) == [path]
    folder.forget(shards)
    assert path.exists() == again
