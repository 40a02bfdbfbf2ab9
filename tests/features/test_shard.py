"""A shard: what goes in comes out, and no damage to a single byte goes unseen."""

from __future__ import annotations

import os
from dataclasses import replace

import h5py
import numpy as np
import pytest

from pipeline.features.shards.folder import ShardFolder
from pipeline.features.shards.header import BLOCK_ROWS, HEADER_AT_MOST, DamagedShardError, LaterFormatError
from pipeline.features.shards.keys import packed
from pipeline.features.shards.provenance import Provenance
from pipeline.features.shards.rows import Rows, portions
from pipeline.features.shards.shard import ChangedShardError, UnreadableShardError, read_shard, stamp_of
from pipeline.features.shards.writing import write_shard
from tests.features.samples import DAMAGES, RECIPE, damage, features_of, rows_of


def test_a_flipped_bit_anywhere_is_found_or_changes_no_row(tmp_path):
    wanted = rows_of(0, 5)
    path = write_shard(tmp_path, wanted, RECIPE).path
    whole = path.read_bytes()
    seen = 0
    for position, byte in enumerate(whole):
        with path.open("r+b", buffering=0) as file:  # a file cut off to be written again takes a millisecond
            os.pwrite(file.fileno(), bytes([byte ^ 1 << position % 8]), position)
            if position:
                os.pwrite(file.fileno(), whole[position - 1 : position], position - 1)
        try:
            shard = read_shard(path)
            rows = shard.rows(np.arange(len(shard)))
        except (DamagedShardError, LaterFormatError):
            seen += 1
            continue
        assert shard.recipe == RECIPE
        assert rows.keys.tobytes() == wanted.keys.tobytes()
        assert rows.features.tobytes() == wanted.features.tobytes()
        assert rows.provenance == wanted.provenance
    assert seen == len(whole)


@pytest.mark.parametrize("how", DAMAGES)
def test_what_is_no_whole_shard_is_refused_with_the_reason(tmp_path, how):
    path = write_shard(tmp_path, rows_of(0, 3), RECIPE).path
    damage(path, how)
    reasons = {
        "flipped": "fails its checksum in rows 0 to 2",
        "truncated": "must have 6. bytes|fails the checksum of its header",
        "foreign": "is HDF5, and no shard",
        "first format": "is HDF5, and no shard of a format that is read",
    }
    with pytest.raises(DamagedShardError, match=reasons.get(how, "is not a shard, or was cut off")):
        read_shard(path).check()


def test_a_shard_cut_off_anywhere_is_found(tmp_path):
    path = write_shard(tmp_path, rows_of(0, 3), RECIPE).path
    whole = path.read_bytes()
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(DamagedShardError, match="is not a shard|checksum of its header|must have"):
            read_shard(path).check()


def test_a_shard_of_a_later_format_is_told_apart_from_damage(tmp_path):
    path = write_shard(tmp_path, rows_of(0, 3), RECIPE).path
    whole = path.read_bytes()
    assert b"format 2," in whole[:512]
    path.write_bytes(whole.replace(b"format 2,", b"format 3,", 1))
    with pytest.raises(LaterFormatError, match="has format 3, this version reads 2"):
        read_shard(path)


def test_a_shard_replaced_since_it_was_looked_at_is_not_read_as_the_old_one(tmp_path):
    shard = write_shard(tmp_path, rows_of(0, 3), RECIPE)
    path = write_shard(tmp_path / "other", rows_of(7, 3), RECIPE).path
    path.replace(shard.path)
    with pytest.raises(ChangedShardError, match="was replaced by another"):
        shard.check()


@pytest.mark.parametrize("stored", ["float32", "float16"])
def test_rows_go_where_they_belong_in_any_order_and_type(tmp_path, stored):
    count = 2 * BLOCK_ROWS + 40
    rng = np.random.default_rng(0)
    features = rng.standard_normal((count, 4)).astype(stored)
    rows = Rows(packed([f"{i:064x}" for i in range(count)]), features, Provenance(((count, {}),)))
    shard = write_shard(tmp_path, rows, replace(RECIPE, stored_dtype=stored))
    asked = [
        np.arange(count),
        np.arange(5, BLOCK_ROWS + 9),
        np.sort(rng.permutation(count)[:300]),
        np.sort(rng.integers(0, BLOCK_ROWS, size=BLOCK_ROWS)),  # as many as a block has, some of them twice
        np.array([], int),
    ]
    for opened in (read_shard(shard.path), shard):  # its checksums to be compared, and known to be right
        for chosen in asked:
            for positions in (np.arange(len(chosen)), rng.permutation(len(chosen))):
                target = np.full((len(chosen), 4), np.nan, np.float32)
                opened.read_into(target, positions, chosen)
                assert np.array_equal(target[positions], features[chosen].astype(np.float32))


@pytest.mark.parametrize("seed", range(12))
def test_any_hdf5_reader_reads_what_we_write_and_we_read_the_same(tmp_path, seed):
    rng = np.random.default_rng(seed)
    count = int(rng.choice([1, 2, 255, 256, 257, 1000, 4096]))
    recipe = replace(
        RECIPE,
        modality=str(rng.choice(["speech", "text"])),
        model="m" * int(rng.choice([1, 40, 300, 5000])),
        feature_size=int(rng.choice([1, 4, 33])),
        max_length=[10.0, 64][seed % 2],
        stored_dtype=str(rng.choice(["float32", "float16"])),
        tokens=["", "0123456789ab"][seed % 2],
    )
    starts = np.unique([0, *rng.integers(0, count, int(rng.choice([1, 3, 700]))), count])
    runs = tuple((int(n), {"user": f"Zoë {n} \n" * (n % 9)}) for n in np.diff(starts))
    features = rng.standard_normal((count, recipe.feature_size)).astype(recipe.stored_dtype)
    keys = packed([rng.bytes(32).hex() for _ in range(count)])
    path = write_shard(tmp_path, Rows(keys, features, Provenance(runs)), recipe).path
    shard = read_shard(path)
    rows = shard.rows(np.arange(count))
    with h5py.File(path) as file:
        assert set(file) == {"features", "key", "crc32", "provenance"}
        assert list(file.attrs) == ["recipe"]
        assert file["features"].dtype == rows.features.dtype == np.dtype(recipe.stored_dtype)
        for read in (file["features"][:], rows.features):
            assert np.array_equal(read, features)
        for read in (file["key"][:], rows.keys):
            assert read.tobytes() == keys.tobytes()
        assert np.array_equal(file["crc32"][:], shard.header.checksums)
        assert file.attrs["recipe"] == recipe.to_json() == shard.recipe.to_json()
        assert bytes(file["provenance"][()]).decode() == Provenance(runs).to_json()
    assert shard.provenance == Provenance(runs)


def test_only_bytes_that_were_checked_are_copied(tmp_path):
    theirs = write_shard(tmp_path / "theirs", rows_of(0, 300), RECIPE)
    ours = ShardFolder(tmp_path / "ours")
    ours.root.mkdir()
    whole = theirs.path.read_bytes()
    damage(theirs.path, "flipped")
    for change in (
        lambda: None,
        lambda: os.truncate(theirs.path, 9000),
        lambda: theirs.path.write_text("private"),
    ):
        change()
        changed = replace(theirs, stamp=stamp_of(theirs.path.stat()))
        with pytest.raises(
            DamagedShardError, match="fails its checksum in rows 0 to 255|ends before its rows do"
        ):
            ours.copy(changed)
        assert list(ours.root.iterdir()) == []
    theirs.path.unlink()
    theirs.path.symlink_to(tmp_path / "private")
    (tmp_path / "private").write_bytes(whole)
    with pytest.raises(UnreadableShardError, match="cannot be read: Too many levels of symbolic links"):
        ours.copy(replace(theirs, links=False))
    assert list(ours.root.iterdir()) == []


def test_a_long_provenance_is_no_trouble(tmp_path):
    rows = rows_of(0, 2000)
    runs = tuple((1, {"user": f"user {i}", "note": "x" * 200}) for i in range(2000))
    written = write_shard(tmp_path, replace(rows, provenance=Provenance(runs)), RECIPE)
    again = read_shard(written.path)
    assert again.provenance == Provenance(runs)
    assert np.array_equal(again.rows(np.arange(2000)).features, features_of(0, 2000))


def test_the_same_rows_give_the_same_bytes(tmp_path):
    first, second = (write_shard(tmp_path / name, rows_of(0, 9), RECIPE).path for name in "ab")
    assert first.name == second.name
    assert first.read_bytes() == second.read_bytes()


def test_portions_are_full_shards_and_whole_ones_stay_as_they_are(monkeypatch):
    monkeypatch.setattr("pipeline.features.shards.rows.SHARD_ROWS", 5)
    pieces = [
        (rows_of(0, 3), False),
        (rows_of(10, 2), True),
        (rows_of(20, 9), False),
        (rows_of(30, 1), False),
    ]
    written = list(portions(pieces))
    assert [len(rows) for rows in written] == [2, 5, 5, 3]
    everything = Rows.joined(written)
    assert set(everything.keys.tolist()) == {key for rows, _ in pieces for key in rows.keys.tolist()}
    assert everything.features.sum() == sum(rows.features.sum() for rows, _ in pieces)
    assert list(portions([])) == []


@pytest.mark.parametrize("length", [HEADER_AT_MOST + 1, 10**9 - 1, 10**14])
def test_a_first_line_that_promises_more_than_a_header_can_be_is_damage(tmp_path, length):
    path = write_shard(tmp_path, rows_of(0, 3), RECIPE).path
    whole = path.read_bytes()
    line = f"emotionrankclap shard, format 2, header {length} bytes, crc32 00000000\n".encode()
    path.write_bytes(line + bytes(512 - len(line)) + whole[512:])
    with pytest.raises(DamagedShardError, match="must have a header of more than|is not a shard"):
        read_shard(path)
