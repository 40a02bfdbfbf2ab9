"""Speech-text pairs from the cache: what stage two learns from and is measured with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.config import Extract
from pipeline.feature_store import SPEECH_FEATURES, TEXT_FEATURES, Features, FeatureStore, sentence_key
from pipeline.manifest import Manifest


@dataclass(frozen=True)
class Pairs:
    """N clips and a caption of each, as features, with the clips' labels."""

    ids: list[str]
    speech: Features
    """(N, F)"""
    text: Features
    """(N, F)"""
    labels: npt.NDArray[np.float64]
    """(N, 2) valence and arousal on 1..7."""
    emotions: list[str | None]

    def __len__(self) -> int:
        return len(self.ids)


def open_stores(settings: Extract) -> tuple[FeatureStore, FeatureStore]:
    """The cached speech and text features, which must be those that the params ask for.

    Raises RuntimeError where there are none, or where they were extracted with other settings.
    """
    speech, text = FeatureStore.open(SPEECH_FEATURES), FeatureStore.open(TEXT_FEATURES)
    wanted: list[tuple[FeatureStore, str, object, object]] = [
        (speech, "speech.pooling", settings.speech.pooling, speech.recipe.pooling),
        (speech, "speech.padding", settings.speech.padding, speech.recipe.padding),
        (speech, "speech.crop_seconds", settings.speech.crop_seconds, speech.recipe.max_length),
        (text, "text.max_tokens", settings.text.max_tokens, text.recipe.max_length),
    ]
    for store, model in ((speech, settings.speech.model), (text, settings.text.model)):
        found_model = store.recipe.model
        same = model if Path(model).name == found_model else found_model
        wanted.append((store, f"{store.recipe.modality}.model", model, same))
        wanted.append((store, "compute_dtype", settings.compute_dtype, store.recipe.compute_dtype))
    for store, key, asked, found in wanted:
        if asked != found:
            raise RuntimeError(
                f"the features in {store.root} must be what params.yaml asks for, extract.{key} {asked!r}, "
                f"found {found!r}: run `erclap extract`"
            )
    return speech, text


def gather_pairs(
    manifest: Manifest, captions: Mapping[str, str], speech: FeatureStore, text: FeatureStore
) -> Pairs:
    """Pair every utterance of the manifest with its caption.

    Raises RuntimeError where a caption or a feature is missing.
    """
    ids = manifest.strings("id")
    uncaptioned = [name for name in ids if name not in captions]
    if uncaptioned:
        raise RuntimeError(
            f"every utterance must have a caption, found none for {len(uncaptioned)} of {len(ids)} "
            f"(the first: {uncaptioned[0]}): run `erclap caption`"
        )
    return Pairs(
        ids=ids,
        speech=speech.gather(manifest.strings("sha256")),
        text=text.gather([sentence_key(captions[name]) for name in ids]),
        labels=manifest.labels(),
        emotions=list(manifest.strings("emotion")),
    )
