"""Time and memory of the ceilings of Table 2 on features of the paper's size, read from shards.

    python benchmarks/ceilings.py [--clips 90022] [--folder DIR]

Features are simulated, 1024 of speech and 768 of text: a random linear map of valence, arousal and noise. The
train split lies in a feature store in DIR (1 GB; a temporary folder where none is named) and is read as
`erclap eval` reads it; development (25,258) and test1 (34,963) are in memory. Prints seconds by the clock, those
of the processors, the peak of resident memory before and after, and what each ceiling came to.
"""

from __future__ import annotations

import resource
import tempfile
import time
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt

from pipeline.captions.prompts import ordinality_plan
from pipeline.features import FeatureStore, Pairs, packed, sentence_key
from pipeline.features.gathering import NamedPairs, pair_source
from pipeline.measures import measure_ceilings
from pipeline.recipe import Recipe
from stages.evaluate import TRAINING_BYTES

SIZES = {"speech": 1024, "text": 768}
NOISE = {"speech": 0.8, "text": 0.2}
ROWS = 4096
DEVELOPMENT, TEST = 25_258, 34_963

Labels = npt.NDArray[np.float64]


def features(modality: str, labels: Labels, seed: int) -> npt.NDArray[np.float32]:
    """Of labels (N, 2), a linear map of them with noise of their own and 30 other causes."""
    size = SIZES[modality]
    to_features = np.random.default_rng(size).standard_normal((32, size)).astype(np.float32)
    found = np.empty((len(labels), size), dtype=np.float32)
    for start in range(0, len(labels), ROWS):
        rng = np.random.default_rng([seed, size, start])
        block = labels[start : start + ROWS]
        causes = np.concatenate(
            [
                block - 4.3 + NOISE[modality] * rng.standard_normal(block.shape),
                rng.standard_normal((len(block), 30)),
            ],
            axis=1,
        )
        found[start : start + len(block)] = causes.astype(np.float32) @ to_features
    return found


def drawn(count: int, seed: int) -> Labels:
    """Tenths around the middle."""
    labels = np.random.default_rng(seed).normal(4.3, 0.9, (count, 2))
    return np.clip(np.round(labels, 1), 1, 7)


def in_memory(count: int, seed: int) -> Pairs:
    labels = drawn(count, seed)
    both = [features(modality, labels, seed) for modality in SIZES]
    return Pairs([str(row) for row in range(count)], *both, labels, [None] * count)


def peak() -> float:
    """MiB of resident memory so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@click.command()
@click.option("--clips", default=90_022, show_default=True, help="Of the train split.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where its features are written.")
def main(clips: int, folder: Path | None) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        measure(clips, folder or Path(temporary))


def measure(clips: int, folder: Path) -> None:
    labels = drawn(clips, 0)
    names = [sentence_key(f"clip {row}") for row in range(clips)]
    keys = packed(names)
    stores = {}
    for modality, size in SIZES.items():
        recipe = Recipe(modality, "simulated", "0", size, "none", "none", 1.0)
        stores[modality] = FeatureStore(folder / modality, recipe)
        for start in range(0, clips, ROWS):
            part = slice(start, start + ROWS)
            stores[modality].append(names[part], features(modality, labels[part], start))
    named = NamedPairs(
        [str(row) for row in range(clips)],
        keys,
        keys,
        labels,
        [None] * clips,
        stores["speech"],
        stores["text"],
    )
    development, test = in_memory(DEVELOPMENT, 1), in_memory(TEST, 2)
    prompts = ordinality_plan(100)
    asked = np.array([[prompt.valence, prompt.arousal] for prompt in prompts])
    prompt_features = features("text", asked, 3)
    before, started, spent = peak(), time.perf_counter(), time.process_time()
    found = measure_ceilings(
        pair_source(named, TRAINING_BYTES, 1), development, test, prompts, prompt_features
    )
    clock, processors = time.perf_counter() - started, time.process_time() - spent
    print(f"{clips} clips: {clock:.1f} s, {processors:.1f} s of processors")
    print(f"peak {before:.0f} MiB before, {peak():.0f} MiB after")
    for name, one in found.items():
        taus = ", ".join(f"{test.upper()} {found.tau.mean():.3f}" for test, found in one.ordinality.items())
        print(f"{name}: {taus}; penalties {one.penalties}")


if __name__ == "__main__":
    main()
