"""The recipes that `erclap extract` would use, told without loading an encoder, or torch.

Nothing is fetched: a hub model must have been fetched once.
"""

from __future__ import annotations

from pipeline.config import Extract
from pipeline.encoders.hub import Revision, in_cache
from pipeline.encoders.local import Found, find_here
from pipeline.encoders.recipes import speech_recipe, text_recipe
from pipeline.encoders.tokens import load_tokenizer, tokens_digest
from pipeline.recipe import Recipe


def planned_recipes(settings: Extract) -> tuple[Recipe, Recipe]:
    """The speech and the text recipe. Raises RuntimeError where a checkpoint is not on this machine."""
    speech, text = settings.speech, settings.text
    found, size = _checkpoint(speech.model, speech.revision)
    of_speech = speech_recipe(
        found,
        size,
        pooling=speech.pooling,
        padding=speech.padding,
        crop_seconds=speech.crop_seconds,
        compute_dtype=settings.compute_dtype,
    )
    found, size = _checkpoint(text.model, text.revision)
    of_text = text_recipe(
        found,
        size,
        max_tokens=text.max_tokens,
        compute_dtype=settings.compute_dtype,
        tokens=tokens_digest(found.folder, load_tokenizer(found.folder, text.max_tokens)),
    )
    return of_speech, of_text


def _checkpoint(model: str, revision: Revision) -> tuple[Found, int]:
    """A checkpoint, and how wide its config.json says that it is."""
    found = find_here(model) or in_cache(model, revision)
    if found is None:
        raise RuntimeError(
            f"model {model!r} must be a folder, or a hub model that was fetched once, found neither: "
            f"`erclap extract` fetches it"
        )
    try:
        return found, int(found.config["hidden_size"])
    except (ValueError, KeyError, TypeError) as error:
        raise RuntimeError(f"{found.folder} must have a config.json with hidden_size ({error!r})") from error
