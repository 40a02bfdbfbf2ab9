"""`erclap extract` with a team's store: looked up before, offered to after, and never in the way."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from pipeline.features.store import SPEECH_FEATURES, FeatureStore
from pipeline.manifest import Manifest
from tests import quick_yaml
from tests.stages.captioned import make_captioned
from tests.stages.test_commands import erclap

CLIPS = 6


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, speech_checkpoint, text_checkpoint) -> Path:
    """A corpus of a few clips, through prepare and caption."""
    return make_captioned(tmp_path_factory.mktemp("project"), CLIPS, speech_checkpoint, text_checkpoint)


@pytest.fixture
def projects(prepared, tmp_path, monkeypatch) -> tuple[Path, Path]:
    monkeypatch.delenv("ERCLAP_STORE", raising=False)
    return shutil.copytree(prepared, tmp_path / "ana"), shutil.copytree(prepared, tmp_path / "ben")


def features(project: Path) -> np.ndarray:
    with contextlib.chdir(project):
        return FeatureStore.open(SPEECH_FEATURES).gather(Manifest.read().strings("sha256"))


def test_what_one_has_computed_nobody_computes_again(projects, tmp_path):
    ana, ben = projects
    team = tmp_path / "team"
    team.mkdir()
    first = erclap(ana, "extract", ERCLAP_STORE=str(team))
    assert first.returncode == 0, first.stderr
    assert "taken from" not in first.stdout
    shutil.rmtree(ben / "audio")  # so nothing can be computed
    second = erclap(ben, "extract", ERCLAP_STORE=str(team))
    assert second.returncode == 0, second.stderr
    assert f"cache/features/speech: {CLIPS} rows taken from the team's store {team}" in second.stdout
    assert np.array_equal(features(ana), features(ben))
    shards = [{p.name: p.read_bytes() for p in (x / "cache").rglob("*.h5")} for x in projects]
    assert shards[0] == shards[1]


def test_the_store_may_be_named_in_the_params(projects, tmp_path):
    ana, _ = projects
    (tmp_path / "team").mkdir()
    params = quick_yaml.load((ana / "params.yaml").read_text())
    params["runtime"] = {"store": str(tmp_path / "team")}
    (ana / "params.yaml").write_text(quick_yaml.dump(params))
    assert erclap(ana, "extract").returncode == 0
    assert len(list((tmp_path / "team").rglob("*.h5"))) == 2


def test_rows_from_before_there_was_a_store_are_offered_too(projects, tmp_path):
    ana, _ = projects
    assert erclap(ana, "extract").returncode == 0
    (tmp_path / "team").mkdir()
    answer = erclap(ana, "extract", ERCLAP_STORE=str(tmp_path / "team"))
    assert f"{CLIPS} older rows offered to the team's store" in answer.stdout


def test_a_store_out_of_reach_is_one_warning_and_all_is_computed(projects):
    ana, _ = projects
    answer = erclap(ana, "extract", ERCLAP_STORE="/not/mounted")
    assert answer.returncode == 0
    warnings = [line for line in answer.stderr.splitlines() if line.startswith("warning")]
    assert len(warnings) == 1
    assert "the team's store /not/mounted is not used in this run: No such file or directory" in warnings[0]
    assert len(features(ana)) == CLIPS
