"""The frozen encoders: found, loaded, and run on a few clips and sentences."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from pipeline.audio import SAMPLING_RATE, Waveform, inside, read_waveform
from pipeline.captions import describe
from pipeline.config import Params
from pipeline.encoders import (
    SpeechEncoder,
    TextEncoder,
    checkpoint_state,
    load_speech_encoder,
    load_text_encoder,
)
from pipeline.support import choose_device, device_name, slow_dtype, torch_dtype
from stages.check.corpus import Seen
from stages.check.findings import Finding, State

TRIED = 3
"""Clips that are encoded."""

SECONDS_TO_ASK_THE_HUB = 10.0

STATES: dict[str, State] = {"here": "ok", "hub": "warn", "nowhere": "fail"}


@dataclass
class Rates:
    """What the encoders were measured at; None where they did not run."""

    speech: float | None = None
    """Seconds of work a second of speech."""
    text: float | None = None
    """Seconds a sentence."""
    sizes: tuple[int, int] = (1024, 768)
    """Of the features."""
    seconds_to_load: float = 0.0
    notes: list[str] = field(default_factory=list)


def check_encoders(params: Params, seen: Seen, rates: Rates) -> Iterator[Finding]:
    """Whether both checkpoints are there, whether they fit the corpus, and how fast they are."""
    here = True
    for kind, section in (("speech", params.extract.speech), ("text", params.extract.text)):
        state = checkpoint_state(section.model, section.revision, seconds=SECONDS_TO_ASK_THE_HUB)
        here = here and state.place == "here"
        yield Finding(STATES[state.place], kind, state.line)
    for foreign in params.foreign_encoders:
        yield Finding("warn", "encoders", f"{foreign} Name another one in extract")
    device = choose_device(params.runtime.device)
    dtype = params.extract.compute_dtype
    slow = slow_dtype(device, torch_dtype(dtype))
    says = f"{device_name(device)}, {dtype}" + (f": {slow}" if slow else "")
    yield Finding("warn" if slow else "ok", "device", says)
    if here:
        yield from _run(params, seen, rates)
    else:
        yield Finding(
            "warn", "run", "the encoders are not on this machine yet, so that no rate can be measured"
        )


def _run(params: Params, seen: Seen, rates: Rates) -> Iterator[Finding]:
    started = time.monotonic()
    speech, text = load_speech_encoder(params), load_text_encoder(params)
    rates.seconds_to_load = time.monotonic() - started
    rates.sizes = speech.recipe.feature_size, text.recipe.feature_size
    clips = _clips(params, seen)
    rates.speech = _timed(speech, clips) / (sum(map(len, clips)) / SAMPLING_RATE)
    rng = np.random.default_rng(0)
    sentences = [describe(valence, 4.0, rng) for valence in (2.0, 4.0, 6.0)]
    rates.text = _timed(text, sentences) / len(sentences)
    yield Finding(
        "ok",
        "run",
        f"loaded in {rates.seconds_to_load:.0f} s; {len(clips)} clips and {len(sentences)} sentences encoded: "
        f"{1 / rates.speech:.1f} s of speech and {1 / rates.text:.0f} sentences a second",
    )


def _clips(params: Params, seen: Seen) -> list[Waveform]:
    """Waveforms of a few clips that were looked at; noise where there are none."""
    if seen.clips is None or not len(seen.clips):
        rng = np.random.default_rng(0)
        return [(0.1 * rng.standard_normal(5 * SAMPLING_RATE)).astype(np.float32) for _ in range(TRIED)]
    root = params.prepare.folder
    return [
        read_waveform(inside(root, path), params.extract.speech.crop_seconds)
        for path in seen.clips.strings("path")[:TRIED]
    ]


def _timed(encoder: SpeechEncoder | TextEncoder, items: list[Waveform] | list[str]) -> float:
    """Seconds that it takes to encode them, once warm. Raises RuntimeError where a feature is not finite."""
    encoder.encode(items[:1])  # type: ignore[arg-type]
    started = time.monotonic()
    features = encoder.encode(items)  # type: ignore[arg-type]
    seconds = time.monotonic() - started
    if not np.isfinite(features).all():
        raise RuntimeError(f"features of {encoder.recipe.model} must be finite, found others")
    return max(seconds, 1e-9)
