"""What the study's runs came to: kept, read and as tables.

A part of the study, no command.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.measures import paired_test
from plus_study.candidates import BASELINES
from plus_study.stages import STAGES

RESULTS = Path("data/simulated/study.jsonl")

MEASURES = ("aoc", "voc", "w1", "mmd", "gap", "spread")

Row = dict[str, float | str]


def keep_results(rows: Sequence[Row]) -> None:
    with RESULTS.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def read_results() -> list[dict[str, float | str]]:
    """Every run so far, the last of a kind."""
    if not RESULTS.is_file():
        return []
    rows = [json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines()]
    return list({(r["stage"], r["candidate"], r["world"], r["seed"]): r for r in rows}.values())


def print_tables() -> None:
    """Each stage: a row a candidate, and for those with five seeds how it differs from both baselines."""
    rows = read_results()
    for stage in STAGES:
        of_stage: dict[str, dict[tuple[float | str, float | str], dict[str, float | str]]] = {}
        for row in rows:
            if row["stage"] == stage:
                of_stage.setdefault(str(row["candidate"]), {})[row["world"], row["seed"]] = row
        if not of_stage:
            continue
        runs = len(next(iter(of_stage.values())))
        print(f"\n`{stage}`, {runs} runs each, mean ± std over runs:\n")
        print(
            "| candidate | AOC | VOC | their mean | W1 | MMD | gap |\n| --- | --- | --- | --- | --- | --- | --- |"
        )
        for name, found in of_stage.items():
            both = np.mean([(_figures(found, m)).mean() for m in ("aoc", "voc")])
            cells = [
                f"{_figures(found, m).mean():.3f} ± {_figures(found, m).std(ddof=1):.3f}" for m in MEASURES
            ]
            print(f"| {name} | {' | '.join([*cells[:2], f'{both:.3f}', *cells[2:]])} |")
        if runs >= 5 * len(STAGES[stage].worlds):
            _print_differences(of_stage)


def _figures(found: dict, measure: str) -> np.ndarray:
    return np.array([found[key][measure] for key in sorted(found)])


def _print_differences(of_stage: dict[str, dict]) -> None:
    print("\n| candidate less baseline | world | AOC | p | VOC | p | W1 | p |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name in of_stage:
        for baseline in BASELINES:
            if name in BASELINES or baseline not in of_stage:
                continue
            worlds = sorted({world for world, _ in of_stage[name]})
            for chosen in (*([world] for world in worlds), worlds):
                ours, theirs = (
                    {key: row for key, row in of_stage[which].items() if key[0] in chosen}
                    for which in (name, baseline)
                )
                cells = []
                for measure in MEASURES[:3]:
                    pair = _figures(ours, measure), _figures(theirs, measure)
                    cells += [f"{(pair[0] - pair[1]).mean():+.3f}", f"{paired_test(*pair):.1e}"]
                which = str(chosen[0]) if len(chosen) == 1 else "all"
                print(f"| {name} − {baseline} | {which} | {' | '.join(cells)} |")
