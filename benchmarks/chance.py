"""What Table 2 marks on corpora whose labels say nothing of their audio: by rights nothing, in 95 % of them.

    nice -n 10 python benchmarks/chance.py [--shuffles 200] [--first 0] [--seeds 3] [--cost]

Speech features are drawn once. A shuffle hands the labels, and with them captions and classes, to the clips in
another order, in training and test alike, and every method is trained on them by the pipeline's own training; so
each method learns, but nothing that holds. Small heads on small features, one thread. ParaCLAP is left out, as it
learns from audio. Prints how often each mark stands anywhere in Tables 2 and 2b, how often each test behind them
has p < .05, and how often each interval misses 0. `--cost` measures what Table 2b costs at the paper's size.
"""

from __future__ import annotations

from collections import Counter
from time import process_time

import click
import numpy as np
import torch

from pipeline.captions.plane import plane_spots
from pipeline.captions.prompts import ordinality_plan
from pipeline.config import Evaluate, Plane, Train
from pipeline.features import Pairs, PlaneTexts
from pipeline.manifest import DEVELOPMENT, TRAIN
from pipeline.measures import (
    ATTRIBUTE_OF_TEST,
    Evaluation,
    against_chance,
    bootstrap_interval,
    ordinal_consistency,
)
from pipeline.measures.entries import embed
from pipeline.measures.evaluation import measure_halves, measure_ordinality
from pipeline.measures.halves import halved_consistency
from pipeline.measures.prompted import prompt_lists
from pipeline.methods import METHODS, settings_of
from pipeline.report.results.chance import halves_of_seeds, standings
from pipeline.report.results.comparisons import MARKED, compare
from pipeline.report.results.marks import mark
from pipeline.report.results.writing import scores_of_seeds
from pipeline.training import train

TEST = "test1"
ROWS = {TRAIN: 768, DEVELOPMENT: 256, TEST: 1500}
SPEECH, TEXT, LISTS, HALVED = 48, 32, 20, 40
NAMES = [name for name in METHODS if name != "paraclap"]
SETTINGS = Evaluate(split=TEST, trials=1, pairs=2, seed=0, alpha=0.05, resamples=600)


class Corpus:
    """Speech that says nothing, and sentences that say what their labels are."""

    def __init__(self, rng: np.random.Generator) -> None:
        spread = np.arange(1, SPEECH + 1) ** -0.5  # a few directions in which speech varies most
        self.speech = {
            split: (rng.standard_normal((rows, SPEECH)) * spread).astype(np.float32)
            for split, rows in ROWS.items()
        }
        both = rng.multivariate_normal([4.2, 4.4], [[0.8, 0.25], [0.25, 0.9]], sum(ROWS.values()))
        self.labels = np.clip(both, 1, 7).round(1)
        self.inward, self.outward = rng.standard_normal((2, 16)), rng.standard_normal((16, TEXT))
        self.prompts = ordinality_plan(LISTS)
        asked = np.array([(prompt.valence, prompt.arousal) for prompt in self.prompts])
        self.prompt_features = self.written(asked, rng)
        spots = np.array([(spot.valence, spot.arousal) for spot in plane_spots(Plane(step=0.5, draws=2))])
        self.plane = PlaneTexts(self.written(spots, rng), spots)

    def written(self, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The features of a sentence for each label."""
        meant = np.tanh((labels - 4) @ self.inward / 2) @ self.outward
        return (meant + rng.standard_normal(meant.shape)).astype(np.float32)

    def shuffled(self, rng: np.random.Generator) -> dict[str, dict[str, Pairs]]:
        """Captions → split → pairs whose labels belong to clips by chance alone."""
        labels = rng.permutation(self.labels)
        found: dict[str, dict[str, Pairs]] = {"va": {}, "template": {}, "clap4emo": {}}
        for (split, speech), own in zip(
            self.speech.items(), np.split(labels, np.cumsum(list(ROWS.values()))[:-1]), strict=True
        ):
            classes = np.digitize(own[:, 0], [3.8, 4.6]) * 2 + (own[:, 1] > 4.4)
            centres = np.array([own[classes == one].mean(axis=0) for one in range(6)])[classes]
            ids, emotions = [f"{split}{row}" for row in range(len(own))], [f"class {one}" for one in classes]
            for captions, asked in (("va", own), ("template", centres), ("clap4emo", centres)):
                text = self.written(asked, rng)
                found[captions][split] = Pairs(ids, speech, text, own, list(emotions))
        return found


def evaluated(corpus: Corpus, pairs: dict[str, dict[str, Pairs]], settings: Train) -> list[Evaluation]:
    """An evaluation of every method for each seed of training."""
    intended = {test: prompt_lists(corpus.prompts, test)[1] for test in ATTRIBUTE_OF_TEST}
    test = pairs["va"][TEST]
    found = [Evaluation(test, {}, {}, {}, intended=intended) for _ in settings.seed_range]
    for name in NAMES:
        method, own = METHODS[name], pairs[METHODS[name].captions]
        runs = train(
            method.loss, own[TRAIN], own[DEVELOPMENT], settings_of(settings, name), plane=corpus.plane
        )
        for one, trained in zip(found, runs, strict=True):
            embedded = embed(trained.heads, test.speech, test.text, corpus.prompt_features)
            one.ordinality[name] = measure_ordinality(embedded, corpus.prompts, test.labels)
            one.halves[name] = measure_halves(embedded, corpus.prompts, test.labels, halvings=HALVED)
    return found


def count(found: list[Evaluation], shuffles: Counter[str], tests: Counter[str]) -> None:
    """Add what one shuffle is marked by, and how many of its tests and intervals find something."""
    _, taus, _ = scores_of_seeds(dict(enumerate(found)))
    comparisons = compare(taus, higher_is_better=True, halves=halves_of_seeds(found))
    rows = standings(found, SETTINGS)
    marks = {
        name: "".join(mark(comparisons, name, test, SETTINGS.alpha) for test in ATTRIBUTE_OF_TEST)
        for name in MARKED
    }
    marked = {name: {row.test for row in rows if row.method == name and row.p_holm < 0.05} for name in NAMES}
    shuffles["Table 2, any †: better than all others compared to"] += any("†" in of for of in marks.values())
    shuffles["Table 2, any *: the same by the paper's test over lists"] += any(
        "*" in of for of in marks.values()
    )
    shuffles["any test of † that is below .05 after Holm"] += any(o.p_again_holm < 0.05 for o in comparisons)
    shuffles["Table 2b, any ‡: not by chance"] += any(marked.values())
    for name in NAMES:
        shuffles[f"Table 2b, ‡ of {METHODS[name].title}"] += bool(marked[name])
    for one in comparisons:
        tests["† test of two methods, p < .05"] += one.p_again < 0.05
        tests["* test of two methods, p < .05"] += one.p < 0.05
        tests["of two methods"] += 1
    for row in rows:
        tests["‡ test of a method, p < .05"] += row.chance.p < 0.05
        low, high = row.tau.interval()
        tests["95 % over seeds, lists and clips misses 0"] += not low <= 0 <= high
        low, high = bootstrap_interval(taus[row.method][row.test], resamples=500)
        tests["95 % over seeds and lists misses 0"] += not low <= 0 <= high
        tests["of a method"] += 1
        tests["clips"] += round(row.chance.clips)


def print_cost() -> None:
    """Processor seconds of one method, one seed and one attribute, on 34,963 clips and 100 lists."""
    rng, scale = np.random.default_rng(0), np.arange(1, 513) ** -0.5
    pool, apart = (rng.standard_normal((rows, 512)) * scale for rows in (34_963, 1400))
    queries = 2 * (rng.standard_normal((100, 1, 512)) * scale) + apart.reshape(100, 14, 512)
    labels, intended = rng.integers(10, 71, len(pool)) / 10, np.tile(np.arange(0.5, 7.5, 0.5), (100, 1))
    given = (queries.astype(np.float32), intended, pool.astype(np.float32), labels)
    start = process_time()
    found = ordinal_consistency(*given).retrieved
    print(f"retrieval {process_time() - start:.1f} s, {len(np.unique(found))} clips found")
    start = process_time()
    halved_consistency(*given)
    print(f"200 halvings {process_time() - start:.1f} s")
    start = process_time()
    against_chance(found[None], intended, labels)
    print(f"2000 shuffles of the labels {process_time() - start:.2f} s")


@click.command(help=(__doc__ or "").splitlines()[0])
@click.option("--shuffles", default=200, show_default=True)
@click.option("--first", default=0, show_default=True, help="Seed of the first shuffle.")
@click.option("--seeds", default=3, show_default=True, help="Of training.")
@click.option("--epochs", default=2, show_default=True)
@click.option("--cost", is_flag=True, help="Measure what Table 2b costs at the paper's size instead.")
def main(shuffles: int, first: int, seeds: int, epochs: int, cost: bool) -> None:
    torch.set_num_threads(1)
    if cost:
        print_cost()
        return
    corpus = Corpus(np.random.default_rng(0))
    by_shuffle: Counter[str] = Counter()
    by_test: Counter[str] = Counter()
    for number in range(first, first + shuffles):
        settings = Train(
            methods=NAMES,
            seed=1000 * number,
            seeds=seeds,
            epochs=epochs,
            batch_size=64,
            learning_rate=0.003,
            embedding_size=32,
            temperature=1.0,
            candidates="farther",
            directions="speech-to-text",
        )
        pairs = corpus.shuffled(np.random.default_rng([1, number]))
        count(evaluated(corpus, pairs, settings), by_shuffle, by_test)
        if (number + 1 - first) % 20 == 0:
            click.echo(f"{number + 1 - first} shuffles: {dict(by_shuffle)}", err=True)
    of_two, of_one, clips = (by_test.pop(name) for name in ("of two methods", "of a method", "clips"))
    print(
        f"{shuffles} shuffles, {len(NAMES)} methods, {seeds} seeds, {LISTS} lists of each attribute, ", end=""
    )
    print(f"{ROWS[TEST]} clips to retrieve, {clips / of_one:.0f} of them found\n")
    print(f"| shuffles with | of {shuffles} |\n| --- | --- |")
    for name, times in by_shuffle.items():
        print(f"| {name} | {times} ({times / shuffles:.1%}) |")
    print("\n| tests | share |\n| --- | --- |")
    for name, times in by_test.items():
        print(f"| {name} | {times / (of_two if 'two' in name else of_one):.1%} |")


if __name__ == "__main__":
    main()
