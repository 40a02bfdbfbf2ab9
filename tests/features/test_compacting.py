"""Upkeep changes files and no row, and may be killed at any moment."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from pipeline.features.shards.folder import ShardFolder
from pipeline.features.shards.keys import packed
from pipeline.features.shards.rows import Rows
from pipeline.features.store import FeatureStore
from pipeline.features.upkeep import compacting as upkeep
from pipeline.features.upkeep.compacting import compact, drop
from tests.features.samples import OTHER, RECIPE, damage, features_of, fill, holds, keys_of, rows_of


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(upkeep, "SHARD_ROWS", 10)


def origins(root) -> dict[bytes, str]:
    found = {}
    for shard in ShardFolder(root).refresh():
        users = [origin["user"] for count, origin in shard.provenance.runs for _ in range(count)]
        found |= dict(zip(shard.keys.tolist(), users, strict=True))
    return found


def test_small_shards_become_few_with_the_same_rows_and_provenance(tmp_path):
    fill(tmp_path, (0, 3), (3, 3), (6, 10), user="ana")
    fill(tmp_path, (16, 2), (18, 2), user="ben")
    fill(tmp_path, (0, 3), (3, 3), recipe=OTHER)
    before = origins(tmp_path)
    folder = ShardFolder(tmp_path)
    result = compact(folder)
    assert (result.before, result.after, result.rows) == (7, 3, 16)
    assert holds(tmp_path, (0, 20))
    assert holds(tmp_path, (0, 6), recipe=OTHER)
    assert origins(tmp_path) == before
    assert compact(folder).rows == 0


def test_the_same_copy_of_a_row_is_served_before_and_after(tmp_path):
    store = FeatureStore(tmp_path, RECIPE)
    rng = np.random.default_rng(0)
    for seed in range(12):  # rows computed several times, each time with another result
        numbers = rng.choice(12, size=rng.integers(1, 6), replace=False)
        features = np.full((len(numbers), 4), seed, np.float32)
        keys = packed([keys_of(int(n), 1)[0] for n in numbers])
        store.take(Rows(keys, features, rows_of(0, len(numbers)).provenance))
    served = sorted(FeatureStore(tmp_path, RECIPE).keys())
    before = FeatureStore(tmp_path, RECIPE).gather(served)
    compact(ShardFolder(tmp_path))
    assert np.array_equal(FeatureStore(tmp_path, RECIPE).gather(served), before)


def test_a_shard_that_holds_all_of_anothers_rows_keeps_its_name_and_its_rows(tmp_path):
    fill(tmp_path, (0, 6))
    store = FeatureStore(tmp_path, RECIPE)
    store.take(rows_of(0, 6).of(np.arange(3)))
    compact(ShardFolder(tmp_path))
    assert holds(tmp_path, (0, 6))
    assert len(list(tmp_path.glob("*.h5"))) == 1


@pytest.mark.parametrize("after", range(4))
def test_killed_at_any_moment_no_row_is_lost_and_the_next_run_ends_it(tmp_path, monkeypatch, after):
    fill(tmp_path, *((start, 3) for start in range(0, 30, 3)))
    unlinked = 0

    def dies(self, shards):
        nonlocal unlinked
        for shard in shards:
            if unlinked == after:
                raise KeyboardInterrupt
            unlinked += 1
            shard.path.unlink()

    with monkeypatch.context() as patched:
        patched.setattr(ShardFolder, "forget", dies)
        with pytest.raises(KeyboardInterrupt):
            compact(ShardFolder(tmp_path))
    assert holds(tmp_path, (0, 30))
    compact(ShardFolder(tmp_path))
    assert holds(tmp_path, (0, 30))


def test_readers_meanwhile_get_every_row(tmp_path):
    fill(tmp_path, *((start, 1) for start in range(60)))
    keys, wanted = keys_of(0, 60), features_of(0, 60)
    done = threading.Event()
    wrong = []

    def read():
        store = FeatureStore(tmp_path, RECIPE)
        while not done.is_set():
            if not np.array_equal(store.gather(keys), wanted):
                wrong.append("rows")

    reader = threading.Thread(target=read)
    reader.start()
    try:
        compact(ShardFolder(tmp_path))
    finally:
        done.set()
        reader.join()
    assert wrong == []
    assert holds(tmp_path, (0, 60))


def test_a_damaged_shard_is_set_aside_and_the_others_are_joined(tmp_path, capsys):
    bad, *_ = fill(tmp_path, (0, 3), (3, 3), (6, 3))
    damage(bad, "flipped")
    assert compact(ShardFolder(tmp_path)).rows == 6
    assert f"{bad.name} fails its checksum in rows 0 to 2, set aside" in capsys.readouterr().err
    assert len(list(tmp_path.glob("*.h5"))) == 1
    assert holds(tmp_path, (3, 6))


def test_dropping_keeps_the_given_rows_alone(tmp_path):
    fill(tmp_path, (0, 4), (4, 4), (8, 4))
    folder = ShardFolder(tmp_path)
    wanted = packed(keys_of(2, 6))
    keep = [(shard, np.flatnonzero(np.isin(shard.keys, wanted))) for shard in folder.refresh()]
    assert drop(folder, keep) == 6
    assert holds(tmp_path, (2, 6))
    assert len(list(tmp_path.glob("*.h5"))) == 2
