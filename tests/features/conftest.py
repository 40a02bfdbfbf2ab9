"""A disk that is soon full."""

from __future__ import annotations

import subprocess

import pytest

from tests.features.samples import tmpfs


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    if not tmpfs(folder):
        pytest.skip("needs the right to mount")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)
