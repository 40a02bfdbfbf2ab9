"""Shards that somebody else wrote, with right checksums: whatever is wrong with one is found, and named."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.features.shards.header import DamagedShardError
from pipeline.features.shards.shard import read_shard
from tests.features.foreign import CASES, draft, write


@pytest.mark.parametrize("case", CASES)
def test_a_shard_that_is_not_as_ours_is_damaged(tmp_path, case):
    of = draft(tmp_path / "private")
    CASES[case](of)
    path = write(tmp_path / "store" / "shard.h5", of)
    with pytest.raises(DamagedShardError) as raised:
        read_shard(path).check()
    print(raised.value)
    assert len(str(raised.value)) < 300


def test_nothing_else_is_wrong_with_them(tmp_path):
    path = write(tmp_path / "store" / "shard.h5", draft(tmp_path / "private"))
    assert np.isfinite(read_shard(path).rows(np.arange(3)).features).all()
