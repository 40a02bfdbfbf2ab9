"""Both tables of the paper on simulated worlds, every method with several seeds, by the pipeline's own training.

    python benchmarks/world_methods.py [--worlds 3] [--first 300] [--seeds 5] [--rows 20000 5000 8000]

Worlds are those of `simulated_corpus.py`, of which none served to choose a method. Training is the paper's, 15
epochs of batches of 64, at `--rate`: the paper's 0.0001 is meant for 90,022 rows (`--rows 90022 25258 34963`).
ParaCLAP is left out, as no audio is simulated; CLAP4emo learns from sentences drawn around its classes' labels.
AOC and VOC are means over lists, of all test clips; W1 and MMD of `--pairs` pairs, for methods trained on them.
Prints a markdown table: means over worlds and seeds, ± std over all runs; then, for each world, EmotionRankCLAP
and EmotionRankCLAP+ less the others, with p of a paired t-test over lists, each averaged over the seeds.
"""

from __future__ import annotations

import click
import numpy as np
from worlds.text import ENCODERS
from worlds.world import MSP_ROWS, Sizes, Split, World, simulate

from pipeline.config import Train
from pipeline.features import Pairs
from pipeline.manifest import DEVELOPMENT, TRAIN
from pipeline.measures import mmd_rbf, paired_test, wasserstein
from pipeline.measures.entries import embed
from pipeline.measures.evaluation import measure_ordinality
from pipeline.methods import METHODS, settings_of
from pipeline.training import train

TEST = "test1"
LEFT_OUT = ("paraclap", "untrained")
COMPARED = ("emotionrankclap", "emotionrankclap-plus")

Runs = dict[str, dict[str, list[np.ndarray]]]
"""Method → measure → an array of each seed: taus of the lists, or one value."""


def pairs_of(split: Split, captions: str) -> Pairs:
    text = {"va": split.pairs.text, "template": split.template_text, "clap4emo": split.class_text}[captions]
    return Pairs(split.pairs.ids, split.pairs.speech, text, split.pairs.labels, split.pairs.emotions)


def run(world: World, settings: Train, pairs: int) -> Runs:
    test = world.splits[TEST].pairs
    rows = np.random.default_rng(0).choice(len(test), min(pairs, len(test)), replace=False)
    runs: Runs = {}
    for name in settings.methods:
        method = METHODS[name]
        training, development = (pairs_of(world.splits[s], method.captions) for s in (TRAIN, DEVELOPMENT))
        found: dict[str, list[np.ndarray]] = {"aoc": [], "voc": [], "w1": [], "mmd": []}
        for trained in train(method.loss, training, development, settings_of(settings, name)):
            embedded = embed(trained.heads, test.speech, test.text, world.prompt_features)
            for attribute, lists in measure_ordinality(embedded, world.prompts, test.labels).items():
                found[attribute].append(lists.tau)
            if method.aligned:
                speech, text = embedded.speech[rows], embedded.text[rows]
                found["w1"].append(np.array([wasserstein(speech, text)]))
                found["mmd"].append(np.array([mmd_rbf(speech, text, gamma=1.0)]))
        runs[name] = found
        shown = " ".join(f"{m} {np.mean(values):.3f}" for m, values in found.items() if values)
        click.echo(f"world {world.seed}, {name}: {shown}", err=True)
    return runs


def print_means(worlds: dict[int, Runs], names: list[str]) -> None:
    print("| method | AOC | VOC | W1 | √MMD², γ = 1 |\n| --- | --- | --- | --- | --- |")
    for name in names:
        cells = []
        for measure in ("aoc", "voc", "w1", "mmd"):
            values = [float(one.mean()) for runs in worlds.values() for one in runs[name][measure]]
            cells.append(f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}" if values else "–")
        print(f"| {METHODS[name].title} | {' | '.join(cells)} |")


def print_differences(worlds: dict[int, Runs], names: list[str]) -> None:
    print("\n| less | world | AOC | p | VOC | p | W1 |\n| --- | --- | --- | --- | --- | --- | --- |")
    for ours in COMPARED:
        for other in names:
            if ours == other or (ours, other) == COMPARED:
                continue
            for seed, runs in worlds.items():
                cells = []
                for test in ("aoc", "voc"):
                    mine, theirs = (np.mean(runs[name][test], axis=0) for name in (ours, other))
                    cells += [f"{(mine - theirs).mean():+.3f}", f"{paired_test(mine, theirs):.1e}"]
                both = [np.mean(runs[name]["w1"]) for name in (ours, other) if runs[name]["w1"]]
                cells.append(f"{both[0] - both[1]:+.3f}" if len(both) == 2 else "–")
                titles = f"{METHODS[ours].title} − {METHODS[other].title}"
                print(f"| {titles} | {seed} | {' | '.join(cells)} |")


@click.command(help=(__doc__ or "").splitlines()[0])
@click.option("--worlds", default=3, show_default=True)
@click.option("--first", default=300, show_default=True, help="Seed of the first world.")
@click.option("--seeds", default=5, show_default=True, help="Of training.")
@click.option("--rows", nargs=3, type=int, default=(20_000, 5_000, 8_000), show_default=True)
@click.option("--rate", default=0.0003, show_default=True)
@click.option("--pairs", default=2000, show_default=True)
@click.option("--text", type=click.Choice(list(ENCODERS)), default="minilm", show_default=True)
def main(
    worlds: int, first: int, seeds: int, rows: tuple[int, int, int], rate: float, pairs: int, text: str
) -> None:
    names = [name for name in METHODS if name not in LEFT_OUT]
    settings = Train(
        methods=names,
        seed=0,
        seeds=seeds,
        epochs=15,
        batch_size=64,
        learning_rate=rate,
        embedding_size=512,
        temperature=1.0,
        candidates="farther",
        directions="speech-to-text",
    )
    sizes = Sizes(dict(zip(MSP_ROWS, rows, strict=True)))
    found = {
        seed: run(simulate(seed, sizes, ENCODERS[text]), settings, pairs)
        for seed in range(first, first + worlds)
    }
    print(f"{worlds} worlds, {seeds} seeds, {rows[0]} training rows, 15 epochs at {rate:g}, text by {text}\n")
    print_means(found, names)
    print_differences(found, names)


if __name__ == "__main__":
    main()
