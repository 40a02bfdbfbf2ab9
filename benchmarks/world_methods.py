"""Both tables of the paper on simulated worlds of every kind, by the pipeline's own training, with the ceilings.

    python benchmarks/world_methods.py run [--kinds plain --kinds periodic ...] [--worlds 2] [--first 400]
    [--seeds 5] python benchmarks/world_methods.py tables

Worlds are those of worlds/, of kinds that worlds/kinds.py tells, of which none served to choose a method; the
first of a kind has the seed `--first` and a number of its kind's. Training is the paper's, 15 epochs of batches
of 64, at `--rate`: the paper's 0.0001 is meant for 90,022 rows (`--rows 90022 25258 34963`). ParaCLAP is left
out, as no audio is simulated; CLAP4emo learns from sentences drawn around its classes' labels. AOC and VOC are
means over lists, of all clips of test1; W1, √MMD² and the spread, which is the mean distance of two embeddings
within a modality, of `--pairs` pairs. What was run is kept in data/simulated, and is run once.

`tables` prints each world's means over its seeds, and EmotionRankCLAP+ against CLAP-SCE and EmotionRankCLAP:
the mean difference over worlds, p of a paired t-test over worlds, and in how many worlds it is better.
"""

from __future__ import annotations

import json
from pathlib import Path

import click
import numpy as np
import torch
from worlds.kinds import KINDS
from worlds.text import ENCODERS
from worlds.world import MSP_ROWS, Sizes, Split, World, simulate

from pipeline.config import Train
from pipeline.features import Pairs, PlaneTexts
from pipeline.manifest import DEVELOPMENT, TRAIN
from pipeline.measures import measure_ceilings, mmd_rbf, paired_test, wasserstein
from pipeline.measures.entries import embed
from pipeline.measures.evaluation import measure_ordinality
from pipeline.measures.geometry import spread
from pipeline.methods import METHODS, settings_of
from pipeline.training import train

TEST = "test1"
LEFT_OUT = ("paraclap", "untrained")
PLUS, COMPARED = "emotionrankclap-plus", ("clap-sce", "emotionrankclap")
BETTER = {"aoc": 1, "voc": 1, "w1": -1, "mmd": -1}
"""Measure → 1 where more is better."""
SHOWN = {"aoc": "AOC", "voc": "VOC", "w1": "W1", "mmd": "√MMD²", "spread": "spread"}

RESULTS = Path("data/simulated/world_methods.jsonl")

Row = dict[str, float | str]


def pairs_of(split: Split, captions: str) -> Pairs:
    text = {"va": split.pairs.text, "template": split.template_text, "clap4emo": split.class_text}[captions]
    return Pairs(split.pairs.ids, split.pairs.speech, text, split.pairs.labels, split.pairs.emotions)


def run_method(world: World, name: str, settings: Train, pairs: int) -> list[Row]:
    """A row for each seed."""
    test, method = world.splits[TEST].pairs, METHODS[name]
    rows = np.random.default_rng(0).choice(len(test), min(pairs, len(test)), replace=False)
    training, development = (pairs_of(world.splits[s], method.captions) for s in (TRAIN, DEVELOPMENT))
    own, plane, found = settings_of(settings, name), PlaneTexts(*world.plane), []
    for trained in train(method.loss, training, development, own, plane=plane):
        embedded = embed(trained.heads, test.speech, test.text, world.prompt_features)
        tests = measure_ordinality(embedded, world.prompts, test.labels)
        row: Row = {"seed": trained.seed} | {of: float(lists.tau.mean()) for of, lists in tests.items()}
        if method.aligned:
            speech, text = embedded.speech[rows], embedded.text[rows]
            row["w1"], row["mmd"] = wasserstein(speech, text), mmd_rbf(speech, text, gamma=1.0)
            row["spread"] = (spread(speech) + spread(text)) / 2
        found.append(row)
    return found


def run_ceilings(world: World) -> list[Row]:
    training, development, test = (world.splits[split].pairs for split in (TRAIN, DEVELOPMENT, TEST))
    found = measure_ceilings(
        training, development, test, world.prompts, world.prompt_features, PlaneTexts(*world.plane)
    )
    return [
        {"method": f"ceiling: {name}"}
        | {test: float(lists.tau.mean()) for test, lists in one.ordinality.items()}
        for name, one in found.items()
    ]


def read_results() -> list[Row]:
    if not RESULTS.is_file():
        return []
    return [json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines()]


def keep_results(rows: list[Row]) -> None:
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    with RESULTS.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


@click.group(help=(__doc__ or "").splitlines()[0])
def main() -> None:
    torch.set_num_threads(1)


@main.command()
@click.option(
    "--kinds", multiple=True, type=click.Choice(list(KINDS)), help="All without it; may be repeated."
)
@click.option("--worlds", default=2, show_default=True, help="Of each kind.")
@click.option("--first", default=400, show_default=True, help="Seed of the first world of the first kind.")
@click.option("--seeds", default=5, show_default=True, help="Of training.")
@click.option("--methods", "names", multiple=True, default=(*COMPARED, PLUS), show_default=True)
@click.option("--rows", nargs=3, type=int, default=(12_000, 4_000, 6_000), show_default=True)
@click.option("--rate", default=0.0005, show_default=True)
@click.option("--pairs", default=2000, show_default=True)
@click.option("--text", type=click.Choice(list(ENCODERS)), default="minilm", show_default=True)
def run(
    kinds: tuple[str, ...],
    worlds: int,
    first: int,
    seeds: int,
    names: tuple[str, ...],
    rows: tuple[int, int, int],
    rate: float,
    pairs: int,
    text: str,
) -> None:
    """Train and measure what was not yet."""
    unknown = set(names) - (set(METHODS) - set(LEFT_OUT))
    if unknown:
        raise click.BadParameter(
            f"a method must be one of those simulated, found {', '.join(sorted(unknown))}"
        )
    settings = Train(
        methods=list(names),
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
    for kind in kinds or KINDS:
        for number in range(worlds):
            seed = first + 10 * list(KINDS).index(kind) + number
            of_world = {"world": seed, "kind": kind, "rows": rows[0], "rate": rate}
            done = {(r["world"], r["kind"], r["rows"], r["rate"], r["method"]) for r in read_results()}
            left = [name for name in names if (seed, kind, rows[0], rate, name) not in done]
            if not left:
                continue
            world = simulate(seed, sizes, ENCODERS[text], kind=kind)
            keep_results([of_world | row for row in run_ceilings(world)])
            for name in left:
                found = run_method(world, name, settings, pairs)
                keep_results([of_world | {"method": name} | row for row in found])
                shown = " ".join(f"{m} {np.mean([r[m] for r in found]):.3f}" for m in SHOWN if m in found[0])
                click.echo(f"{kind} {seed}, {name}: {shown}", err=True)


@main.command()
def tables() -> None:
    """Print what was run."""
    every = read_results()
    for rows, rate in sorted({(row["rows"], row["rate"]) for row in every}):
        alike = [row for row in every if (row["rows"], row["rate"]) == (rows, rate)]
        means: dict[tuple[str, int], dict[str, dict[str, float]]] = {}
        for row in alike:
            of_method = means.setdefault((str(row["kind"]), int(row["world"])), {})
            values = [
                other for other in alike if all(other[k] == row[k] for k in ("world", "kind", "method"))
            ]
            of_method[str(row["method"])] = {
                m: float(np.mean([other[m] for other in values])) for m in SHOWN if m in row
            }
        seeds = len({row["seed"] for row in alike if "seed" in row})
        print(f"{len(means)} worlds, {seeds} seeds, {rows} training rows, 15 epochs at {rate:g}\n")
        print_worlds(means)
        print_differences(means)


def print_worlds(means: dict[tuple[str, int], dict[str, dict[str, float]]]) -> None:
    print(f"| kind | world | method | {' | '.join(SHOWN.values())} |\n| --- |{' --- |' * (len(SHOWN) + 2)}")
    for (kind, world), methods in sorted(means.items(), key=lambda item: item[0][1]):
        for name, found in methods.items():
            title = METHODS[name].title if name in METHODS else name
            cells = [f"{found[m]:.3f}" if m in found else "–" for m in SHOWN]
            print(f"| {kind} | {world} | {title} | {' | '.join(cells)} |")


def print_differences(means: dict[tuple[str, int], dict[str, dict[str, float]]]) -> None:
    print("\n| EmotionRankCLAP+ less | measure | mean over worlds | p over worlds | better in |")
    print("| --- | --- | --- | --- | --- |")
    for other in COMPARED:
        both = [methods for methods in means.values() if PLUS in methods and other in methods]
        for measure, sign in BETTER.items():
            ours, theirs = (np.array([methods[n][measure] for methods in both]) for n in (PLUS, other))
            better = int((sign * (ours - theirs) > 0).sum())
            p = f"{paired_test(ours, theirs):.1e}"
            cells = f"{(ours - theirs).mean():+.3f} | {p} | {better} of {len(both)}"
            print(f"| {METHODS[other].title} | {SHOWN[measure]} | {cells} |")


if __name__ == "__main__":
    main()
