"""The index finds what a plain dictionary finds."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.features.shards.index import Index
from pipeline.features.shards.keys import packed
from pipeline.features.shards.provenance import Provenance
from pipeline.features.shards.rows import Rows
from pipeline.features.store import FeatureStore
from tests.features.samples import RECIPE


@pytest.mark.parametrize("alike", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_every_key_is_found_where_the_first_shard_has_it(tmp_path, seed, alike, monkeypatch):
    monkeypatch.setattr("pipeline.features.shards.index.KEYS_AT_ONCE", 64)
    rng = np.random.default_rng(seed)
    pool = [rng.bytes(32).hex() for _ in range(60)]
    if alike:  # the same first bytes, which a sha256 never has
        pool = ["0" * 40 + key[:24] for key in pool]
    store = FeatureStore(tmp_path, RECIPE)
    for _ in range(5):
        keys = [pool[i] for i in rng.choice(len(pool), size=rng.integers(1, 20), replace=False)]
        store.take(Rows(packed(keys), np.zeros((len(keys), 4), np.float32), Provenance(((len(keys), {}),))))
    shards = store.folder.refresh()
    expected: dict[bytes, tuple[str, int]] = {}
    for shard in shards:
        for row, key in enumerate(shard.keys):
            expected.setdefault(key, (shard.path.name, row))
    index = Index(shards)
    assert len(index) == len(expected)
    assert index.keys.tolist() == sorted(expected)
    asked = packed([pool[i] for i in rng.integers(0, len(pool), size=200)])
    found: dict[int, tuple[str, int]] = {}
    for shard, rows, at in index.by_shard(index.find(asked)):
        assert (np.diff(rows) >= 0).all()
        found |= {int(i): (shard.path.name, int(row)) for row, i in zip(rows, at, strict=True)}
    assert found == {i: expected[key] for i, key in enumerate(asked) if key in expected}


def test_an_index_of_nothing_finds_nothing():
    index = Index([])
    assert index.find(packed(["a" * 64])).tolist() == [-1]
    assert list(index.by_shard(np.array([-1]))) == []
