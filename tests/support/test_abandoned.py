"""What a killed run left goes at the next, and what a run is at stays."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from pipeline.support.abandoned import held, remove_abandoned
from pipeline.support.files import replacing_folder


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """What a killed run left beside `tmp_path`'s `tables`: a folder with a file."""
    child = os.fork()
    if not child:
        with replacing_folder(tmp_path / "tables") as folder:
            (folder / "half.csv").write_text("a,b")
            os._exit(9)
    os.waitpid(child, 0)
    (left,) = tmp_path.iterdir()
    return left


def test_a_folder_that_a_killed_run_left_goes_at_the_next(tmp_path, killed):
    with replacing_folder(tmp_path / "tables") as folder:
        assert not killed.exists()
        (folder / "whole.csv").write_text("a,b")
    assert [path.name for path in tmp_path.rglob("*")] == ["tables", "whole.csv"]


def test_a_folder_that_a_run_is_at_stays(tmp_path):
    with replacing_folder(tmp_path / "tables") as one, replacing_folder(tmp_path / "plots") as other:
        remove_abandoned(tmp_path)
        assert one.is_dir()
        assert other.is_dir()
    assert {path.name for path in tmp_path.iterdir()} == {"tables", "plots"}


@pytest.mark.parametrize("opened", [False, True], ids=["before it is opened", "before it is held"])
def test_a_folder_that_another_run_took_for_abandoned_is_made_again(tmp_path, monkeypatch, opened):
    folder = tmp_path / ".tables.12345678.tmp"
    real, asked = os.open, []

    def late(*arguments: Any) -> int:
        asked.append(arguments)
        first = len(asked) == 1
        if first and not opened:
            folder.rmdir()
        descriptor = real(*arguments)
        if first:
            folder.rmdir()
        return descriptor

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", late)
        with held(folder):
            patch.undo()
            assert len(asked) == 2
            remove_abandoned(tmp_path)
            assert folder.is_dir()


def test_a_file_goes_after_an_hour_and_a_link_leads_nowhere(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / ".link.12345678.tmp").symlink_to(tmp_path / "kept")
    for name, age in (("young", 0), ("old", 4000)):
        file = tmp_path / f".{name}.parquet.12345678.tmp"
        file.touch()
        os.utime(file, (time.time() - age,) * 2)
    remove_abandoned(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "kept",
        ".link.12345678.tmp",
        ".young.parquet.12345678.tmp",
    }
