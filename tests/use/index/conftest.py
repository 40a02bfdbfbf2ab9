"""A small folder of recordings, and a place for its index."""

from pathlib import Path

import pytest

from tests.use.index.fake import make_corpus


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return make_corpus(tmp_path / "recordings")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "index"
