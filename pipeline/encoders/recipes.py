"""What identifies the features of each encoder, told from its settings and its checkpoint, without torch."""

from __future__ import annotations

from pipeline.encoders.local import Found
from pipeline.recipe import Recipe


def speech_recipe(
    checkpoint: Found,
    hidden_size: int,
    *,
    pooling: str,
    padding: str,
    crop_seconds: float,
    compute_dtype: str,
) -> Recipe:
    """The recipe of clips whose frames, `hidden_size` wide, are pooled to one vector."""
    return Recipe(
        modality="speech",
        model=checkpoint.model,
        revision=checkpoint.revision,
        feature_size=hidden_size * (2 if pooling == "attentive-stats" else 1),
        pooling=pooling,
        padding=padding,
        max_length=float(crop_seconds),
        compute_dtype=compute_dtype,
    )


def text_recipe(
    checkpoint: Found, hidden_size: int, *, max_tokens: int, compute_dtype: str, tokens: str
) -> Recipe:
    """The recipe of sentences whose first token, `hidden_size` wide, stands for them.

    `tokens` is what `tokens_digest` says of the tokenizer.
    """
    return Recipe(
        modality="text",
        model=checkpoint.model,
        revision=checkpoint.revision,
        feature_size=hidden_size,
        pooling="first-token",
        padding="masked",
        max_length=max_tokens,
        compute_dtype=compute_dtype,
        tokens=tokens,
    )
