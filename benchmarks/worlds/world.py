"""A world drawn by its seed: all that stage two needs of a corpus.

A part of the simulated worlds, no command.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.captions.captioning import word_prompts
from pipeline.captions.prompts import ordinality_plan
from pipeline.features import Pairs
from pipeline.manifest import DEVELOPMENT, EMOTIONS, TRAIN
from pipeline.sentences import WordedPrompt
from worlds.arrays import Doubles, Features
from worlds.kinds import KINDS, STEEPER
from worlds.labels import PUBLISHED, TEST1, listen
from worlds.maps import RandomMap
from worlds.speech import PROBE_ROWS, calibrate, latent, probe
from worlds.text import (
    WRITERS,
    Encoder,
    draw_sentences,
    encode_once,
    labels_of_classes,
    plane_labels,
    write_bank,
    write_plane,
)

MSP_ROWS = {TRAIN: 90_022, DEVELOPMENT: 25_258, TEST1: 34_963}

ENCODED_FOLDER = Path("data/simulated")
"""Where encoded sentences are kept between runs."""


@dataclass(frozen=True)
class Sizes:
    """Of a world: rows of each split, features, and lists of the ordinality test for each attribute."""

    rows: Mapping[str, int]
    speech: int = 1024
    text: int = 768
    prompt_lists: int = 100


@dataclass(frozen=True)
class Split:
    """One split of a world, and what only a simulation knows of it."""

    pairs: Pairs
    """Speech with captions by valence and arousal."""
    template_text: Features
    """(N, F), of the captions `speech has … emotion`."""
    class_text: Features
    """(N, F), of sentences drawn around the mean labels of each one's class in the train split."""
    dominance: Doubles
    """(N,) on 1..7."""
    disagreement: Doubles
    """(N,) deviation of one annotator's marks, the mean of valence and arousal."""


@dataclass(frozen=True)
class World:
    """All that stage two needs of a corpus."""

    seed: int
    kind: str
    splits: dict[str, Split]
    prompts: list[WordedPrompt]
    prompt_features: Features
    """(M, F)"""
    plane: tuple[Features, Doubles]
    """Captions of no clip, (P, F), and their valence and arousal, (P, 2)."""
    concordance: dict[str, tuple[float, float]]
    """Modality → valence and arousal, of a linear probe on test1."""
    errors: tuple[float, float]
    """The deviation of valence and arousal in speech from what was meant, on 1..7."""


def simulate(
    seed: int, sizes: Sizes, encode: Encoder, folder: Path = ENCODED_FOLDER, *, kind: str = "plain"
) -> World:
    """Draw a world. `encode` turns sentences into features; what it gave is kept in `folder`."""
    of_kind = (KINDS | STEEPER)[kind]
    rng = np.random.default_rng(seed)
    voice = rng.uniform(0.5, 1.0, size=2)  # how much speaker and content weigh beside what is meant
    heard = {
        name: listen(rows, PUBLISHED.get(name, PUBLISHED[TEST1]), voice, rng, of_kind.disagreement)
        for name, rows in sizes.rows.items()
    }
    map_rng, gain = np.random.default_rng(rng.integers(2**32)), of_kind.steepness * rng.uniform(0.6, 1.2)
    noise_rng = np.random.default_rng(rng.integers(2**32))
    periodic = of_kind.speech == "periodic"
    speak = RandomMap(map_rng, latent(heard[TRAIN], (1.0, 1.0)), sizes.speech, gain, periodic=periodic)
    errors, reached = calibrate(speak, heard)

    write = WRITERS[of_kind.phrases]
    bank = write_bank(write)
    prompts = word_prompts(ordinality_plan(sizes.prompt_lists), seed, frozenset(bank), write)
    templates = {emotion: f"speech has {label} emotion" for emotion, label in EMOTIONS.items()}
    encoded = [encode_once(texts, encode, folder) for texts in (bank, [p.text for p in prompts])]
    of_templates = dict(zip(templates, encode_once(list(templates.values()), encode, folder), strict=True))
    text_gain = rng.uniform(0.6, 1.2)
    read = RandomMap(rng, encoded[0], sizes.text, text_gain) if of_kind.text == "mapped" else np.asarray
    ambiguity = rng.uniform(*of_kind.ambiguity)
    class_rng, plane_rng = (np.random.default_rng([seed, part]) for part in (1, 2))
    splits = {}
    for name, split in heard.items():
        text = read(encoded[0][draw_sentences(split.labels, ambiguity, rng)])
        features = speak(latent(split, errors))
        features += 0.05 * noise_rng.standard_normal(features.shape, dtype=np.float32)
        ids = [f"{name}_{row:06d}" for row in range(len(text))]
        splits[name] = Split(
            Pairs(ids, features, text, split.labels, list(split.emotions)),
            read(np.stack([of_templates[emotion] for emotion in split.emotions])),
            read(encoded[0][draw_sentences(labels_of_classes(split, heard[TRAIN], class_rng), 0, class_rng)]),
            split.dominance,
            split.disagreement,
        )
    concordance = {"speech": reached, "text": _probe_text(splits)}
    plane = plane_labels()
    meant = plane + ambiguity * plane_rng.standard_normal(plane.shape)  # as clips' captions
    sentences = write_plane(meant, seed, write, {*bank, *(p.text for p in prompts)})
    plane_text = read(encode_once(sentences, encode, folder))
    return World(seed, kind, splits, prompts, read(encoded[1]), (plane_text, plane), concordance, errors)


def _probe_text(splits: Mapping[str, Split]) -> tuple[float, float]:
    training, test = splits[TRAIN].pairs, splits[TEST1].pairs
    rows = slice(PROBE_ROWS)
    return probe(training.text[rows], training.labels[rows], test.text[rows], test.labels[rows])
