"""A folder of shards: what does not belong there is found and named, and the rest is served."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys

import pytest

from pipeline.features.shards.folder import LINK, ShardFolder
from pipeline.features.store import FeatureStore
from tests.features.samples import DAMAGES, OTHER, RECIPE, damage, fill, holds, keys_of, rows_of


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_shard_is_named_set_aside_and_the_rest_is_served(tmp_path, how, capsys):
    bad, _ = fill(tmp_path, (0, 3), (3, 3))
    damage(bad, how)
    folder = ShardFolder(tmp_path)
    (finding,) = folder.verify()
    assert (finding.name, finding.set_aside) == (bad.name, True)
    assert f"{bad.name} {finding.reason}, set aside as {bad.name}.damaged" in capsys.readouterr().err
    assert folder.damaged() == [bad.with_name(bad.name + ".damaged")]
    assert holds(tmp_path, (3, 3))
    assert FeatureStore(tmp_path, RECIPE).missing(keys_of(0, 6)) == keys_of(0, 3)


def test_what_is_not_the_stores_is_named_and_left_alone(tmp_path):
    fill(tmp_path, (0, 3))
    fill(tmp_path, (0, 2), recipe=OTHER)
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "folder.h5").mkdir()
    (tmp_path / "recipe.json").write_text("{}")
    folder = ShardFolder(tmp_path)
    assert folder.verify() == []
    assert folder.strangers() == ["folder.h5", "notes.txt"]
    assert len(folder.refresh()) == 2
    assert holds(tmp_path, (0, 3))
    assert holds(tmp_path, (0, 2), recipe=OTHER)


def test_a_shard_of_a_later_format_is_named_once_left_alone_and_not_served(tmp_path, capsys):
    later, _ = fill(tmp_path, (0, 3), (3, 3))
    later.write_bytes(later.read_bytes().replace(b"format 2,", b"format 3,", 1))
    folder = ShardFolder(tmp_path)
    for _ in range(3):
        assert len(folder.refresh()) == 1
    assert [(finding.name, finding.set_aside) for finding in folder.findings] == [(later.name, False)]
    assert capsys.readouterr().err.count("warning") == 1
    assert later.exists()


def test_what_others_write_remove_and_replace_is_seen(tmp_path):
    folder = ShardFolder(tmp_path)
    assert folder.refresh() == []
    first, second = fill(tmp_path, (0, 3), (3, 3))
    assert {shard.path for shard in folder.refresh()} == {first, second}
    first.unlink()
    shutil.copy(second, tmp_path / "a.h5")
    assert [shard.path.name for shard in folder.refresh()] == sorted(["a.h5", second.name])


def test_a_whole_shard_that_took_the_damaged_ones_place_is_not_set_aside(tmp_path):
    (path,) = fill(tmp_path, (0, 3))
    whole = path.read_bytes()
    folder = ShardFolder(tmp_path)
    (shard,) = folder.refresh()
    path.unlink()
    path.write_bytes(whole)
    folder.set_aside(path.name, shard.stamp, "was damaged")
    assert path.exists()
    assert folder.findings == []


def test_a_file_that_cannot_be_read_is_no_damaged_one(tmp_path, monkeypatch):
    (path,) = fill(tmp_path, (0, 3))

    def fails(*args):
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    monkeypatch.setattr(os, "pread", fails)
    folder = ShardFolder(tmp_path)
    assert [str(finding) for finding in folder.verify()] == [
        f"{path.name} cannot be read: Input/output error"
    ]
    assert folder.verify() == folder.findings  # named once
    assert len(folder.findings) == 1
    assert path.exists()


def test_where_no_file_can_be_read_the_folder_is_an_error(tmp_path, monkeypatch):
    fill(tmp_path, (0, 3))

    def fails(*args):
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    monkeypatch.setattr(os, "pread", fails)
    with pytest.raises(OSError, match="Stale file handle"):
        ShardFolder(tmp_path).verify()


def test_links_are_followed_at_home_and_not_in_a_folder_of_others(tmp_path, capsys):
    (path,) = fill(tmp_path / "cache", (0, 3))
    home = tmp_path / "home"
    fill(home, (3, 3))
    (home / "linked.h5").symlink_to(path)  # as DVC may place it
    (home / "loop.h5").symlink_to("loop.h5")
    (home / "nothing.h5").symlink_to("nowhere")
    os.mkfifo(home / "pipe.h5")
    reasons = {
        False: {
            "loop.h5": "cannot be read: Too many levels of symbolic links",
            "nothing.h5": "is a link to nothing: No such file or directory",
        },
        True: dict.fromkeys(("linked.h5", "loop.h5", "nothing.h5"), LINK),
    }
    for shared, rows in ((False, 6), (True, 3)):
        folder = ShardFolder(home, shared=shared)
        for _ in range(2):
            folder.verify()
        assert sum(map(len, folder.refresh())) == rows
        assert {finding.name: finding.reason for finding in folder.findings} == reasons[shared]
        assert folder.strangers() == ["pipe.h5"]
    (tmp_path / "link").symlink_to(home)
    assert sum(map(len, ShardFolder(tmp_path / "link").refresh())) == 6
    with pytest.raises(OSError, match=LINK):
        ShardFolder(tmp_path / "link", shared=True).refresh()
    assert path.exists()


def test_what_a_folder_is_found_to_hold_is_shown_in_one_line(tmp_path, capsys):
    (tmp_path / "\x1b[2J\n\u202e\udcff.h5").write_text("no shard")
    assert [str(f).split(" is not")[0] for f in ShardFolder(tmp_path).verify()] == [
        r"\x1b[2J\n\u202e\udcff.h5"
    ]
    assert capsys.readouterr().err.count("\n") == 1


def test_a_full_disk_is_an_error_and_leaves_the_store_as_it_was(small_disk):
    fill(small_disk, (0, 3))
    before = sorted(path.name for path in small_disk.iterdir())
    with pytest.raises(OSError, match="No space left on device") as raised:
        FeatureStore(small_disk, RECIPE).take(rows_of(100, 2000))
    assert raised.value.filename
    assert sorted(path.name for path in small_disk.iterdir()) == before
    assert holds(small_disk, (0, 3))


def test_a_read_only_folder_is_served_from_and_an_error_to_write_to(small_disk):
    bad, _ = fill(small_disk, (0, 3), (3, 3))
    damage(bad, "flipped")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(OSError, match="Read-only file system"):
        FeatureStore(small_disk, RECIPE).take(rows_of(10, 3))
    store = FeatureStore(small_disk, RECIPE)
    assert [(finding.name, finding.set_aside) for finding in store.verify()] == [(bad.name, False)]
    assert store.keys() == set(keys_of(3, 3))
    assert bad.exists()


def test_a_limit_on_the_size_of_files_is_an_error_and_leaves_the_store_as_it_was(tmp_path):
    fill(tmp_path, (0, 3))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    code = (
        "import resource, sys; from pathlib import Path; from pipeline.features.store import FeatureStore\n"
        "from tests.features.samples import RECIPE, rows_of\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))\n"
        "try: FeatureStore(Path(sys.argv[1]), RECIPE).take(rows_of(100, 2000))\n"
        "except OSError as error: print(error.strerror, error.filename)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert answer.stdout.startswith("File too large " + str(tmp_path))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


WRITER = """
import sys
from pathlib import Path
from pipeline.features.store import FeatureStore
from tests.features.samples import RECIPE, features_of, keys_of
store = FeatureStore(Path(sys.argv[1]), RECIPE)
for start in range(int(sys.argv[2]), 600, 20):
    store.append(keys_of(start, 30), features_of(start, 30))
"""


def test_two_writers_at_once_whose_rows_overlap_lose_nothing(tmp_path):
    environment = os.environ | {"HDF5_USE_FILE_LOCKING": "FALSE"}
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    writers = [subprocess.Popen([*command, str(start)], env=environment) for start in (0, 10)]
    assert [writer.wait() for writer in writers] == [0, 0]
    store = FeatureStore(tmp_path, RECIPE)
    assert store.verify() == []
    assert len(store.folder.refresh()) == 30 + 30
    assert holds(tmp_path, (0, 620))
