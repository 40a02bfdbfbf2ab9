"""Table 2b: what a mean tau is worth, of made evaluations."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest

from pipeline.config import Evaluate
from pipeline.measures import against_chance, drawn_again
from pipeline.measures.ordinality import OrdinalConsistency
from pipeline.methods import METHODS
from pipeline.report.page import read_tables
from pipeline.report.results.chance import chance_table, halves_of_seeds, standings
from tests.report.made import CLIPS, made_evaluation, made_prompts

SETTINGS = Evaluate(split="test1", trials=5, pairs=20, seed=0, alpha=0.05, resamples=400)
SEEDS = [made_evaluation(seed, made_prompts()) for seed in (0, 1)]


def test_a_row_is_the_measures_of_all_seeds():
    found = standings(SEEDS, SETTINGS)
    assert [(one.test, one.method) for one in found] == [(t, m) for t in ("aoc", "voc") for m in METHODS]
    one = next(one for one in found if (one.test, one.method) == ("voc", "clap-sce"))
    of_seeds = [seed.ordinality["clap-sce"]["voc"] for seed in SEEDS]
    labels, retrieved = SEEDS[0].pairs.labels[:, 0], np.stack([own.retrieved for own in of_seeds])
    assert one.chance == against_chance(retrieved, SEEDS[0].intended["voc"], labels, permutations=400)
    halves = np.stack([seed.halves["clap-sce"]["voc"] for seed in SEEDS])
    assert one.tau == drawn_again(np.stack([own.tau for own in of_seeds]), halves=halves)


def test_noise_is_marked_by_nothing_and_a_planted_order_by_a_dagger():
    table = chance_table(SEEDS, corpus="noise", settings=SETTINGS)
    assert not any("‡" in cell for row in table.rows for cell in row)
    first = SEEDS[0]
    labels = first.pairs.labels[:, 1]
    asked = first.intended["aoc"]
    order = np.argsort(labels)[np.linspace(0, CLIPS - 1, asked.shape[1]).astype(int)]
    planted = OrdinalConsistency(np.ones(len(asked)), np.tile(order, (len(asked), 1)))
    seeds = [
        replace(
            seed, ordinality=seed.ordinality | {"clap-sce": seed.ordinality["clap-sce"] | {"aoc": planted}}
        )
        for seed in SEEDS
    ]
    table = chance_table(seeds, corpus="planted", settings=SETTINGS)
    marked = [row for row in table.rows if "‡" in row[5]]
    assert [row[:3] for row in marked] == [["CLAP-SCE (A-V)", "AOC", "1.000"]]
    assert marked[0][5:] == ["0.002‡", "14"]
    assert marked[0][3].endswith(", 1.000]")  # tau knows no more


def test_rows_of_the_pool_are_found_where_some_pairs_are_the_same_recording():
    keys = np.arange(CLIPS, dtype=np.uint64)
    keys[1] = keys[0]
    pairs = replace(SEEDS[0].pairs, recordings=keys)
    pool = pairs.distinct()
    assert len(pool) == CLIPS - 1
    found = {
        name: {test: replace(one, retrieved=pool[one.retrieved % len(pool)]) for test, one in tests.items()}
        for name, tests in SEEDS[0].ordinality.items()
    }
    (one, *_) = standings([replace(SEEDS[0], pairs=pairs, ordinality=found)], SETTINGS)
    retrieved = found[one.method]["aoc"].retrieved
    places = np.array([np.flatnonzero(pool == clip)[0] for clip in retrieved.ravel()]).reshape(
        retrieved.shape
    )
    labels = pairs.labels[pool, 1]
    assert one.chance == against_chance(places[None], SEEDS[0].intended["aoc"], labels, permutations=400)


def test_what_was_drawn_is_said_and_what_could_not_be():
    several = chance_table(SEEDS, corpus="noise", settings=SETTINGS, notes=["last"])
    assert several.header[3] == "95 % over seeds, lists, clips"
    assert several.notes[-1] == "last"
    single = chance_table(SEEDS[:1], corpus="noise", settings=SETTINGS)
    assert single.header[3] == "95 % over lists, clips"
    assert "One seed of training says nothing of another's." in single.notes[0]
    empty = {name: dict.fromkeys(tests, np.empty((0, 2))) for name, tests in SEEDS[0].halves.items()}
    small = [replace(seed, halves=empty) for seed in SEEDS]
    assert halves_of_seeds(small) == {}
    table = chance_table(small, corpus="noise", settings=SETTINGS)
    assert table.header[3] == "95 % over seeds, lists"
    assert "40 clips are too few to halve." in table.notes[0]


def test_it_is_written_unrounded_and_read_back_for_the_page(tmp_path):
    table = chance_table(SEEDS, corpus="noise", settings=SETTINGS)
    table.write(tmp_path, "table2b")
    (shown,) = read_tables(tmp_path)
    assert [cell.text for cell in shown.rows[0]][1] == "AOC"
    assert len(shown.rows) == 2 * len(METHODS)
    found = {(one.method, one.test): one for one in standings(SEEDS, SETTINGS)}
    with (tmp_path / "table2b.csv").open() as file:
        for row in csv.DictReader(file):
            for test in ("aoc", "voc"):
                one = found[row["method"], test]
                assert float(row[f"{test}_chance_low"]) == one.chance.low
                assert float(row[f"{test}_p_holm"]) == pytest.approx(one.p_holm)
                assert float(row[f"{test}_low"]) == max(one.tau.interval()[0], -1)
