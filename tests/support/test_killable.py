"""Calls in processes of their own, wherever temporary files lie."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pipeline.support.killable import LONGEST_FOLDER
from tests.imports import ROOT

PROGRAM = """
import os, tempfile
from pipeline.support import Killable
if __name__ == "__main__":
    with Killable(os.path.basename, 60.0) as called:
        print(len(tempfile.gettempdir()), called("/a/b"))
"""


@pytest.mark.parametrize("length", [LONGEST_FOLDER, LONGEST_FOLDER + 1, 200])
def test_a_folder_of_any_length_will_do(tmp_path, length):
    script = tmp_path / "call.py"
    script.write_text(PROGRAM)
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        folder = Path(short) / ("x" * (length - len(short) - 1))
        folder.mkdir()
        answer = subprocess.run(
            [sys.executable, script],
            env=os.environ | {"TMPDIR": str(folder), "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert (answer.stdout, answer.stderr) == (f"{length} b\n", "")
