"""A JSON object is read, or the file and what is wrong with it are named."""

from __future__ import annotations

import pytest

from pipeline.support import read_json_object


def test_an_object_is_read(tmp_path):
    (tmp_path / "a.json").write_text('{"é": [1, null]}', encoding="utf-8")
    assert read_json_object(tmp_path / "a.json") == {"é": [1, None]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"a\.json is not there: run `erclap train` first"),
        (b"{", r"a\.json must be JSON \(.+\): run `erclap train` again"),
        (b'"\xff"', r"a\.json must be JSON \(.+\): run `erclap train` again"),
        (b"[1]", r"a\.json must be a JSON object, found list: run `erclap train` again"),
    ],
)
def test_what_is_wrong_and_what_to_do_is_said(tmp_path, content, message):
    if content is not None:
        (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(RuntimeError, match=message):
        read_json_object(tmp_path / "a.json", made_by="erclap train")
    without_command = message.split(": run")[0] + "$"
    with pytest.raises(RuntimeError, match=without_command):
        read_json_object(tmp_path / "a.json")
