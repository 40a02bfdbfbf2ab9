"""`erclap check` says in its lines what later stages would stumble over, and costs nothing."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple

import pyarrow as pa
import pytest

from pipeline.manifest import Manifest
from stages.check import costs
from stages.check.corpus import Seen
from tests import quick_yaml
from tests.captions.llm.server import ModelServer
from tests.stages.test_commands import change_params, erclap


@pytest.fixture(autouse=True)
def less_is_timed(monkeypatch) -> None:
    for name, value in (("BATCHES_TIMED", (2, 2)), ("POINTS_TIMED", 20), ("SENTENCES_TIMED", 10)):
        monkeypatch.setattr(costs, name, value)


SECTION = {"model": "a-model", "step": 1.0, "draws": 1}


def checked(project, code: int, **environment: str) -> dict[str, list[tuple[str, str]]]:
    """What was looked at → the findings about it."""
    answer = erclap(project, "check", "--json", **environment)
    assert answer.returncode == code, answer.stdout + answer.stderr
    found: dict[str, list[tuple[str, str]]] = {}
    for finding in json.loads(answer.stdout)["findings"]:
        found.setdefault(finding["about"], []).append((finding["state"], finding["says"]))
    return found


def test_all_well_is_said_with_rates_and_costs_and_changes_nothing(project):
    change_params(project, evaluate__pairs=10)
    shutil.rmtree(project / "cache")
    answer = erclap(project, "check")
    assert answer.returncode == 1, answer.stdout  # one clip of 85 cannot be decoded
    assert answer.stdout.count("warn  ") == 1
    for line in (
        "ok    params    params.yaml: corpus table, 6 methods, 1 seed",
        "warn  clips     1 of 85 at random cannot be used: 1 not readable as audio",
        "84 of 85 at random decoded: ",
        "44.1 kHz 27",
        "ok    counts    enough for training and the tests",
        "3 clips and 3 sentences encoded",
        "ok    cost      about",
        "ok    disk",
        "ok    captions  by the lexicon, offline",
    ):
        assert line in answer.stdout
    assert not list((project / "cache").iterdir())


def test_params_that_are_wrong_end_it(project):
    change_params(project, train__epochs=-1)
    assert checked(project, 2) == {"params": [("fail", checked(project, 2)["params"][0][1])]}
    assert "train.epochs" in checked(project, 2)["params"][0][1]


def test_a_corpus_that_is_gone_or_half_gone_fails(project):
    (project / "audio/train").rename(project / "away")
    ((state, says), *_) = checked(project, 2)["clips"]
    assert state == "fail"
    assert "at most 5% of the clips may be out of reach, found 41 of 85" in says
    (project / "labels.csv").unlink()
    ((state, says),) = checked(project, 2)["corpus"]
    assert state == "fail"
    assert "found no file labels.csv" in says


def test_a_corpus_that_is_not_mounted_is_called_so(project):
    (project / "audio").rename(project / "away")
    found = checked(project, 2)
    ((_, says),) = found["corpus"]
    assert "found no folder audio: is it mounted?" in says
    assert found["cost"] == [("warn", "cannot be told without the corpus")]


def test_the_sample_is_counted_too(project):
    change_params(
        project, prepare={"corpus": "sample", "root": "audio", "sample": {"utterances": 60, "seed": 0}}
    )
    found = checked(project, 2)["counts"]
    assert "found development 8" in found[0][1]


def test_no_larger_batch_is_timed_than_there_are_clips(project, monkeypatch):
    timed = []
    monkeypatch.setattr(
        costs,
        "train",
        lambda loss, pairs, _, settings, plane: timed.append((len(pairs), settings.batch_size)),
    )
    change_params(project, train__batch_size=4096)
    ((_, says),) = [found for found in checked(project, 2)["counts"] if "batch_size" in found[1]]
    assert "found train 41, " in says
    assert set(timed) == {(82, 41)}


def test_counts_that_training_and_the_test_need_fail(project):
    change_params(project, train__batch_size=64, evaluate__split="test9")
    found = checked(project, 2)["counts"]
    assert [state for state, _ in found] == ["fail", "fail", "warn"]
    assert "no clip is in split 'test9', which evaluation needs" in found[0][1]
    assert "found train 41, development 20: lower it to 20 or less" in found[1][1]


def test_an_encoder_that_is_nowhere_fails_and_a_sample_one_is_doubted(project):
    change_params(project, extract__speech__model="nobody/nothing")
    found = checked(project, 2)
    ((state, says),) = found["speech"]
    assert state == "fail"
    assert "nobody/nothing cannot be had from the hub" in says
    assert ("warn", "the encoders are not on this machine yet, so that no rate can be measured") in found[
        "run"
    ]
    change_params(project, extract__speech__model="builtin:sample-speech")
    ((state, says),) = checked(project, 1)["encoders"]
    assert state == "warn"
    assert "was trained for the synthetic sample corpus alone" in says


def test_a_disk_that_is_too_small_fails(project, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9, 10))
    ((state, says),) = checked(project, 2)["disk"]
    assert state == "fail"
    assert "make room" in says


def test_a_teams_store_that_is_not_there_is_doubted(project, tmp_path):
    ((state, says),) = checked(project, 1, ERCLAP_STORE=str(tmp_path / "no"))["team"]
    assert (state, "is it mounted?" in says) == ("warn", True)


@pytest.mark.parametrize("there", [True, False])
def test_an_endpoint_is_asked_for_its_models(project, there):
    params = quick_yaml.load((project / "params.yaml").read_text())
    params["caption"] |= {"captioner": "llm", "llm": SECTION}
    (project / "params.yaml").write_text(quick_yaml.dump(params))
    with ModelServer() as server:
        url = server.url if there else "http://127.0.0.1:9/v1"
        ((state, says),) = checked(project, 1 if there else 2, OPENAI_BASE_URL=url)["captions"]
    if there:
        assert (state, says) == ("warn", f"{url} answers but lists no models: a-model may be there")
    else:
        assert state == "fail"
        assert "must be within reach, found none there" in says


def test_of_a_long_recording_only_what_is_heard_is_counted():
    durations = pa.table({"duration": [4.0, 3600.0]})
    assert Seen(clips=Manifest(durations)).heard(10.0) == 7.0
    assert Seen().heard(10.0) == 0.0
