"""A checkout of the project for a test to work in: what DVC's stages need, and no environment."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.imports import ROOT


def copy_checkout(project: Path) -> Path:
    """The code, both dvc.yaml and what is committed of DVC's folders, without params.yaml."""
    for name in ("pipeline", "stages", "data/others"):
        shutil.copytree(ROOT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", "data/dvc.yaml", ".dvcignore", ".gitignore"):
        shutil.copy(ROOT / name, project / name)
    (project / ".dvc").mkdir()
    for name in ("config", ".gitignore"):
        shutil.copy(ROOT / ".dvc" / name, project / ".dvc")
    return project
