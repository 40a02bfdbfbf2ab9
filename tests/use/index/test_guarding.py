"""What an index leaves alone, and what it does not take for another folder's."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest

from pipeline.use import Index, build_index
from tests.use.index.fake import FakeModel, speak


def test_a_folder_that_holds_something_else_is_refused_and_keeps_all(corpus, tmp_path):
    folder = tmp_path / "archive"
    (folder / "202411260902").mkdir(parents=True)
    (folder / "202411260902/mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="must hold that alone, found 202411260902"):
        build_index(corpus, FakeModel(), folder)
    assert (folder / "202411260902/mine.txt").read_text() == "mine"
    (folder / "index.json").write_text('{"theirs": 1}')
    shutil.rmtree(folder / "202411260902")
    with pytest.raises(ValueError, match=r"must hold that alone, found index\.json"):
        build_index(corpus, FakeModel(), folder)


def test_what_came_into_an_index_later_stays(corpus, folder):
    build_index(corpus, FakeModel(), folder)
    (folder / "202411260902").mkdir()
    (folder / "202411260902/mine.txt").write_text("mine")
    for name in ("new.wav", "newer.wav"):
        speak(corpus / name, 0.3)
        build_index(corpus, FakeModel(), folder)
    assert (folder / "202411260902/mine.txt").exists()


def test_another_folder_is_refused_and_by_leave_told_apart_by_content(tmp_path, folder):
    for name, seconds in (("a", 0.4), ("b", 0.4)):
        speak(tmp_path / name / "x.wav", seconds, seed=ord(name))
        os.utime(tmp_path / name / "x.wav", (1, 1))
    build_index(tmp_path / "a", FakeModel(), folder)
    with pytest.raises(ValueError, match="an index is of one folder"):
        build_index(tmp_path / "b", FakeModel(), folder)
    build_index(tmp_path / "b", FakeModel(), folder, replace_root=True)
    build_index(tmp_path / "b", FakeModel(), tmp_path / "fresh")
    assert np.array_equal(Index.open(folder).embeddings, Index.open(tmp_path / "fresh").embeddings)


def test_a_link_to_itself_is_listed_and_the_rest_is_indexed(corpus, folder):
    (corpus / "loop.wav").symlink_to("loop.wav")
    build_index(corpus, FakeModel(), folder)
    assert "loop.wav" in (folder / "unreadable.csv").read_text()
    assert len(Index.open(folder))
