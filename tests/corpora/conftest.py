"""What tests of the look at every clip share."""

from __future__ import annotations

import os
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


LONG_AGO = 1_000_000_000


@pytest.fixture
def old_root(tmp_path: Path, write_audio: Callable[..., Path]) -> Path:
    """Twenty clips written long ago, the last of which is no audio."""
    root = tmp_path / "corpus"
    files = [write_audio(root / f"{i:02d}.wav", 0.1, seed=i) for i in range(19)]
    (root / "19.wav").write_text("no audio")
    for file in [*files, root / "19.wav"]:
        os.utime(file, (LONG_AGO, LONG_AGO))
    return root
