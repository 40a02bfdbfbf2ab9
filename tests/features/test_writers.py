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
from tests.features.crowd import ROWS, STEP
from tests.features.samples import RECIPE, fill, holds, keys_of, rows_of

WRITERS, READERS = 8, 2


def together(root: Path, *crowd: str) -> None:
    """Have processes at a folder at once, all of which must end well and say nothing."""
    answer = subprocess.run(
        [sys.executable, "-m", "tests.features.crowd", root, *crowd],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"HDF5_USE_FILE_LOCKING": "FALSE"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (answer.returncode, answer.stderr) == (0, "")


def no_traces(root: Path) -> bool:
    """Whether a folder has shards and nothing else: none set aside, no temporary file."""
    return {path.suffix for path in root.iterdir()} <= {".h5", ".json"}


def test_eight_writers_of_one_folder_lose_and_damage_nothing_while_others_join_verify_and_read(tmp_path):
    fill(tmp_path, (0, 2 * STEP))  # what a reader must find at any moment
    together(tmp_path, f"writer={WRITERS}", "--", f"reader={READERS}")
    assert no_traces(tmp_path)
    assert FeatureStore(tmp_path, RECIPE).verify() == []
    assert holds(tmp_path, (0, ROWS))
    compact(ShardFolder(tmp_path))
    assert holds(tmp_path, (0, ROWS))


def test_eight_people_with_overlapping_work_fill_one_teams_store(tmp_path):
    team = tmp_path / "team"
    team.mkdir()
    together(tmp_path, f"person={WRITERS}")
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
    together(tmp_path, f"pruner={WRITERS}", "--", f"gatherer={READERS}")
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
