"""Checkpoints that are on this machine already, and what identifies them, told without loading any."""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path
from typing import NamedTuple

BUILTIN = {"builtin:sample-speech": "speech", "builtin:sample-text": "text"}
"""Names of the checkpoints that come with the package: those of the sample profile."""


class Found(NamedTuple):
    """A checkpoint's own name without any path, its folder, and a hash of the files that decide its features."""

    model: str
    folder: Path
    revision: str


def find_here(model: str) -> Found | None:
    """The checkpoint of a builtin name or of a local folder; None for any other name, such as a hub's."""
    if model in BUILTIN:
        folder = Path(str(resources.files("pipeline.sample"))) / BUILTIN[model]
        return Found(model, folder, _folder_hash(folder))
    folder = Path(model)
    return Found(folder.resolve().name, folder, _folder_hash(folder)) if folder.is_dir() else None


def _folder_hash(folder: Path) -> str:
    """`sha256:` and one hash over the files that decide the features: weights, configuration, tokenizer."""
    digest = hashlib.sha256()
    files = sorted(p for p in folder.iterdir() if p.suffix in {".json", ".safetensors", ".txt"})
    for file in files:
        with file.open("rb") as opened:
            digest.update(f"{file.name}:{hashlib.file_digest(opened, 'sha256').hexdigest()}\n".encode())
    return f"sha256:{digest.hexdigest()}"
