"""What computing in bfloat16 does to the features and to ordinal consistency, on the sample corpus.

    python benchmarks/precision.py [--seeds 5]

Needs a run of the pipeline (`make run`) before it. Both encoders encode the whole corpus in each type, heads are
trained on each type's features by EmotionRankCLAP with the same seeds, and measured on features of that type.
Prints the relative error of a feature, its median and its largest, and mean tau ± its deviation over seeds.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch

from pipeline.config import Params, load_params
from pipeline.encoders import load_speech_encoder, load_text_encoder
from pipeline.features import FeatureStore, extract, extract_speech, extract_text, gather_pairs, sentence_key
from pipeline.manifest import DEVELOPMENT, TRAIN, Manifest
from pipeline.measures.entries import embed
from pipeline.measures.evaluation import measure_ordinality
from pipeline.methods import METHODS
from pipeline.sentences import CAPTIONS_FILE, PROMPTS_FILE, all_sentences, read_captions, read_prompts
from pipeline.training import train

METHOD = "emotionrankclap"
Features = np.ndarray[Any, np.dtype[np.float32]]


def encode(params: Params, dtype: torch.dtype, folder: Path) -> tuple[FeatureStore, FeatureStore]:
    """The features of all clips and sentences, in stores of their own."""
    name = str(dtype).removeprefix("torch.")
    asked = params.model_copy(update={"extract": params.extract.model_copy(update={"compute_dtype": name})})
    speech, text = load_speech_encoder(asked), load_text_encoder(asked)
    stores = FeatureStore(folder / "speech", speech.recipe), FeatureStore(folder / "text", text.recipe)
    failures = extract(
        extract_speech(Manifest.read(), params.prepare.folder, speech, stores[0]),
        extract_text(all_sentences(CAPTIONS_FILE, PROMPTS_FILE), text, stores[1]),
    )
    if failures:
        raise RuntimeError(f"every clip must be encoded: {failures[0]}")
    return stores


def consistency(
    params: Params, speech: FeatureStore, text: FeatureStore, seeds: int
) -> dict[str, list[float]]:
    """AOC and VOC of the seeds."""
    manifest, prompts = Manifest.read(), read_prompts()
    prompt_features = text.gather([sentence_key(prompt.text) for prompt in prompts])
    captions = read_captions(METHODS[METHOD].captions)
    test, training, development = (
        gather_pairs(manifest.split(split), captions, speech, text)
        for split in (params.evaluate.split, TRAIN, DEVELOPMENT)
    )
    means: dict[str, list[float]] = {"aoc": [], "voc": []}
    settings = params.train.model_copy(update={"seed": 0, "seeds": seeds})
    for trained in train(METHODS[METHOD].loss, training, development, settings):
        embedded = embed(trained.heads, test.speech, test.text, prompt_features)
        for measure, found in measure_ordinality(embedded, prompts, test.labels).items():
            means[measure].append(float(found.tau.mean()))
    return means


def errors(found: Features, wanted: Features) -> str:
    relative = np.linalg.norm(found - wanted, axis=1) / np.linalg.norm(wanted, axis=1)
    return f"{np.median(relative):.1e} / {relative.max():.1e}"


@click.command(help=(__doc__ or "").splitlines()[0])
@click.option("--seeds", default=5, show_default=True)
def main(seeds: int) -> None:
    params, manifest = load_params(), Manifest.read()
    keys = manifest.strings("sha256"), [sentence_key(s) for s in all_sentences(CAPTIONS_FILE, PROMPTS_FILE)]
    rows: list[str] = []
    exact: list[Features] = []
    for dtype in (torch.float32, torch.bfloat16):
        with tempfile.TemporaryDirectory() as folder:
            stores = encode(params, dtype, Path(folder))
            features = [store.gather(of) for store, of in zip(stores, keys, strict=True)]
            exact = exact or features
            wrong = [errors(found, wanted) for found, wanted in zip(features, exact, strict=True)]
            means = consistency(params, *stores, seeds)
        told = [f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}" for values in means.values()]
        rows.append(f"| {str(dtype).removeprefix('torch.')} | {' | '.join(wrong + told)} |")
    print(f"\n{params.prepare.corpus} corpus, {len(manifest)} clips, {METHOD}, seeds 0 to {seeds - 1}\n")
    print("| computed in | error of speech, median / largest | of text | AOC | VOC |")
    print("| --- | --- | --- | --- | --- |")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
