"""The team's store: shared by any number of people, and never a reason to fail."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import threading

import numpy as np
import pytest

from pipeline.features import team as team_module
from pipeline.features.store import FeatureStore
from pipeline.features.team import TeamStore, team_folders, team_root
from tests.features.samples import OTHER, RECIPE, damage, features_of, fill, holds, keys_of


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "team"
    folder.mkdir()
    folder.chmod(0o2775)
    return folder


def store_of(tmp_path, name, team=None):
    return FeatureStore(tmp_path / name, RECIPE, device="cpu", share=team.offer if team else None)


def test_what_one_computes_another_finds_with_its_provenance(tmp_path, root):
    ana = store_of(tmp_path, "ana", TeamStore(root))
    ana.append(keys_of(0, 5), features_of(0, 5))
    ben = store_of(tmp_path, "ben")
    assert TeamStore(root).fetch(ben, keys_of(3, 10)) == 2
    assert holds(ben.root, (3, 2))
    ((_, origin),) = ben.folder.refresh()[0].provenance.runs
    assert origin == ana.folder.refresh()[0].provenance.runs[0][1]
    assert TeamStore(root).fetch(ben, keys_of(3, 10)) == 0


def test_a_whole_shard_is_the_same_file_for_everyone(tmp_path, root):
    team = TeamStore(root)
    store_of(tmp_path, "ana", team).append(keys_of(0, 5), features_of(0, 5))
    TeamStore(root).fetch(store_of(tmp_path, "ben"), keys_of(0, 50))
    (ours,), (theirs,) = (list((tmp_path / name).glob("*.h5")) for name in ("ana", "ben"))
    assert (ours.name, ours.read_bytes()) == (theirs.name, theirs.read_bytes())


def test_what_is_fetched_is_not_offered_again(tmp_path, root):
    fill(root / RECIPE.digest, (0, 5), user="ana")
    ben = store_of(tmp_path, "ben", team := TeamStore(root))
    team.fetch(ben, keys_of(0, 3))
    assert len(list((root / RECIPE.digest).glob("*.h5"))) == 1


def test_rows_the_team_lacks_are_offered_later_and_once(tmp_path, root):
    fill(root / RECIPE.digest, (0, 5))
    ben = store_of(tmp_path, "ben")
    ben.append(keys_of(3, 6), features_of(3, 6))
    assert TeamStore(root).offer_missing(ben, keys_of(0, 8)) == 3
    assert holds(root / RECIPE.digest, (0, 8))
    assert TeamStore(root).offer_missing(ben, keys_of(0, 8)) == 0


def test_recipes_do_not_mix(tmp_path, root):
    fill(root / OTHER.digest, (0, 5), recipe=OTHER)
    assert TeamStore(root).fetch(store_of(tmp_path, "ben"), keys_of(0, 5)) == 0
    assert [folder.root.name for folder in team_folders(root)] == [OTHER.digest]


@pytest.mark.parametrize("mode", [0o2775, 0o770, 0o755])
def test_all_in_the_store_allows_what_its_own_folder_allows_whatever_the_umask(tmp_path, root, mode):
    root.chmod(mode)
    before = os.umask(0o077)
    try:
        store_of(tmp_path, "ana", TeamStore(root)).append(keys_of(0, 5), features_of(0, 5))
        TeamStore(root).offer_missing(fill_and_open(tmp_path, "ben"), keys_of(3, 6))
    finally:
        os.umask(before)
    folder = root / RECIPE.digest
    assert stat.S_IMODE(folder.stat().st_mode) == mode
    files = list(folder.iterdir())
    assert len(files) == 3
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {mode & 0o666}


def fill_and_open(tmp_path, name):
    fill(tmp_path / name, (3, 6))
    return store_of(tmp_path, name)


def test_a_damaged_shard_of_the_team_is_set_aside_and_the_rest_is_taken(tmp_path, root, capsys):
    bad, _ = fill(root / RECIPE.digest, (0, 3), (3, 3))
    damage(bad, "flipped")
    ben = store_of(tmp_path, "ben")
    assert TeamStore(root).fetch(ben, keys_of(0, 6)) == 3
    assert holds(ben.root, (3, 3))
    assert bad.name + ".damaged" in capsys.readouterr().err


def works_alone(tmp_path, team, capsys, reason):
    """A store does all its work beside a team's store that does not, and says so in one line."""
    ana = store_of(tmp_path, "ana", team)
    team.fetch(ana, keys_of(0, 9))
    for start in (0, 3, 6):
        ana.append(keys_of(start, 3), features_of(start, 3))
    team.offer_missing(ana, keys_of(0, 9))
    assert holds(ana.root, (0, 9))
    warnings = capsys.readouterr().err.splitlines()
    assert len(warnings) == 1, warnings
    assert reason in warnings[0]
    assert str(team.root) in warnings[0]


def test_a_store_that_is_not_there_is_not_made_and_is_one_warning(tmp_path, capsys):
    works_alone(tmp_path, TeamStore(tmp_path / "not-mounted"), capsys, "No such file or directory")
    assert not (tmp_path / "not-mounted").exists()


def test_a_store_that_cannot_be_reached_is_one_warning(tmp_path, root, capsys, monkeypatch):
    def fails(*args, **options):
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    monkeypatch.setattr(team_module.FeatureStore, "pieces", fails)
    monkeypatch.setattr(team_module, "shared_folder", fails)
    works_alone(tmp_path, TeamStore(root), capsys, "Stale file handle")


def test_a_store_that_makes_us_fail_is_one_warning(tmp_path, root, capsys, monkeypatch):
    def fails(*args, **options):
        raise IndexError("what nobody\nthought of")

    monkeypatch.setattr(team_module.FeatureStore, "pieces", fails)
    monkeypatch.setattr(team_module, "shared_folder", fails)
    works_alone(tmp_path, TeamStore(root), capsys, r"IndexError: what nobody\nthought of")


def test_a_folder_of_the_store_that_is_a_link_is_one_warning_and_left_alone(tmp_path, root, capsys):
    fill(tmp_path / "private", (0, 9))
    before = {path.name for path in (tmp_path / "private").iterdir()}
    (root / RECIPE.digest).symlink_to(tmp_path / "private")
    works_alone(
        tmp_path, TeamStore(root), capsys, "is a link, and links in a folder of others are not followed"
    )
    assert {path.name for path in (tmp_path / "private").iterdir()} == before


def test_a_store_that_hangs_is_one_warning(tmp_path, root, capsys, monkeypatch):
    hanging = threading.Event()
    monkeypatch.setattr(team_module, "shared_folder", lambda *args: hanging.wait())
    works_alone(tmp_path, TeamStore(root, patience=0.1), capsys, "no answer for 0.1 s")
    hanging.set()


def test_a_full_store_is_one_warning_and_still_read_from(tmp_path, small_disk, capsys):
    (small_disk / "ballast").write_bytes(bytes(48 * 1024))
    fill(small_disk / RECIPE.digest, (9, 3))
    team = TeamStore(small_disk)
    works_alone(tmp_path, team, capsys, "No space left on device")
    assert team.fetch(store_of(tmp_path, "ana"), keys_of(0, 12)) == 3
    assert not list(small_disk.rglob("*.tmp"))


def test_a_read_only_store_is_one_warning_and_still_read_from(tmp_path, small_disk, capsys):
    bad, _ = fill(small_disk / RECIPE.digest, (9, 3), (12, 3))
    damage(bad, "flipped")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    team = TeamStore(small_disk)
    works_alone(tmp_path, team, capsys, "Read-only file system")
    assert team.fetch(store_of(tmp_path, "ana"), keys_of(9, 6)) == 3
    assert bad.exists()


def test_the_environment_comes_before_the_params(monkeypatch, tmp_path):
    monkeypatch.delenv("ERCLAP_STORE", raising=False)
    assert team_root(None) is None
    assert team_root(str(tmp_path)) == tmp_path
    monkeypatch.setenv("ERCLAP_STORE", "/elsewhere")
    assert str(team_root(str(tmp_path))) == "/elsewhere"
    monkeypatch.setenv("ERCLAP_STORE", "")
    assert team_root(str(tmp_path)) is None


def test_rows_fetched_in_part_from_many_shards_become_one(tmp_path, root):
    fill(root / RECIPE.digest, *((start, 4) for start in range(0, 40, 4)))
    ben = store_of(tmp_path, "ben")
    wanted = [key for start in range(0, 40, 4) for key in keys_of(start, 2)]
    assert TeamStore(root).fetch(ben, wanted) == 20
    assert len(ben.folder.refresh()) == 1
    assert np.array_equal(ben.gather(keys_of(8, 2)), features_of(8, 2))


def test_other_folders_in_the_store_are_none_of_its_own(tmp_path, root):
    fill(root / RECIPE.digest, (0, 5))
    for name in ("lost+found", ".snapshot", "old"):
        (root / name).mkdir(mode=0)
    assert [folder.root.name for folder in team_folders(root)] == [RECIPE.digest]
