"""What tests of more than one machine share: a small project before stage one, and what a plain run gives."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from pipeline.features import SPEECH_FEATURES, TEXT_FEATURES, FeatureStore, sentence_key
from pipeline.manifest import Manifest
from pipeline.sentences import all_sentences
from tests.conftest import made_once
from tests.stages.captioned import make_captioned
from tests.stages.test_commands import erclap, make_prepared

CLIPS = 12


@dataclass
class Plain:
    """A project and its features by `erclap extract` alone."""

    folder: Path
    speech: np.ndarray
    text: np.ndarray

    def is_that_of(self, project: Path) -> bool:
        """Whether a project's features are the same, bit for bit, row for row."""
        speech, text = features(project)
        return speech.tobytes() == self.speech.tobytes() and text.tobytes() == self.text.tobytes()


def features(project: Path) -> tuple[np.ndarray, np.ndarray]:
    """Those of all clips and of all sentences."""
    with contextlib.chdir(project):
        return (
            FeatureStore.open(SPEECH_FEATURES).gather(Manifest.read().strings("sha256")),
            FeatureStore.open(TEXT_FEATURES).gather([sentence_key(text) for text in all_sentences()]),
        )


@pytest.fixture(scope="session")
def captioned(tmp_path_factory, speech_checkpoint, text_checkpoint) -> Path:
    """The project before stage one. Nobody changes it."""
    return made_once(
        tmp_path_factory,
        "captioned",
        lambda folder: make_captioned(folder, CLIPS, speech_checkpoint, text_checkpoint),
    )


@pytest.fixture(scope="session")
def plain(captioned, tmp_path_factory) -> Plain:
    folder = shutil.copytree(captioned, tmp_path_factory.mktemp("plain") / "project")
    answer = erclap(folder, "extract", ERCLAP_STORE="")
    assert answer.returncode == 0, answer.stderr
    return Plain(folder, *features(folder))


@pytest.fixture
def project(captioned, tmp_path) -> Path:
    return shutil.copytree(captioned, tmp_path / "project")


@pytest.fixture
def team(tmp_path, monkeypatch) -> Path:
    """An empty team's store, which the environment names."""
    folder = tmp_path / "team"
    folder.mkdir()
    monkeypatch.setenv("ERCLAP_STORE", str(folder))
    return folder


@pytest.fixture(scope="session")
def prepared(tmp_path_factory, speech_checkpoint, text_checkpoint) -> Path:
    """A project with a corpus of its own, through all stages. Nobody changes it."""
    return made_once(
        tmp_path_factory, "prepared", lambda folder: make_prepared(folder, speech_checkpoint, text_checkpoint)
    )


@pytest.fixture
def finished(prepared, tmp_path, monkeypatch) -> Path:
    """That project, to be changed, in which the test runs."""
    copy = shutil.copytree(prepared, tmp_path / "project")
    monkeypatch.chdir(copy)
    return copy
