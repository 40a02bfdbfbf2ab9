"""From the cache to pairs: stage two's only way to features, which loads no encoder and opens no audio."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pipeline.config import Extract
from pipeline.feature_store import SPEECH_FEATURES, TEXT_FEATURES, FeatureStore, sentence_key
from pipeline.manifest import Manifest
from pipeline.pairs import Pairs


def asked_for(settings: Extract) -> tuple[dict[str, object], dict[str, object]]:
    """What the params say about the speech and the text features, as the stores keep it.

    A local folder is kept by its name alone: what it holds is in the recipe.
    """
    both = []
    for section in (settings.speech, settings.text):
        asked = section.model_dump() | {"compute_dtype": settings.compute_dtype}
        if Path(section.model).is_dir():
            asked["model"] = Path(section.model).resolve().name
        both.append(asked)
    return both[0], both[1]


def open_stores(settings: Extract) -> tuple[FeatureStore, FeatureStore]:
    """The cached speech and text features, which must be those that the params ask for.

    Raises RuntimeError where there are none, or where they were extracted with other settings.
    """
    stores = FeatureStore.open(SPEECH_FEATURES), FeatureStore.open(TEXT_FEATURES)
    for store, asked in zip(stores, asked_for(settings), strict=True):
        for key in sorted(asked.keys() | store.asked.keys()):
            if asked.get(key) != store.asked.get(key):
                place = key if key == "compute_dtype" else f"{store.recipe.modality}.{key}"
                raise RuntimeError(
                    f"the features in {store.root} must be what params.yaml asks for, extract.{place} "
                    f"{asked.get(key)!r}, found {store.asked.get(key)!r}: run `erclap extract`"
                )
    return stores


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
