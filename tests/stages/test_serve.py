"""`erclap serve`: what it says when it begins, and the one line that it says when it cannot."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import closing

import click
import pytest

import pipeline.use
import stages.serve
from pipeline.use import Server
from stages.cli import main
from tests.use.page.made import FakeModel, write_index, write_recordings


def serve(*options: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["serve", *options])
    return int(ended.value.code or 0)


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ("ERCLAP_MODEL", "ERCLAP_INDEX", "ERCLAP_TOKEN"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def _model(monkeypatch):
    monkeypatch.setattr(stages.serve, "open_model", lambda name: FakeModel())


@pytest.mark.usefixtures("_model")
def test_it_says_what_it_serves_and_where_and_ends_well(monkeypatch, tmp_path, capsys):
    write_recordings(tmp_path / "recordings")
    write_index(tmp_path / "recordings", tmp_path / "results/index")
    opened = []

    def launch(address: str) -> int:
        opened.append(address)
        os.kill(os.getpid(), signal.SIGINT)
        return 0

    monkeypatch.setattr(click, "launch", launch)
    monkeypatch.setenv("ERCLAP_TOKEN", "a-token-of-my-very-own")
    assert serve("--port", "0", "--open") == 0
    said, complained = capsys.readouterr()
    assert said == f"8 recordings in 10 windows at {opened[0]} (Ctrl-C ends it)\n"
    assert "my-very-own" not in said + complained
    assert "ERCLAP_TOKEN" not in os.environ


def test_without_a_model_it_says_what_to_run(capsys):
    assert serve("--port", "0") == 2
    assert "run `erclap export`" in capsys.readouterr().err


@pytest.mark.usefixtures("_model")
def test_without_an_index_it_says_what_to_run(capsys):
    assert serve("--port", "0") == 1
    said = capsys.readouterr().err
    assert "results/index/index.json is not there: run `erclap index DIR`" in said
    assert said.count("\n") == 1


def test_a_port_in_use_and_a_poor_token_are_one_line(capsys):
    with closing(Server("127.0.0.1", 0)) as other:
        assert serve("--port", str(other.port)) == 1
    assert "give another with --port" in capsys.readouterr().err
    assert serve("--port", "0", "--token", "short") == 2
    assert "a token must have at least 16 characters" in capsys.readouterr().err


def test_without_its_packages_it_says_which_and_how_to_install_them(monkeypatch, capsys):
    for name in [name for name in sys.modules if name.startswith("pipeline.use.page.")]:
        within, _, last = name.rpartition(".")
        monkeypatch.setattr(sys.modules[within], last, sys.modules[name])  # put back with the module
        monkeypatch.delitem(sys.modules, name)
    for name in ("Library", "Server"):  # which are kept where they were first asked for
        monkeypatch.delitem(vars(pipeline.use), name, raising=False)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert serve("--port", "0") == 2
    said = capsys.readouterr().err
    assert (
        "needs the package uvicorn, which is not installed: in the clone, pip install -e '.[serve]'" in said
    )
