"""extract: the two frozen encoders, and in which precision they compute."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pipeline.config.section import Count, Section

Dtype = Literal["float32", "bfloat16", "float16"]


Revisions = str | Annotated[list[str], Field(min_length=1)] | None
"""Of a hub model: one, several in order that hold the same weights, or none for the newest."""


class SpeechSettings(Section):
    """The frozen speech encoder."""

    model: str
    revision: Revisions
    pooling: Literal["attentive-mean", "attentive-std", "attentive-stats", "regressor-hidden"]
    padding: Literal["masked", "literal"]
    crop_seconds: Annotated[float, Field(ge=0.025, le=120)]


class TextSettings(Section):
    """The frozen text encoder."""

    model: str
    revision: Revisions
    max_tokens: Count


class Extract(Section):
    """Stage extract: clips and sentences to features."""

    compute_dtype: Dtype
    speech: SpeechSettings
    text: TextSettings
