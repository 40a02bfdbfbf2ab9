"""Shards of others in the cache, the team's store and a folder to merge: each command names them and goes on."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from pipeline.features import Asked, ShardFolder
from pipeline.features.store import SPEECH_FEATURES, FeatureStore
from pipeline.features.team import TeamStore
from pipeline.manifest import Manifest
from pipeline.support import remove
from stages.cli import cli
from tests import quick_yaml
from tests.features.foreign import CASES, PRIVATE, checksums, draft, write
from tests.features.samples import keys_of
from tests.stages.test_cache import PARAMS, clip, extract, features_of, stores, write_data

OF_HEADERS = (
    "key in another file",
    "features in another file",
    "key made of itself",
    "key never allocated",
    "no checksum",
    "provenance with 2 rows",
    "provenance with 1000000000000 rows",
    "recipe with revision None",
)
OF_ROWS = ("a row with nan",)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A project whose features are made up, and a team's store that has them all."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        (folder / "project").mkdir()
        (folder / "team").mkdir()
        patch.chdir(folder / "project")
        Path("params.yaml").write_text(quick_yaml.dump(PARAMS))
        write_data([clip(i) for i in range(9)])
        extract()
        for store in stores():
            TeamStore(folder / "team").offer(store.recipe, store.folder.refresh())
    return folder


@pytest.fixture
def place(made, tmp_path, monkeypatch) -> Path:
    folder = shutil.copytree(made, tmp_path / "place")
    monkeypatch.chdir(folder / "project")
    monkeypatch.setenv("ERCLAP_STORE", str(folder / "team"))
    monkeypatch.setattr("stages.cache.gc.asked_by_refs", lambda: Asked(refs=1))
    return folder


def run(*command: str) -> str:
    """What a command says, which ends well or with one line of ours."""
    result = CliRunner().invoke(cli, command)
    if result.exception is not None:
        assert type(result.exception) is RuntimeError, result.exc_info
        assert "\n" not in str(result.exception)
    return f"{result.output}{result.exception or ''}"


def spoil(folder: Path, cases: tuple[str, ...]) -> list[Path]:
    """Put shards of wanted rows into a folder, each wrong in one way, that would serve them before all others."""
    recipe = stores()[0].recipe
    written = []
    for case in cases:
        of = draft(Path("../private"), Manifest.read().strings("sha256")[:3], recipe)
        of.features += 1
        of.crc32 = checksums(of.features)
        CASES[case](of)
        written.append(write(folder / f"0 {case}.h5", of))
    return written


def set_aside(bad: list[Path], answer: str) -> None:
    for path in bad:
        assert f"{path} " in answer
        assert f", set aside as {path.name}.damaged" in answer
        assert not path.exists()
        path.with_name(path.name + ".damaged").unlink()


def right(store: FeatureStore) -> bool:
    """Whether the rows are those that were computed."""
    keys = Manifest.read().strings("sha256")
    return np.array_equal(store.gather(keys), features_of(keys, store.recipe.feature_size))


def team_of_speech(place: Path) -> Path:
    return place / "team" / stores()[0].recipe.digest


@pytest.mark.parametrize("cases", [OF_HEADERS, OF_ROWS])
def test_bad_shards_are_named_and_set_aside_and_cost_nothing_else(place, cases):
    """What is wrong with rows is found by whoever reads rows, and `status`, `plan` and `gc` read none."""
    team = team_of_speech(place)
    looking = [["status"], ["plan"], ["gc", "--team", "--older-than", "0"]] if cases == OF_HEADERS else []
    for command in [*looking, ["verify"]]:
        bad = spoil(SPEECH_FEATURES, cases) + spoil(team, cases)
        set_aside(bad, run("cache", *command))
    for folder, command in ((SPEECH_FEATURES, ["compact"]), (team, ["compact", "--team"])):
        bad = spoil(folder, cases)
        set_aside(bad, run("cache", *command))
    assert right(stores()[0])
    bad = spoil(SPEECH_FEATURES, cases)
    set_aside(bad, run("cache", "export", "speech.npz", "--format", "npz"))
    with np.load("speech.npz") as exported:
        keys = exported["key"].tolist()
        assert np.array_equal(exported["features"], features_of(keys, exported["features"].shape[1]))
    bad = spoil(team, cases)
    newcomer = FeatureStore(place / "newcomer", stores()[0].recipe)
    assert TeamStore(place / "team").fetch(newcomer, Manifest.read().strings("sha256")) == 9
    assert right(newcomer)
    assert not any(path.exists() for path in bad)
    nothing_private_left_its_file(place)


def test_bad_shards_are_merged_nowhere(place):
    team = team_of_speech(place)
    theirs = Path(shutil.copytree(SPEECH_FEATURES, place / "theirs"))
    shutil.rmtree(team)
    bad = spoil(theirs, OF_HEADERS + OF_ROWS)
    answer = run("cache", "merge", str(theirs), "--team")
    for path in bad:
        assert f"left: {path} " in answer
        assert path.exists()
    assert f"every file to merge must be a whole shard, found {len(bad)} that are not" in answer
    assert right(FeatureStore(team, stores()[0].recipe))
    nothing_private_left_its_file(place)


def nothing_private_left_its_file(place: Path) -> None:
    for path in place.rglob("*"):
        assert path.name == "private" or not path.is_file() or PRIVATE[:59] not in path.read_bytes(), path


def test_extract_sets_bad_shards_aside_and_takes_the_rows_from_where_they_are_right(place):
    team = team_of_speech(place)
    for shard in SPEECH_FEATURES.glob("*.h5"):
        shard.unlink()
    bad = spoil(SPEECH_FEATURES, OF_HEADERS + OF_ROWS) + spoil(team, OF_HEADERS + OF_ROWS)
    (team / "linked.h5").symlink_to(place / "private")
    os.mkfifo(team / "pipe.h5")
    answer = run("extract")
    set_aside(bad, answer)
    assert f"warning: {team}/linked.h5 is a link, and links in a folder of others are not followed" in answer
    assert "9 rows taken from the team's store" in answer
    assert right(stores()[0])


def test_whatever_goes_wrong_in_the_teams_store_extract_goes_on_after_one_warning(place, monkeypatch):
    def fails(*args: object) -> None:
        raise KeyError("nobody thought of this")

    monkeypatch.setattr("pipeline.features.shards.shard.read_header", fails)
    folder = ShardFolder(team_of_speech(place), shared=True)
    assert folder.refresh() == []
    assert "cannot be read: KeyError: 'nobody thought of this'" in str(folder.findings[0])
    monkeypatch.undo()
    monkeypatch.chdir(place / "project")
    monkeypatch.setenv("ERCLAP_STORE", str(place / "team"))
    monkeypatch.setattr(TeamStore, "_store", fails)
    answer = run("extract")
    assert answer.count("warning: the team's store") == 1
    assert "is not used in this run: KeyError: 'nobody thought of this'; all rows are kept here" in answer
    assert "9 rows of 96" in answer


def test_what_a_shard_says_of_itself_is_shown_without_what_a_terminal_obeys(place):
    of = draft(Path("../private"), keys_of(0, 3), replace(stores()[0].recipe, pooling="\x1b[2J\u202e"))
    of.provenance[0] |= {"user": "\x1b]0;pwned\x07\nerror: fake", "host": "\udc80" + "h" * 300}
    odd = write(SPEECH_FEATURES / "\x1b[31m.h5", of)
    (SPEECH_FEATURES / "\u202e.h5").write_text("no shard")
    for command in ("status", "plan", "verify"):
        answer = run("cache", command)
        assert not [c for c in answer if not c.isprintable() and c != "\n"]
    assert r"3 by \x1b]0;pwned\x07\nerror: fake on \udc80hhh" in run("cache", "status")
    assert r"\x1b[2J\u202e" in run("cache", "status")
    assert odd.exists()


def test_one_folder_of_the_teams_that_cannot_be_read_is_named_and_the_others_serve(place):
    team = team_of_speech(place)
    team.rename(place / "elsewhere")
    team.symlink_to(place / "elsewhere")
    before = {path.name for path in (place / "elsewhere").iterdir()}
    for command in (["status"], ["plan"], ["verify"], ["compact", "--team"], ["gc", "--team", "--yes"]):
        answer = run("cache", *command)
        assert (
            f"{team}/. cannot be read: is a link, and links in a folder of others are not followed" in answer
        )
        assert str(stores()[1].recipe.digest) in answer or command[0] in ("plan", "gc")
    assert "every shard must be whole, found 1 that are not" in run("cache", "verify")
    answer = run("extract")
    assert answer.count("warning") == 1
    assert {path.name for path in (place / "elsewhere").iterdir()} == before


def test_several_gc_at_once_are_no_error(place, monkeypatch):
    team = place / "team"
    debris = [team_of_speech(place) / f"{i}.h5.damaged" for i in range(5)]
    for path in debris:
        path.touch()
    left = team / ".left.tmp"
    (left / "in it").mkdir(parents=True)
    (team / ".link.tmp").symlink_to(place / "project")
    (team / ".loop.tmp").symlink_to(team / ".loop.tmp")
    for path in (left, team / ".link.tmp", team / ".loop.tmp"):
        os.utime(path, (0, 0), follow_symlinks=False)

    def another_is_first(path: Path) -> None:
        remove(path)
        remove(path)

    monkeypatch.setattr("stages.cache.gc.remove", another_is_first)
    seen = Path.lstat
    monkeypatch.setattr(Path, "lstat", lambda path: (remove(debris[3]), seen(path))[1])
    answer = run("cache", "gc", "--team", "--yes")
    assert "error" not in answer
    assert not [
        path for path in (*debris, left, team / ".link.tmp", team / ".loop.tmp") if os.path.lexists(path)
    ]
    assert (place / "project" / "params.yaml").exists()
