"""The files behind the page: they hold what was evaluated, whole, and say nothing of the machine."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pipeline.config import load_params
from pipeline.features.store import FeatureStore
from pipeline.methods import METHODS
from pipeline.recipe import Recipe
from pipeline.report.results.about import about_run, public_settings
from pipeline.report.results.detail_files import SCHEMAS, read_details
from pipeline.report.results.details import POINTS, write_details
from tests.imports import ROOT
from tests.report.made import (
    ABOUT,
    CLIPS,
    EPOCHS,
    LISTS,
    TRIALS,
    made_evaluation,
    made_history,
    made_prompts,
)

PROMPTS = made_prompts()
EVALUATIONS = {3: made_evaluation(3, PROMPTS), 4: made_evaluation(4, PROMPTS)}


@pytest.fixture
def written(tmp_path):
    write_details(EVALUATIONS, {seed: made_history(seed) for seed in EVALUATIONS}, PROMPTS, ABOUT, tmp_path)
    return tmp_path


def test_every_trial_list_retrieval_and_epoch_of_every_seed_is_kept(written):
    details = read_details(written)
    readings = EVALUATIONS[3].readings
    assert len(details.trials) == 2 * len(readings) * len(readings["clap-sce"]) * TRIALS
    assert len(details.lists) == 2 * len(METHODS) * 2 * LISTS
    assert len(details.retrievals) == 14 * len(details.lists)
    assert len(details.epochs) == 2 * (len(METHODS) - 1) * EPOCHS
    for rows in (details.trials, details.lists, details.retrievals, details.epochs):
        assert {row["seed"] for row in rows} == {3, 4}
    assert details.about["clips"] == CLIPS
    assert details.about["methods"] == list(METHODS)


def test_values_come_back_as_they_were(written):
    details = read_details(written)
    found = [
        r["value"]
        for r in details.trials
        if (r["method"], r["seed"], r["reading"]) == ("supconclap", 4, "w1")
    ]
    assert found == EVALUATIONS[4].readings["supconclap"]["w1"].tolist()
    found = [r["tau"] for r in details.lists if (r["method"], r["seed"], r["test"]) == ("clap-sce", 3, "voc")]
    assert found == EVALUATIONS[3].ordinality["clap-sce"]["voc"].tau.tolist()


@pytest.mark.parametrize(("test", "column"), [("voc", 0), ("aoc", 1)])
def test_a_retrieval_has_its_own_sentence_and_the_clip_s_own_label(written, test, column):
    evaluation = EVALUATIONS[3]
    wanted = {(p.list, p.position): p for p in PROMPTS if p.test == test}
    rows = [
        r
        for r in read_details(written).retrievals
        if (r["method"], r["seed"], r["test"]) == ("emotionrankclap", 3, test)
    ]
    assert len(rows) == len(wanted)
    for row in rows:
        prompt = wanted[row["list"], row["position"]]
        clip = evaluation.ordinality["emotionrankclap"][test].retrieved[row["list"], row["position"]]
        assert row["text"] == prompt.text
        assert row["intended"] == (prompt.valence, prompt.arousal)[column]
        assert row["utterance_id"] == evaluation.pairs.ids[clip]
        assert row["value"] == evaluation.pairs.labels[clip, column]


def test_maps_hold_both_modalities_of_the_same_clips_once_a_method(written):
    rows = read_details(written).maps
    assert {row["seed"] for row in rows} == {3}
    for method in METHODS:
        own = [row for row in rows if row["method"] == method]
        assert len(own) == min(2 * CLIPS, POINTS)
        speech, captions = (
            [(r["valence"], r["arousal"]) for r in own if r["modality"] == m] for m in ("speech", "captions")
        )
        assert speech == captions
        assert np.allclose(np.mean([(r["x"], r["y"]) for r in own], axis=0), 0, atol=1e-6)


def test_the_same_evaluation_gives_the_same_files(written, tmp_path):
    again = tmp_path / "again"
    write_details(EVALUATIONS, {seed: made_history(seed) for seed in EVALUATIONS}, PROMPTS, ABOUT, again)
    for name in [*(f"{name}.parquet" for name in SCHEMAS), "about.json"]:
        assert (written / name).read_bytes() == (again / name).read_bytes()


def test_what_is_missing_or_garbled_is_named(written):
    with pytest.raises(RuntimeError, match="nowhere/trials.parquet is not there: run `erclap eval` first"):
        read_details(written / "nowhere")
    about = written / "about.json"
    about.write_text(json.dumps({"corpus": "x"}))
    with pytest.raises(
        RuntimeError, match="must have the keys clips, .*found corpus: run `erclap eval` again"
    ):
        read_details(written)
    about.write_text("{")
    with pytest.raises(RuntimeError, match="about.json must be JSON"):
        read_details(written)
    about.unlink()
    with pytest.raises(RuntimeError, match="about.json is not there"):
        read_details(written)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda about: about.update(clip=about.pop("clips")), "must have the keys .*, found clip, corpus"),
        (lambda about: about.update(clips="many"), "clips must be a whole number, found 'many'"),
        (
            lambda about: about.update(settings=["x" * 9999]),
            "settings must be an object, found .{1,200}: run",
        ),
        (lambda about: about.update(methods=[1]), "methods must be names"),
        (
            lambda about: about["titles"].pop("clap-sce"),
            "titles must name all methods, found none of clap-sce",
        ),
        (lambda about: about["methods"].remove("clap-sce"), "methods must name all .*, found no clap-sce"),
        (
            lambda about: about["origins"][0].pop("rows"),
            r"origins\[0\] must have first, last, modality, rows",
        ),
        (lambda about: about.update(recipes=[{"modalty": "speech"}]), r"recipes\[0\] must have modality"),
    ],
)
def test_what_was_run_is_named_where_a_key_of_it_is_misspelt_or_odd(written, change, told):
    file = written / "about.json"
    about = json.loads(file.read_text())
    change(about)
    file.write_text(json.dumps(about))
    with pytest.raises(RuntimeError, match=rf"about\.json:? {told}"):
        read_details(written)


def test_settings_name_no_folder_of_this_machine(tmp_path):
    params = load_params(ROOT / "params.yaml").model_dump()
    params["prepare"] |= {
        "corpus": "table",
        "root": "/private/corpus",
        "table": {"file": "/private/labels.csv", "columns": {"path": "f"}},
    }
    params["extract"]["speech"]["model"] = "/private/models/wavlm"
    params["runtime"]["store"] = "/private/store"
    settings = public_settings(type(load_params(ROOT / "params.yaml")).model_validate(params))
    written = json.dumps(settings)
    assert "private" not in written
    assert settings["prepare"]["table"]["file"] == "labels.csv"
    assert settings["extract"]["speech"]["model"] == "wavlm"
    assert settings["train"]["epochs"] == params["train"]["epochs"]
    assert "runtime" not in settings


def test_origins_say_device_and_versions_and_not_who(tmp_path):
    recipe = Recipe("speech", "/private/models/wavlm", "sha256:00", 4, "attentive-mean", "masked", 10.0)
    store = FeatureStore(tmp_path / "speech", recipe, device="a device")
    store.append(["a" * 64, "b" * 64], np.ones((2, 4), dtype=np.float32))
    about = about_run(load_params(ROOT / "params.yaml"), "a corpus", [store])
    (origin,) = about["origins"]
    assert (origin["rows"], origin["device"], origin["modality"]) == (2, "a device", "speech")
    assert {"torch", "h5py", "first", "last"} <= origin.keys()
    assert "user" not in origin
    assert about["recipes"][0]["model"] == "wavlm"
    assert about["synthetic"] is True
