"""The pipeline as DVC runs it, with real `dvc` commands on a small sample corpus."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checkout import copy_checkout
from tests.imports import ROOT

SMALLER = {
    "utterances: 1500": "utterances: 72",
    "prompt_lists: 100": "prompt_lists: 4",
    "[clap-template, clap4emo, paraclap, clap-sce, supconclap, ": "[paraclap, ",
    "emotionrankclap-plus, untrained]": "emotionrankclap-plus]",
    "step: 0.25": "step: 0.5",
    "draws: 4": "draws: 2",
    "epochs: 60": "epochs: 3",
    "batch_size: 64": "batch_size: 8",
    "trials: 30": "trials: 3",
    "pairs: 200": "pairs: 10",
}

INSPECT = "data/dvc.yaml:inspect"
TRAINING = [
    "train@paraclap",
    "train@emotionrankclap",
    "train@emotionrankclap-plus",
    "evaluate",
    "report",
]


def run(folder: Path, *command: str) -> str:
    """What a command prints; it must succeed."""
    places = [os.environ.get("WARM_COMMANDS", ""), str(Path(sys.executable).parent), os.environ["PATH"]]
    path = os.pathsep.join(filter(None, places))
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    # The checkout's own copy of the code is what runs in it.
    environment |= {"PATH": path, "PYTHONPATH": str(folder)}
    answer = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout + answer.stderr


def stages_run(output: str) -> list[str]:
    """The stages that ran because something had changed; inspect, which looks whether it has, runs each time."""
    ran = re.findall(r"Running stage '([^']+)'", output)
    assert INSPECT in ran
    return [name for name in ran if name != INSPECT]


def commit(folder: Path) -> None:
    run(folder, "git", "add", "--all")
    identity = ("-c", "user.name=tests", "-c", "user.email=tests@example.com")
    run(folder, "git", *identity, "commit", "-qm", "as it is")


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory, warm) -> Path:
    """A checkout of its own, run once."""
    project = copy_checkout(tmp_path_factory.mktemp("checkout"))
    shutil.copy(ROOT / "params.yaml", project)
    for old, new in SMALLER.items():
        edit(project / "params.yaml", old, new)
    run(project, "git", "init", "-q")
    (project / "first.log").write_text(run(project, "dvc", "repro"))
    commit(project)
    return project


@pytest.fixture
def project(reproduced, warm):
    """That checkout, put back as it was afterwards."""
    yield reproduced
    run(reproduced, "git", "checkout", "-q", "--force", "HEAD", ".")
    run(reproduced, "dvc", "checkout", "-q", "--force")


def test_one_command_runs_all_and_a_second_nothing(project):
    assert stages_run((project / "first.log").read_text()) == [
        "prepare",
        "caption",
        "extract",
        *TRAINING,
    ]
    again = run(project, "dvc", "repro")
    assert stages_run(again) == []
    assert again.count("didn't change, skipping") == 3 + len(TRAINING)


def test_the_installed_command_is_what_dvc_runs(project, monkeypatch):
    monkeypatch.delenv("WARM_COMMANDS")
    with (project / "pipeline/report/page/__init__.py").open("a") as file:
        file.write("# edited\n")
    assert stages_run(run(project, "dvc", "repro")) == ["report"]


def test_editing_a_loss_runs_training_and_evaluation_alone(project):
    edit(
        project / "pipeline/training/losses/rank_n_contrast.py",
        "(total.log() - centred)",
        "(total.log() - 1.5 * centred)",
    )
    assert stages_run(run(project, "dvc", "repro")) == TRAINING


def test_editing_what_changes_no_result_runs_nothing(project):
    edit(project / "params.yaml", "workers: auto", "workers: 1")
    with (project / "pipeline/support/progress.py").open("a") as file:
        file.write("# edited\n")
    assert stages_run(run(project, "dvc", "repro")) == []


def test_an_experiment_with_another_rate_retrains_and_touches_nothing_else(project):
    output = run(project, "dvc", "exp", "run", "-S", "train.learning_rate=0.0003")
    assert stages_run(output) == TRAINING
    difference = run(project, "dvc", "metrics", "diff")
    assert "emotionrankclap.aoc" in difference
    assert "results/metrics.json" in difference


def test_metrics_and_plots_are_shown(project):
    shown = run(project, "dvc", "metrics", "show")
    for name in ("emotionrankclap-plus.w1", "emotionrankclap.voc", "emotionrankclap.mmd"):
        assert name in shown
    shown = run(project, "dvc", "plots", "show")
    assert "failed" not in shown
    page = Path(shown.strip().splitlines()[-1].removeprefix("file://"))
    html = page.read_text()
    for part in (
        "curves/paraclap-seed-0.csv",
        "curves/emotionrankclap-seed-0.csv",
        "embeddings_emotionrankclap.png",
    ):
        assert part in html


def test_the_store_is_pushed_and_pulled_to_a_clone_that_has_no_audio(project, tmp_path):
    run(project, "dvc", "remote", "add", "-d", "team", str(tmp_path / "remote"))
    run(project, "dvc", "push", "-q")
    commit_before = run(project, "git", "rev-parse", "HEAD").strip()
    clone = tmp_path / "clone"
    run(tmp_path, "git", "clone", "-q", str(project), str(clone))
    assert run(clone, "git", "rev-parse", "HEAD").strip() == commit_before
    shutil.copy(project / ".dvc/config", clone / ".dvc/config")
    run(clone, "dvc", "pull", "-q")
    assert not (clone / "data/sample").exists()
    assert stages_run(run(clone, "dvc", "repro")) == []
    assert list((clone / "cache/features/speech").glob("*.h5"))
    # Other captions need none either: what was measured of the clips has come along. Only methods that learn from
    # them are trained again.
    edit(clone / "params.yaml", "features: paper", "features: original")
    edit(clone / "params.yaml", "draws: 2", "draws: 1")
    assert stages_run(run(clone, "dvc", "repro")) == [
        "caption",
        "extract",
        "train@paraclap",
        "train@emotionrankclap-plus",
        "evaluate",
        "report",
    ]
    assert not (clone / "data/sample").exists()
