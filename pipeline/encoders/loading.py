"""The frozen encoders as params.yaml asks for them."""

from __future__ import annotations

from pipeline.config import Params
from pipeline.encoders.speech import SpeechEncoder
from pipeline.encoders.text import TextEncoder
from pipeline.support import choose_device, torch_dtype


def load_speech_encoder(params: Params) -> SpeechEncoder:
    """The speech encoder, fetched where it is not on this machine. Raises as `SpeechEncoder.from_pretrained`."""
    settings, runtime = params.extract, params.runtime
    return SpeechEncoder.from_pretrained(
        settings.speech.model,
        settings.speech.pooling,
        revision=settings.speech.revision,
        padding=settings.speech.padding,
        crop_seconds=settings.speech.crop_seconds,
        device=choose_device(runtime.device),
        dtype=torch_dtype(settings.compute_dtype),
        batch_seconds=runtime.batch_seconds,
        compiled=runtime.compile,
    )


def load_text_encoder(params: Params) -> TextEncoder:
    """The text encoder, fetched where it is not on this machine. Raises as `TextEncoder.from_pretrained`."""
    settings, runtime = params.extract, params.runtime
    return TextEncoder.from_pretrained(
        settings.text.model,
        revision=settings.text.revision,
        max_tokens=settings.text.max_tokens,
        device=choose_device(runtime.device),
        dtype=torch_dtype(settings.compute_dtype),
        batch_tokens=runtime.batch_tokens,
    )
