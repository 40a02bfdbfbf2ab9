"""The parameters of a request, which models that reason name otherwise or do not take."""

from __future__ import annotations

import re
from typing import Any

from pipeline.config import LlmCaptions

ROOM_TO_REASON = 8000
"""Tokens that a model that reasons may think before its answer. It is a limit: only what is used is paid."""

REASONING_MODELS = re.compile(r"(?:^|/)(?:o[1-9]|gpt-5)(?![a-z0-9])", re.IGNORECASE)

SWAPPED = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
"""A parameter that a server does not know → the one that it may know instead."""


def is_reasoning(model: str) -> bool:
    """Whether the name is of a family of OpenAI's that reasons.

    >>> [is_reasoning(name) for name in ("o1", "o3-mini", "openai/o1", "gpt-5-mini", "gpt-4o", "llama-3")]
    [True, True, True, True, False, False]
    """
    return bool(REASONING_MODELS.search(model))


def first_parameters(settings: LlmCaptions) -> dict[str, Any]:
    """What is sent beside the prompt, by the model's name."""
    if is_reasoning(settings.model):
        return {"max_completion_tokens": settings.max_tokens + ROOM_TO_REASON}
    parameters: dict[str, Any] = {"max_tokens": settings.max_tokens}
    if settings.temperature is not None:
        parameters["temperature"] = settings.temperature
    return parameters


def without_unsupported(parameters: dict[str, Any], complaint: str) -> dict[str, Any] | None:
    """What to send after a server refused a parameter; None where its complaint names none of them."""
    places = {name: re.search(rf"\b{name}\b", complaint) for name in parameters}
    named = {name: place.start() for name, place in places.items() if place}
    if not named:
        return None
    name = min(named, key=lambda name: named[name])  # what is named later is often what to use instead
    kept = {other: value for other, value in parameters.items() if other != name}
    if name in SWAPPED:
        # A model that is not known by name to reason and yet wants this may reason.
        extra = ROOM_TO_REASON if name == "max_tokens" else 0
        kept[SWAPPED[name]] = parameters[name] + extra
    return kept
