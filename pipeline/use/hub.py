"""Models on a hub: fetched into its cache, and put there."""

from __future__ import annotations

from pathlib import Path

from pipeline.encoders import Access


def fetch_model(name: str, revision: str | None, access: Access) -> Path:
    """The folder of a model in the hub's cache, fetched where it is not whole there."""
    raise ValueError(f"a model must be a folder, found none at {name}")
