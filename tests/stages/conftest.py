"""What tests share that have DVC run the pipeline."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.stages.warm import warm_commands


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """From here on `erclap` is run by a process that has torch and the like loaded."""
    with warm_commands(tmp_path_factory.mktemp("warm")) as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("WARM_COMMANDS", str(folder))
        yield
