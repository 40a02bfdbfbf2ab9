"""The feature store: what goes in comes out, and nothing broken is ever served."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import h5py
import numpy as np
import pytest

from pipeline.features import store as feature_store
from pipeline.features.shards.folder import ShardFolder
from pipeline.features.store import FeatureStore
from pipeline.features.upkeep.compacting import compact
from pipeline.recipe import FORWARD_VERSION, Recipe
from tests.features.samples import RECIPE, features_of, keys_of


def rows(start: int, count: int) -> tuple[list[str], np.ndarray]:
    return keys_of(start, count), features_of(start, count)


def test_rows_come_back_in_the_order_asked(tmp_path):
    store = FeatureStore(tmp_path, RECIPE)
    keys, features = rows(0, 10)
    store.append(keys[:6], features[:6])
    store.append(keys[6:], features[6:])
    order = [9, 0, 5, 5, 7]
    assert np.array_equal(FeatureStore(tmp_path, RECIPE).gather([keys[i] for i in order]), features[order])


def test_many_rows_become_several_shards(tmp_path, monkeypatch):
    monkeypatch.setattr(feature_store, "SHARD_ROWS", 4)
    store = FeatureStore(tmp_path, RECIPE)
    keys, features = rows(0, 10)
    assert len(store.append(keys, features)) == 3
    assert np.array_equal(store.gather(keys), features)


def test_a_missing_key_is_an_error_and_not_zeros(tmp_path):
    store = FeatureStore(tmp_path, RECIPE)
    keys, features = rows(0, 3)
    store.append(keys[:2], features[:2])
    assert store.missing(keys + keys) == [keys[2]]
    with pytest.raises(RuntimeError, match=f"none for 1 of 3 speech keys .* {keys[2]}.*erclap extract"):
        store.gather(keys)


def test_another_recipe_has_other_rows(tmp_path):
    keys, features = rows(0, 2)
    FeatureStore(tmp_path, RECIPE).append(keys, features)
    assert FeatureStore(tmp_path, replace(RECIPE, pooling="attentive-std")).missing(keys) == keys
    assert FeatureStore(tmp_path, replace(RECIPE, model="renamed")).missing(keys) == []


@pytest.mark.parametrize(
    ("keys", "features", "message"),
    [
        (["a"], np.zeros((1, 4), np.float32), "64 hexadecimal digits, found 'a'"),
        (rows(0, 2)[0], np.zeros((2, 3), np.float32), r"shape \(2, 4\), found \(2, 3\)"),
        (rows(0, 1)[0] * 2, np.zeros((2, 4), np.float32), "must not repeat"),
        (
            rows(0, 2)[0],
            np.array([[0, 0, 0, 0], [0, np.nan, 0, 0]], np.float32),
            "finite, found 1 rows not",
        ),
    ],
)
def test_bad_rows_are_refused_and_nothing_is_written(tmp_path, keys, features, message):
    with pytest.raises(ValueError, match=message):
        FeatureStore(tmp_path / "store", RECIPE).append(keys, features)
    assert not (tmp_path / "store").exists()


def test_a_shard_says_what_it_is_and_leaves_no_temporary_file(tmp_path):
    keys, features = rows(0, 3)
    (shard,) = FeatureStore(tmp_path, RECIPE, device="cpu").append(keys, features)
    with h5py.File(shard) as file:
        assert Recipe.from_json(file.attrs["recipe"]) == RECIPE
        (origin,) = json.loads(file["provenance"][()])
        assert {"user", "host", "date", "torch"} <= origin.keys()
        assert (origin["rows"], origin["device"]) == (3, "cpu")
        assert [bytes(key).hex() for key in file["key"]] == keys
        assert np.array_equal(file["features"], features)
    assert shard.read_bytes().startswith(b"emotionrankclap shard, format 2, header ")
    assert [path.name for path in tmp_path.iterdir()] == [shard.name]


def test_a_flipped_bit_is_found_while_reading_too(tmp_path):
    store = FeatureStore(tmp_path, RECIPE)
    keys, features = rows(0, 3)
    (shard,) = store.append(keys, features)
    whole = bytearray(shard.read_bytes())
    whole[whole.index(features[1].tobytes())] ^= 1
    shard.write_bytes(whole)
    with pytest.raises(
        RuntimeError, match=f"{shard.name} fails its checksum in rows 0 to 2, set aside.*extract"
    ):
        store.gather(keys)
    assert store.missing(keys) == keys


def test_a_damaged_copy_of_a_row_is_no_loss_where_another_shard_has_it(tmp_path):
    store = FeatureStore(tmp_path, RECIPE)
    keys, features = rows(0, 4)
    store.append(keys[:3], features[:3])
    store.append(keys, features)
    first = min(tmp_path.glob("*.h5"))
    whole = bytearray(first.read_bytes())
    whole[-1] ^= 1
    first.write_bytes(whole)
    found = FeatureStore(tmp_path, RECIPE)
    assert np.array_equal(found.gather(keys[:3]), features[:3])
    assert [finding.name for finding in found.folder.findings] == [first.name]


def test_float16_rows_are_stored_as_such_and_those_that_do_not_fit_are_refused(tmp_path):
    store = FeatureStore(tmp_path, replace(RECIPE, stored_dtype="float16"))
    keys, features = rows(0, 3)
    store.append(keys, features)
    assert np.array_equal(store.gather(keys), features)
    with pytest.raises(ValueError, match="finite, found 1 rows not as float16"):
        store.append(rows(9, 1)[0], np.full((1, 4), 1e6, np.float32))
    with pytest.raises(ValueError, match="float32 or float16, found 'bfloat16'"):
        FeatureStore(tmp_path, replace(RECIPE, stored_dtype="bfloat16"))


def test_pruning_keeps_exactly_what_is_wanted(tmp_path):
    store = FeatureStore(tmp_path, RECIPE)
    keys, features = rows(0, 9)
    whole, _, _ = (store.append(keys[i : i + 3], features[i : i + 3])[0] for i in (0, 3, 6))
    other = FeatureStore(tmp_path, replace(RECIPE, padding="literal"))
    other.append(keys, features)
    assert store.prune(keys[:4]) == 5 + 9
    assert store.keys() == set(keys[:4])
    assert np.array_equal(store.gather(keys[:4]), features[:4])
    assert other.missing(keys) == keys
    assert whole.exists()


def test_rows_written_twice_count_once_and_pruning_keeps_one(tmp_path):
    store = FeatureStore(tmp_path, RECIPE)
    keys, features = rows(0, 4)
    store.append(keys[:3], features[:3])
    store.append(keys[1:], features[1:])
    assert np.array_equal(store.gather(keys), features)
    assert store.prune(keys) == 2
    assert np.array_equal(store.gather(keys), features)


@pytest.mark.parametrize("seed", range(6))
def test_pruning_loses_no_wanted_row_where_shards_overlap(tmp_path, seed):
    # Names follow from keys, so rewriting one shard may give it the name of another that is there.
    store = FeatureStore(tmp_path, RECIPE)
    keys, features = rows(100 * seed, 3)
    store.append(keys[:2], features[:2])
    store.append(keys[:1], features[:1])
    store.append(keys[1:], features[1:])
    store.prune(keys[:1])
    assert store.keys() == {keys[0]}
    assert np.array_equal(store.gather(keys[:1]), features[:1])
    assert len(list(tmp_path.glob("*.h5"))) == 1


def prunes(root, keys):
    FeatureStore(root, RECIPE).prune(keys)


def compacts(root, keys):
    compact(ShardFolder(root))


@pytest.mark.parametrize(("first", "second"), [(compacts, prunes), (prunes, compacts), (prunes, prunes)])
@pytest.mark.parametrize("seed", range(8))
def test_pruning_while_another_prunes_or_compacts_loses_no_wanted_row(
    tmp_path, monkeypatch, seed, first, second
):
    # The second does all its work between what the first has written and what it removes. Names follow from keys,
    # so which of two copies of a row comes first differs from seed to seed.
    store = FeatureStore(tmp_path, RECIPE)
    keys, features = rows(100 * seed, 5)
    for part in (slice(0, 2), slice(2, 4), slice(1, 5)):
        store.append(keys[part], features[part])
    forget, meanwhile = ShardFolder.forget, [second]

    def forgets(folder, shards):
        if meanwhile:
            meanwhile.pop()(tmp_path, keys[:4])
        forget(folder, shards)

    monkeypatch.setattr(ShardFolder, "forget", forgets)
    first(tmp_path, keys[:4])
    assert not meanwhile
    assert np.array_equal(FeatureStore(tmp_path, RECIPE).gather(keys[:4]), features[:4])


def test_pruning_says_so_where_a_wanted_row_is_not_there(tmp_path):
    store = FeatureStore(tmp_path, RECIPE)
    keys, features = rows(0, 2)
    store.append(keys[:1], features[:1])
    with pytest.raises(RuntimeError, match=f"none for 1 of 2 speech keys .*the first: {keys[1]}"):
        store.prune(keys)
    assert store.keys() == {keys[0]}


def test_pruning_takes_what_a_killed_writer_left(tmp_path):
    store = FeatureStore(tmp_path, RECIPE)
    keys, features = rows(0, 2)
    store.append(keys, features)
    old, young = tmp_path / ".old.1.ab.tmp", tmp_path / ".young.1.ab.tmp"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    store.prune(keys)
    assert (old.exists(), young.exists()) == (False, True)


def test_features_of_an_older_forward_pass_are_refused(tmp_path):
    store = FeatureStore(tmp_path, replace(RECIPE, forward_version=0))
    store.append(*rows(0, 1))
    store.publish()
    with pytest.raises(
        RuntimeError, match=f"must be of forward pass {FORWARD_VERSION}, found 0: run `erclap extract`"
    ):
        FeatureStore.open(tmp_path)


def test_readers_learn_the_recipe_from_the_folder(tmp_path):
    with pytest.raises(RuntimeError, match="recipe.json is not there: run `erclap extract`"):
        FeatureStore.open(tmp_path)
    store = FeatureStore(tmp_path, RECIPE)
    store.append(*rows(0, 1))
    store.publish()
    assert FeatureStore.open(tmp_path).recipe == RECIPE
    (tmp_path / "recipe.json").write_text("{}")
    with pytest.raises(RuntimeError, match="must hold a recipe"):
        FeatureStore.open(tmp_path)


WRITER = """
import sys
from pathlib import Path
import numpy as np
from pipeline.features.store import FeatureStore
from pipeline.recipe import Recipe
store = FeatureStore(Path(sys.argv[1]), Recipe.from_json(sys.argv[2]))
print("ready", flush=True)
for start in range(0, 10**9, 50):
    keys = [f"{i:064}" for i in range(start, start + 50)]
    store.append(keys, np.arange(start * 4, (start + 50) * 4, dtype=np.float32).reshape(50, 4))
    print(start, flush=True)
"""


def test_a_writer_killed_at_any_moment_leaves_whole_shards_alone(tmp_path):
    most = 0
    for attempt in range(5):
        root = tmp_path / str(attempt)
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(root), RECIPE.to_json()], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        # By its own progress, however busy the machine is. The first may be killed before it has made a folder.
        for _ in range(1 + 4 * attempt):
            writer.stdout.readline()
        time.sleep(0.037 * attempt)
        os.kill(writer.pid, signal.SIGKILL)
        writer.communicate()
        store = FeatureStore(root, RECIPE)
        assert store.verify() == []
        keys = sorted(store.keys())
        assert len(keys) % 50 == 0
        wanted = np.array([[4 * int(key) + i for i in range(4)] for key in keys], dtype=np.float32)
        assert np.array_equal(store.gather(keys), wanted.reshape(-1, 4))
        assert len(keys) >= 4 * 50 * attempt
        most = max(most, len(keys))
    assert most > 0
