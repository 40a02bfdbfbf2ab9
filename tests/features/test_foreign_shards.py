"""Shards that somebody else wrote, with right checksums: whatever is wrong with one is found, and named."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from pipeline.features.shards.header import DamagedShardError, read_header
from pipeline.features.shards.shard import read_shard
from tests.features.foreign import CASES, draft, write


@pytest.mark.parametrize("case", CASES)
def test_a_shard_that_is_not_as_ours_is_damaged(tmp_path, case):
    of = draft(tmp_path / "private")
    CASES[case](of)
    path = write(tmp_path / "store" / "shard.h5", of)
    with pytest.raises(DamagedShardError) as raised:
        read_shard(path).check()
    assert len(str(raised.value)) < 300


def test_nothing_else_is_wrong_with_them(tmp_path):
    path = write(tmp_path / "store" / "shard.h5", draft(tmp_path / "private"))
    assert np.isfinite(read_shard(path).rows(np.arange(3)).features).all()


@pytest.mark.parametrize("number", [0, 1 << 32, 1 << 63, (1 << 64) - 1])
def test_any_number_in_a_header_may_be_any_other(tmp_path, number):
    whole = write(tmp_path / "store" / "shard.h5", draft(tmp_path / "private")).read_bytes()
    length = len(whole) - 3 * 4 * 4
    damaged = 0
    for at in range(512, length - 8):
        if any(whole[at : at + 8]):
            header = whole[:at] + number.to_bytes(8, "little") + whole[at + 8 : length]
            try:
                read_header(header, length, zlib.crc32(header[512:]), len(whole))
            except DamagedShardError:
                damaged += 1
    assert damaged > 600
