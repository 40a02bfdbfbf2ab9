"""A hub on loopback, with both published repositories, in this process, and pickled weights converted in it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
from safetensors.torch import save_file

from pipeline.encoders import conversion
from pipeline.encoders.unpickling import RefusedError, all_tensors
from tests.encoders.hubs import Hub, published
from tests.stages.conftest import warm
from tests.stages.warm import Running

__all__ = ["warm"]  # a fixture


@pytest.fixture(scope="session")
def repositories(speech_checkpoint, text_checkpoint, tmp_path_factory) -> dict:
    return published(speech_checkpoint, text_checkpoint, tmp_path_factory.mktemp("repositories"))


@pytest.fixture
def converting_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pickled weights are converted in this process, as one of their own would: it imports torch for it."""

    def unpickle(sources: Sequence[Path], target: Path) -> str:
        try:
            save_file(all_tensors(list(sources)), target, metadata={"format": "pt"})
        except RefusedError as error:
            return str(error)
        return ""

    monkeypatch.setattr(conversion, "_unpickle", unpickle)


@pytest.fixture
def converting_in_a_fork(warm: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pickled weights are converted in a process of their own that has torch loaded."""

    def run(
        command: list[str], *, env: dict[str, str], timeout: float, **_: Any
    ) -> subprocess.CompletedProcess:
        *interpreter, module, target, source = command
        assert [*interpreter, module] == [sys.executable, "-P", "-m", "pipeline.encoders.unpickling"]
        program = f"from {module} import main; raise SystemExit(main())"
        process = Running(Path.cwd(), program, target, source, env=env, program="-c")
        said = process.communicate(timeout)[1]
        assert process.returncode is not None
        return subprocess.CompletedProcess(command, process.returncode, stderr=said.encode())

    monkeypatch.setattr(conversion, "subprocess", SimpleNamespace(**vars(subprocess) | {"run": run}))


@pytest.fixture
def hub(repositories, tmp_path, monkeypatch) -> Iterator[Hub]:
    """It serves this process, whose cache is empty and whose folder is a project's."""
    served = Hub({name: dict(revisions) for name, revisions in repositories.items()})
    use(served, tmp_path / "home", monkeypatch)
    project = tmp_path / "project"
    project.mkdir()
    (project / "params.yaml").touch()
    monkeypatch.chdir(project)
    yield served
    served.close()


def use(hub: Hub, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the environment says, which huggingface_hub reads once, when it is imported."""
    for name, value in {
        "ENDPOINT": hub.url,
        "HUGGINGFACE_CO_URL_TEMPLATE": hub.url + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_CACHE": str(home / "hub"),
        "HF_HUB_OFFLINE": False,
    }.items():
        monkeypatch.setattr(huggingface_hub.constants, name, value)
    for name in ("HF_HUB_DOWNLOAD_TIMEOUT", "HF_HUB_ETAG_TIMEOUT", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_TOKEN_PATH", str(home / "token"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    huggingface_hub.close_session()
