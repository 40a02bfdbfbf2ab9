"""The first real run: `erclap init paper`, and all stages, with a hub that has what the real one has."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests import quick_yaml
from tests.encoders.hubs import REFERENCE, REFERENCE_COMMIT, SPEECH_COMMIT, TEXT, TEXT_COMMIT
from tests.imports import ROOT
from tests.stages.test_commands import change_params, erclap

SPLITS = {"Train": 24, "Development": 8, "Test1": 16}


@pytest.fixture(scope="module")
def release(tmp_path_factory) -> Path:
    """A corpus laid out as MSP-Podcast is, one of whose clips is longer than ten seconds."""
    import soundfile

    root = tmp_path_factory.mktemp("corpus") / "MSP-PODCAST-Publish-1.12"
    (root / "Audios").mkdir(parents=True)
    (root / "Labels").mkdir()
    rng = np.random.default_rng(0)
    rows = []
    for split, count in SPLITS.items():
        for i in range(count):
            name = f"MSP-PODCAST_{len(rows):04}_0001.wav"
            seconds = 10.5 if not rows else 0.3
            soundfile.write(
                root / "Audios" / name, 0.1 * rng.standard_normal(round(16_000 * seconds)), 16_000
            )
            valence, arousal = np.round(rng.uniform(1, 7, 2), 2)
            row = {"FileName": name, "EmoClass": "AHNS"[i % 4], "EmoAct": arousal, "EmoVal": valence}
            rows.append(row | {"EmoDom": 4.0, "SpkrID": i, "Gender": "Male", "Split_Set": split})
    with (root / "Labels/labels_consensus.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return root


@pytest.mark.usefixtures("converting_in_a_fork")
@pytest.mark.parametrize("gone", [False, True], ids=["as published", "without the pull request"])
def test_from_nothing_to_tables(hub, release, tmp_path, gone):
    project = tmp_path / "run"
    project.mkdir()
    shutil.copy(ROOT / "params.yaml", project)
    assert erclap(project, "init", "paper", "--no-check", "--root", str(release), "--force").returncode == 0
    params = quick_yaml.load((project / "params.yaml").read_text())
    assert params["extract"]["speech"]["revision"] == SPEECH_COMMIT
    assert params["extract"]["text"]["revision"] == [REFERENCE_COMMIT, TEXT_COMMIT]
    # All is as the profile has it, but for what takes its time, and ParaCLAP's, whose clips must be spoken.
    methods = [name for name in params["train"]["methods"] if name != "paraclap"]
    change_params(
        project,
        train__methods=methods,
        train__epochs=1,
        train__batch_size=8,
        evaluate__trials=2,
        evaluate__pairs=8,
        evaluate__resamples=20,
        caption__prompt_lists=15,
    )
    if gone:
        del hub.models[TEXT][REFERENCE], hub.models[TEXT][REFERENCE_COMMIT]
    said = {}
    for command in ("prepare", "caption", "extract", "train", "eval"):
        answer = erclap(project, command, HF_HUB_OFFLINE="0")
        assert answer.returncode == 0, answer.stderr
        said[command] = answer.stdout + answer.stderr
    assert "1 of 48 clips last longer than 10 s: no more is heard\n" in said["extract"]
    assert (project / "results/tables/table2.md").is_file()

    recipe = json.loads((project / "cache/features/text/recipe.json").read_text())["recipe"]
    assert recipe["revision"] == (TEXT_COMMIT if gone else REFERENCE_COMMIT)
    weights = ["model.safetensors", "pytorch_model.bin"] if gone else ["model.safetensors"] * 2
    small = ["config.json", "config.json", "tokenizer.json", "tokenizer_config.json"]
    assert sorted(hub.fetched) == sorted(small + weights)
    assert ("converted once to cache/converted/" in said["extract"]) == gone

    again = erclap(project, "extract", HF_HUB_OFFLINE="0")
    assert again.returncode == 0, again.stderr
    assert "removed" not in again.stdout
    assert "converted" not in again.stderr
    assert len(hub.fetched) == 6


def test_what_is_cut_is_counted_and_said_and_else_nothing(hub, release, tmp_path):
    project = tmp_path / "run"
    project.mkdir()
    shutil.copy(ROOT / "params.yaml", project)
    assert erclap(project, "init", "paper", "--no-check", "--root", str(release), "--force").returncode == 0
    change_params(project, train__methods=["clap-sce"], caption__prompt_lists=2)
    for command in ("prepare", "caption"):
        assert erclap(project, command).returncode == 0
    change_params(project, extract__text__max_tokens=40)
    answer = erclap(project, "extract", HF_HUB_OFFLINE="0")
    assert answer.returncode == 0, answer.stderr
    clips, sentences = answer.stdout.splitlines()[:2]
    assert clips == "1 of 48 clips last longer than 10 s: no more is heard"
    assert sentences.endswith("sentences have more than 40 tokens: no more is read")
    change_params(project, extract__text__max_tokens=512, extract__speech__crop_seconds=11.0)
    answer = erclap(project, "extract", HF_HUB_OFFLINE="0")
    assert " of " not in answer.stdout.replace("rows of", "")
