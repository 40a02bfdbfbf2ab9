"""Another's shards into ours: every row once, whole shards byte for byte, nothing damaged."""

from __future__ import annotations

import os

import pytest

from pipeline.features.shards.folder import ShardFolder
from pipeline.features.upkeep.merging import merge, shards_below
from tests.features.samples import OTHER, RECIPE, damage, fill, holds


def merged_into(ours, theirs):
    shards, unreadable = shards_below(theirs)
    folder = ShardFolder(ours)
    ours.mkdir(exist_ok=True)
    merged = merge(shards, lambda recipe: folder if recipe == RECIPE else None)
    return merged, unreadable


def test_rows_that_ours_lacks_are_taken_and_theirs_stay(tmp_path):
    fill(tmp_path / "ours", (0, 5))
    fill(tmp_path / "theirs" / "speech", (5, 5), (3, 4))
    before = {path: path.read_bytes() for path in (tmp_path / "theirs").rglob("*.h5")}
    merged, unreadable = merged_into(tmp_path / "ours", tmp_path / "theirs")
    assert (merged.taken, merged.already, merged.other_recipe, unreadable) == (5, 4, 0, [])
    assert holds(tmp_path / "ours", (0, 10))
    assert {path: path.read_bytes() for path in (tmp_path / "theirs").rglob("*.h5")} == before
    again, _ = merged_into(tmp_path / "ours", tmp_path / "theirs")
    assert (again.taken, again.already) == (0, 9)


def test_whole_shards_are_copied_byte_for_byte(tmp_path):
    (theirs,) = fill(tmp_path / "theirs", (5, 5))
    merged_into(tmp_path / "ours", tmp_path / "theirs")
    (ours,) = (tmp_path / "ours").iterdir()
    assert (ours.name, ours.read_bytes()) == (theirs.name, theirs.read_bytes())


def test_rows_of_another_recipe_are_counted_and_left(tmp_path):
    fill(tmp_path / "theirs", (0, 5), recipe=OTHER)
    merged, _ = merged_into(tmp_path / "ours", tmp_path / "theirs")
    assert (merged.taken, merged.other_recipe) == (0, 5)
    assert list((tmp_path / "ours").iterdir()) == []


@pytest.mark.parametrize("how", ["flipped", "truncated"])
def test_a_damaged_shard_is_named_and_what_else_has_its_rows_gives_them(tmp_path, how):
    bad, _ = sorted(fill(tmp_path / "theirs", (0, 5), (2, 5)))
    damage(bad, how)
    merged, unreadable = merged_into(tmp_path / "ours", tmp_path / "theirs")
    (line,) = [*merged.unreadable, *unreadable]
    assert line.startswith(str(bad))
    assert merged.taken == 5
    assert holds(tmp_path / "ours", (0, 5)) or holds(tmp_path / "ours", (2, 5))
    assert bad.exists()


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ValueError, match="found no folder .*nowhere"):
        shards_below(tmp_path / "nowhere")


def test_what_cannot_be_read_is_named_and_the_rest_is_taken(tmp_path):
    theirs = tmp_path / "theirs"
    fill(theirs, (0, 5))
    (theirs / "folder.h5").mkdir()
    os.mkfifo(theirs / "folder.h5" / "pipe.h5")
    (theirs / "linked.h5").symlink_to("nowhere")
    (theirs / "loop").symlink_to(".")
    merged, unreadable = merged_into(tmp_path / "ours", theirs)
    assert merged.taken == 5
    reason = "is a link, and links in a folder of others are not followed"
    assert sorted(unreadable) == [
        f"{theirs}/folder.h5/pipe.h5 cannot be read: it is no regular file",
        f"{theirs}/linked.h5 {reason}",
        f"{theirs}/loop {reason}",
    ]


def test_shards_that_somebody_gave_the_same_name_do_not_take_each_others_place(tmp_path):
    for folder, start in (("ours", 0), ("theirs/a", 3), ("theirs/b", 6)):
        (path,) = fill(tmp_path / folder, (start, 3))
        path.rename(path.with_name("features.h5"))
    merged, _ = merged_into(tmp_path / "ours", tmp_path / "theirs")
    assert merged.taken == 6
    assert holds(tmp_path / "ours", (0, 9))
