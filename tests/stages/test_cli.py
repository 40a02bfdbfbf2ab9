"""The command line itself: what is mistyped, and where it is run."""

from __future__ import annotations

import click
import pytest

from pipeline.config import load_params
from stages.cli import Commands, main
from tests.imports import ROOT
from tests.stages.test_commands import change_params, erclap, fails


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["trian"], "there is no command 'trian': did you mean 'train'?"),
        (["evluate"], "did you mean 'evaluate'?"),
        (["cache", "stat"], "there is no command 'stat': did you mean 'status'?"),
        (["xyz"], "there is no command 'xyz': it is one of init"),
    ],
)
def test_a_mistyped_command_is_answered_by_the_nearest(tmp_path, typed, meant):
    answer = erclap(tmp_path, *typed)
    assert answer.returncode == 2
    assert meant in answer.stderr
    assert f"Usage: erclap{' cache' if typed[0] == 'cache' else ''} [OPTIONS]" in answer.stderr


def test_evaluate_is_eval(tmp_path):
    assert erclap(tmp_path, "evaluate", "--help").stdout == erclap(tmp_path, "eval", "--help").stdout


@pytest.mark.parametrize(
    "command", [["tables"], ["report"], ["cache", "gc"], ["cache", "status"], ["inspect"]]
)
def test_outside_a_project_it_is_said(tmp_path, command):
    fails(tmp_path, *command, code=2, message="there must be a params.yaml in the folder that erclap runs in")


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cpu:0", "CUDA"])
def test_a_device_that_is_none_is_found_out_by_every_command(tmp_path, device):
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    change_params(tmp_path, runtime__device=device)
    with pytest.raises(ValueError, match=f"runtime.device: .* found '{device}'"):
        load_params(tmp_path / "params.yaml")
    fails(tmp_path, "caption", code=2, message="runtime.device")


def test_verbose_shows_what_is_behind_an_error(tmp_path):
    answer = erclap(tmp_path, "-v", "tables")
    assert answer.returncode == 2
    assert answer.stderr.startswith("Traceback")
    assert "\nerror: there must be a params.yaml" in answer.stderr


def test_quiet_tells_no_progress_and_what_was_done(project):
    change_params(project, train__epochs=1, train__methods=["emotionrankclap"])
    told, quiet = (erclap(project, *options, "train") for options in ([], ["-q"]))
    assert "epoch 1/1" in told.stdout
    assert "epoch 1/1" not in quiet.stdout
    assert "kept epoch 1" in quiet.stdout


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (["-q", "extract"], "Aborted: what was stored stays, and the same command goes on from there."),
        (["train"], "Aborted!"),
    ],
)
def test_a_command_that_is_stopped_says_what_stays_and_ends_with_1(typed, told, monkeypatch, capsys):
    def stopped() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Commands, "get_command", lambda *_: click.Command(typed[-1], callback=stopped))
    monkeypatch.setenv("ERCLAP_QUIET", "")
    with pytest.raises(SystemExit) as ended:
        main(typed)
    assert ended.value.code == 1
    assert capsys.readouterr().err == f"\n{told}\n"
