"""Ordinal consistency over several seeds: every method against untrained heads, on the features in the cache.

    python benchmarks/sample_seeds.py [--seeds 5]

Needs a run of the pipeline (`make run`) before it. A seed draws the heads' initial weights and the order of
the batches; the corpus, the captions and the features stay the same. Prints a markdown table: the mean over
seeds of the mean tau over lists, ± its standard deviation over seeds; W1 and √MMD² (γ = 1) of all test pairs; and
how EmotionRankCLAP+ differs from EmotionRankCLAP and CLAP-SCE.
"""

from __future__ import annotations

import click
import numpy as np

from pipeline.config import load_params
from pipeline.features import gather_pairs, gather_plane, open_stores, sentence_key
from pipeline.manifest import DEVELOPMENT, TRAIN, Manifest
from pipeline.measures import mmd_rbf, paired_test, wasserstein
from pipeline.measures.entries import embed
from pipeline.measures.evaluation import measure_ordinality
from pipeline.methods import METHODS, settings_of
from pipeline.sentences import read_captions, read_plane, read_prompts
from pipeline.training import train

PLUS = "emotionrankclap-plus"


@click.command()
@click.option("--seeds", default=5, show_default=True, help="How many seeds, from 0.")
def main(seeds: int) -> None:
    params = load_params()
    manifest = Manifest.read()
    speech, text = open_stores(params.extract)
    prompts = read_prompts()
    prompt_features = text.gather([sentence_key(prompt.text) for prompt in prompts])
    plane = gather_plane(read_plane(), text)
    test = gather_pairs(manifest.split(params.evaluate.split), read_captions("va"), speech, text)
    print(
        f"{params.prepare.corpus} corpus, {params.evaluate.split}, {len(test)} clips, seeds 0 to {seeds - 1}\n"
    )
    print("| method | AOC | VOC | W1 | √MMD² |")
    print("| --- | --- | --- | --- | --- |")
    runs: dict[str, dict[str, list[float]]] = {}
    for name in params.train.methods:
        method = METHODS[name]
        captions = read_captions(method.captions)
        training, development = (
            gather_pairs(manifest.split(split), captions, speech, text) for split in (TRAIN, DEVELOPMENT)
        )
        means: dict[str, list[float]] = {"aoc": [], "voc": [], "w1": [], "mmd": []}
        settings = settings_of(params.train, name).model_copy(update={"seed": 0, "seeds": seeds})
        for trained in train(method.loss, training, development, settings, plane=plane):
            embedded = embed(trained.heads, test.speech, test.text, prompt_features)
            for measure, found in measure_ordinality(embedded, prompts, test.labels).items():
                means[measure].append(float(found.tau.mean()))
            means["w1"].append(wasserstein(embedded.speech, embedded.text))
            means["mmd"].append(mmd_rbf(embedded.speech, embedded.text, gamma=1.0))
        cells = [f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}" for values in means.values()]
        runs[name] = means
        print(f"| {method.title} | {' | '.join(cells)} |", flush=True)
    if PLUS in runs:
        print(f"\n{METHODS[PLUS].title} less another, p of a paired t-test over seeds:\n")
        print(f"| | {' | p | '.join(('AOC', 'VOC', 'W1', '√MMD²'))} | p |\n|{' --- |' * 9}")
        for name in ("emotionrankclap", "clap-sce"):
            if name in runs:
                print(f"| {METHODS[name].title} | {' | '.join(_differences(runs[PLUS], runs[name]))} |")


def _differences(ours: dict[str, list[float]], theirs: dict[str, list[float]]) -> list[str]:
    cells = []
    for measure, values in ours.items():
        pair = np.array(values), np.array(theirs[measure])
        cells += [f"{(pair[0] - pair[1]).mean():+.3f}", f"{paired_test(*pair):.1e}"]
    return cells


if __name__ == "__main__":
    main()
