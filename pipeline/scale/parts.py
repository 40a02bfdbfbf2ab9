"""A part of stage one: its share of the keys, computed into the team's store, beside any number of other parts.

A part writes shards of its own and nothing that another writes, and lists each recipe's folder once, at its start.
What one that was killed had stored is not computed again.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa

from pipeline.audio import Unusable
from pipeline.config import Params
from pipeline.encoders import load_speech_encoder, load_text_encoder, planned_recipes
from pipeline.features import (
    FeatureStore,
    Keys,
    Mask,
    encode_clips,
    encode_sentences,
    extract,
    missing_clips,
    missing_sentences,
    needed_team_root,
    packed_column,
    sentence_keys,
    shared_folder,
    values,
)
from pipeline.manifest import Manifest
from pipeline.recipe import Recipe
from pipeline.support import Part, check_writable, choose_device, device_name


@dataclass(frozen=True)
class Planned:
    """What a part has to do."""

    root: Path
    """The team's store."""
    speech: FeatureStore
    text: FeatureStore
    clips: pa.Table
    """That the store lacks: id, path, sha256, duration."""
    sentences: pa.Array
    """That the store lacks."""
    shares: tuple[int, int]
    """How many clips and sentences are the part's, there or not."""


def plan_part(params: Params, part: Part, manifest: Manifest, sentences: pa.Array) -> Planned:
    """Look up what the team's store lacks of a part's clips and sentences.

    Raises ValueError where no team's store is named, and OSError where it cannot be read or written: what a part
    computes has no other place.
    """
    root = needed_team_root(params.runtime.store, "--part")
    speech, text = (_shared_store(root, recipe) for recipe in _recipes(params))
    shares = packed_column(manifest.table.column("sha256").unique()), sentence_keys(values(sentences))
    return Planned(
        root,
        speech,
        text,
        missing_clips(manifest, partial(_lacks, speech, part)),
        missing_sentences(sentences, partial(_lacks, text, part)),
        (int(part.holds(shares[0]).sum()), int(part.holds(shares[1]).sum())),
    )


def extract_part(params: Params, planned: Planned) -> list[Unusable]:
    """Compute it and write it to the team's store as it comes; return what failed.

    An encoder is loaded where it has something to do. Raises ValueError where the corpus is not there, and
    OSError where the store cannot be written.
    """
    speech: Generator[list[Unusable]] = (_ for _ in ())
    text: Generator[None] = (_ for _ in ())
    planned.speech.device = planned.text.device = device_name(choose_device(params.runtime.device))
    if len(planned.clips):
        encoder, folder = load_speech_encoder(params), params.prepare.folder
        speech = encode_clips(planned.clips, folder, encoder, planned.speech, workers=params.runtime.threads)
    if len(planned.sentences):
        text = encode_sentences(planned.sentences, load_text_encoder(params), planned.text)
    return extract(speech, text)


def _recipes(params: Params) -> tuple[Recipe, Recipe]:
    """That of speech and that of text; an encoder is loaded for it where it is not on this machine."""
    try:
        return planned_recipes(params.extract)
    except RuntimeError:
        return load_speech_encoder(params).recipe, load_text_encoder(params).recipe


def _shared_store(root: Path, recipe: Recipe) -> FeatureStore:
    """The team's folder of a recipe, to be written. Raises OSError where it cannot be."""
    folder = shared_folder(root, recipe).root
    check_writable(folder)
    return FeatureStore(folder, recipe, shared=True)


def _lacks(store: FeatureStore, part: Part, keys: Keys) -> Mask:
    """For each key whether it is the part's and the store lacks it, by one look at the folder, (N,)."""
    lacking = part.holds(keys)
    lacking[lacking] = store.index().find(keys[lacking]) < 0
    return lacking
