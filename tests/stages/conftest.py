"""What tests of commands share: a project through all stages, and commands that start at once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import made_once
from tests.stages.warm import start_warm


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """From here on `erclap` is run by a process that has torch and the like loaded, one for the whole suite."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WARM_COMMANDS", str(made_once(tmp_path_factory, "warm", start_warm) / "bin"))
        yield


@pytest.fixture(scope="module")
def quick_dvc(warm: None) -> Iterator[None]:
    """From here on the library's own calls of `dvc` are answered by that process too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", os.pathsep.join([os.environ["WARM_COMMANDS"], os.environ["PATH"]]))
        yield


@pytest.fixture(scope="session")
def prepared(tmp_path_factory, speech_checkpoint, text_checkpoint) -> Path:
    """A project with a corpus of its own, through all stages. Nobody changes it."""
    from tests.stages.test_commands import make_prepared

    return made_once(
        tmp_path_factory, "prepared", lambda folder: make_prepared(folder, speech_checkpoint, text_checkpoint)
    )


@pytest.fixture
def project(prepared, tmp_path) -> Path:
    """A copy of that project to break."""
    return shutil.copytree(prepared, tmp_path / "project")
