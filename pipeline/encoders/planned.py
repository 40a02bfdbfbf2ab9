"""The recipes that `erclap extract` would use, told without loading an encoder, or torch.

It follows what pipeline/encoders says of itself; a test compares both. Nothing is fetched: a hub model must have
been fetched once.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pipeline.config import Extract
from pipeline.encoders.local import find_here
from pipeline.recipe import Recipe


def planned_recipes(settings: Extract) -> tuple[Recipe, Recipe]:
    """The speech and the text recipe. Raises RuntimeError where a checkpoint is not on this machine."""
    speech, text = settings.speech, settings.text
    model, revision, config = _checkpoint(speech.model, speech.revision)
    speech_recipe = Recipe(
        modality="speech",
        model=model,
        revision=revision,
        feature_size=config["hidden_size"] * (2 if speech.pooling == "attentive-stats" else 1),
        pooling=speech.pooling,
        padding=speech.padding,
        max_length=speech.crop_seconds,
        compute_dtype=settings.compute_dtype,
    )
    model, revision, config = _checkpoint(text.model, text.revision)
    text_recipe = Recipe(
        modality="text",
        model=model,
        revision=revision,
        feature_size=config["hidden_size"],
        pooling="first-token",
        padding="masked",
        max_length=text.max_tokens,
        compute_dtype=settings.compute_dtype,
    )
    return speech_recipe, text_recipe


def _checkpoint(model: str, revision: str | None) -> tuple[str, str, dict[str, Any]]:
    """A checkpoint's name, its revision, and what its config.json says."""
    if here := find_here(model):
        name, folder, found = here
    else:
        folder = _fetched(model, revision)
        name, found = model, folder.name  # the hub's cache names a snapshot's folder by its commit
    try:
        config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        config["hidden_size"] = int(config["hidden_size"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RuntimeError(f"{folder} must have a config.json with hidden_size ({error!r})") from error
    return name, found, config


def _fetched(model: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        return Path(snapshot_download(model, revision=revision, local_files_only=True))
    except (OSError, HFValidationError) as error:
        raise RuntimeError(
            f"model {model!r} must be a folder, or a hub model that was fetched once, found neither: "
            f"`erclap extract` fetches it"
        ) from error
