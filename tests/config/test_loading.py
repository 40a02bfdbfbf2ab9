"""params.yaml: what is wrong is named by its key, in one line."""

from __future__ import annotations

import pytest
import yaml
from ruamel.yaml import YAML

from pipeline.config import load_params
from pipeline.config.reading import ParamsLoader
from tests import quick_yaml
from tests.imports import ROOT


@pytest.mark.parametrize(
    "profile", ["params.yaml", "stages/profiles/paper.yaml", "stages/profiles/iemocap.yaml"]
)
def test_the_profiles_are_valid_and_write_every_tracked_key(profile):
    params = load_params(ROOT / profile)
    written = quick_yaml.load((ROOT / profile).read_text())
    assert params.model_dump(exclude_unset=True).keys() == written.keys()
    assert params.train.batch_size == 64


def test_the_papers_profile_has_the_papers_settings():
    params = load_params(ROOT / "stages/profiles/paper.yaml")
    assert (params.train.epochs, params.train.learning_rate, params.train.batch_size) == (15, 1e-4, 64)
    assert (params.train.embedding_size, params.train.temperature) == (512, 1.0)
    assert (params.evaluate.trials, params.evaluate.pairs, params.caption.prompt_lists) == (30, 5000, 100)
    assert (params.extract.speech.crop_seconds, params.extract.text.max_tokens) == (10.0, 512)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  epochs: 60\n", "", "train.epochs is missing"),
        ("epochs: 60", "epocs: 60", "train.epochs is missing; train.epocs is not a key that exists"),
        ("learning_rate: 0.003", "learning_rate: 1e-3x", "train.learning_rate: .* found '1e-3x'"),
        ("learning_rate: 0.003", "learning_rate: -1.0", "train.learning_rate: .*greater than 0, found -1.0"),
        ("batch_size: 64", "batch_size: many", "train.batch_size: .*integer, found 'many'"),
        ("supconclap,", "supconclip,", "train.methods: a method must be one of .* found 'supconclip'"),
        ("supconclap,", "clap-sce,", "train.methods: a method must be named once"),
        ("pooling: attentive-mean", "pooling: max", "extract.speech.pooling: .* found 'max'"),
        ("crop_seconds: 10.0", "crop_seconds: .inf", "extract.speech.crop_seconds: .* found inf"),
        ("crop_seconds: 10.0", "crop_seconds: 0.01", "extract.speech.crop_seconds: .* found 0.01"),
        ("epochs: 60", "epochs: 60\n  epochs: 61", "key 'epochs' is written twice, in line"),
        ("corpus: sample", "corpus: samples", "prepare.corpus: .* found 'samples'"),
        (
            "root: data",
            "msp_podcast: {release: 1.12}\n  root: data",
            "msp_podcast.release: .*string, found 1.12",
        ),
        (
            "root: data",
            "msp_podcast: {drop: {split: [Test2]}}\n  root: data",
            "drop.split.0: .* found 'Test2'",
        ),
        ("root: data", "iemocap: {drop: {emotion: [joy]}}\n  root: data", "drop.emotion.0: .* found 'joy'"),
        (
            "root: data",
            "iemocap: {test_sessions: [4]}\n  root: data",
            "prepare.iemocap: a session must be for test",
        ),
        ("workers: auto", "workers: 0", "runtime.workers: must be auto or a whole number from 1, found 0"),
        ("workers: auto", "workers: 2.5", "runtime.workers: must be auto .* found 2.5"),
        ("crop_seconds: 10.0", "crop_seconds: 1000.0", "extract.speech.crop_seconds: .* found 1000.0"),
        ("train:", "train: []\nx:", "train: .*; x is not a key that exists"),
    ],
)
def test_a_wrong_key_is_named_in_one_line(tmp_path, old, new, message):
    text = (ROOT / "params.yaml").read_text()
    assert old in text
    path = tmp_path / "params.yaml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ValueError, match=message) as error:
        load_params(path)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)


def test_an_absent_and_a_garbled_file_are_named(tmp_path):
    with pytest.raises(ValueError, match="there must be a .*params.yaml"):
        load_params(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("a: [")
    with pytest.raises(ValueError, match="must be YAML"):
        load_params(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("")
    with pytest.raises(ValueError, match="the file: .* found None"):
        load_params(tmp_path / "params.yaml")


@pytest.mark.parametrize(
    ("written", "number"),
    [("1e-05", 1e-5), ("3e-3", 3e-3), ("3E-3", 3e-3), (".5", 0.5), ("1.", 1.0), ("+1.5e+0", 1.5), ("2", 2.0)],
)
def test_numbers_are_read_as_dvc_and_people_write_them(tmp_path, written, number):
    path = tmp_path / "params.yaml"
    path.write_text((ROOT / "params.yaml").read_text().replace("rate: 0.003", f"rate: {written}"))
    assert load_params(path).train.learning_rate == number


SCALARS = (
    *("1e-05", "010", "1_0", "0o17", "0x1F", "-3", "1:30", "1e5", "e5", ".", "3e-3", "-.inf"),
    *("no", "yes", "on", "true", "~", "null", "N", "null1"),
)


@pytest.mark.parametrize("text", [*SCALARS, ""])
def test_a_scalar_is_what_dvc_takes_it_for(text):
    ours = yaml.load(f"key: {text}", ParamsLoader)["key"]  # noqa: S506 (it is a SafeLoader)
    dvcs = YAML(typ="safe").load(f"key: {text}")["key"]
    assert (type(ours), ours) == (type(dvcs), dvcs)
