"""One index and one application for all tests of the page that change neither."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from pipeline.use.page.app import build_app
from pipeline.use.page.guard import Names, Pass
from pipeline.use.page.library import Library
from pipeline.use.page.uploads import Ear
from tests.use.page.made import open_library, write_index, write_recordings

TOKEN = "a-token-that-nobody-guesses"


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of recordings, which nobody changes."""
    folder = tmp_path_factory.mktemp("recordings")
    write_recordings(folder)
    return folder


@pytest.fixture(scope="session")
def index(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of them, which nobody changes."""
    folder = tmp_path_factory.mktemp("index")
    write_index(recordings, folder)
    return folder


@pytest.fixture(scope="session")
def library(index: Path) -> Library:
    return open_library(index)


@pytest.fixture(scope="session")
def ear(library: Library) -> Iterator[Ear]:
    with closing(Ear(library)) as opened:
        yield opened


@pytest.fixture(scope="session")
def client(library: Library, ear: Ear) -> Iterator[TestClient]:
    """Asks a page on loopback, as a script would."""
    with TestClient(build_app(library, ear, Names("127.0.0.1")), "http://127.0.0.1:8765") as opened:
        yield opened


@pytest.fixture(scope="session")
def guarded(library: Library, ear: Ear) -> Iterator[TestClient]:
    """Asks a page that wants a token."""
    app = build_app(library, ear, Names("0.0.0.0", ["clips.example"]), Pass(TOKEN, 8765))
    with TestClient(app, "http://127.0.0.1:8765") as opened:
        yield opened
