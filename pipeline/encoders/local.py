"""Checkpoints that are on this machine already, and what identifies them, told without loading any."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from pipeline.encoders.contents import CONFIG, format_of
from pipeline.support import read_json_object

BUILTIN = {"builtin:sample-speech": "speech", "builtin:sample-text": "text"}
"""Names of the checkpoints that come with the package: those of the sample profile."""


@dataclass(frozen=True)
class Found:
    """A folder with config.json, and what identifies its contents."""

    model: str
    """Its builtin or hub name, or a local folder's own name without its path."""
    folder: Path
    revision: str
    """The hub's commit, or for a local folder `sha256:` and a hash of its files that decide the features."""

    @property
    def config(self) -> dict[str, Any]:
        """What config.json says. Raises RuntimeError where it is absent or not a JSON object."""
        path = self.folder / CONFIG
        if not path.exists():
            raise RuntimeError(f"a checkpoint must have a config.json, none in {self.folder}")
        return read_json_object(path)


def find_here(model: str) -> Found | None:
    """The checkpoint of a builtin name or of a local folder; None for any other name, such as a hub's."""
    if model in BUILTIN:
        folder = Path(str(resources.files("pipeline.sample"))) / BUILTIN[model]
        return Found(model, folder, _folder_hash(folder))
    folder = Path(model)
    return Found(folder.resolve().name, folder, _folder_hash(folder)) if folder.is_dir() else None


def _folder_hash(folder: Path) -> str:
    """`sha256:` and one hash over the files that decide the features: weights, configuration, tokenizer.

    Pickled weights are among them where nothing else is loaded.
    """
    digest = hashlib.sha256()
    names = [path.name for path in folder.iterdir()]
    found = format_of(names)
    suffixes = {".json", ".safetensors", ".txt"} | ({".bin"} if found and found.pickled else set())
    files = sorted(p for p in folder.iterdir() if p.suffix in suffixes)
    for file in files:
        if not file.is_file():  # a pipe would be waited for
            raise RuntimeError(f"{file} must be a regular file, found something else")
        with file.open("rb") as opened:
            digest.update(f"{file.name}:{hashlib.file_digest(opened, 'sha256').hexdigest()}\n".encode())
    return f"sha256:{digest.hexdigest()}"
