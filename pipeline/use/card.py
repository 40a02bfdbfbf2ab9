"""The card of a model: what it is, what it was trained on, what was measured, and its limits."""

from __future__ import annotations

from pathlib import Path

from pipeline.use.folder import Model


def write_card(model: Model, folder: Path) -> None:
    """Write README.md where there is none."""
