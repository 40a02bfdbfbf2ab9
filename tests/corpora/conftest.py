"""What tests of the look at every clip share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.corpora import looking


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were read, as they are read."""
    names: list[str] = []
    real: Callable[..., object] = looking.inspect_clip

    def look(file: Path, heard_seconds: float) -> object:
        names.append(file.name)
        return real(file, heard_seconds)

    monkeypatch.setattr(looking, "inspect_clip", look)
    return names
