"""What tests of commands share: a project through all stages, and commands that start at once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stages.warm import warm_commands


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """From here on `erclap` is run by a process that has torch and the like loaded."""
    with warm_commands(tmp_path_factory.mktemp("warm")) as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("WARM_COMMANDS", str(folder))
        yield


@pytest.fixture(scope="session")
def prepared(tmp_path_factory, speech_checkpoint, text_checkpoint) -> Path:
    """A project with a corpus of its own, through all stages. Nobody changes it."""
    from tests.stages.test_commands import make_prepared

    return make_prepared(tmp_path_factory, speech_checkpoint, text_checkpoint)


@pytest.fixture
def project(prepared, tmp_path) -> Path:
    """A copy of that project to break."""
    return shutil.copytree(prepared, tmp_path / "project")
