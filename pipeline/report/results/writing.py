"""An evaluation as files: tables, plots, curves, metrics."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TypedDict

import numpy as np
import pyarrow as pa

from pipeline.config import Evaluate
from pipeline.measures import Evaluation, mapped_rows
from pipeline.methods import Contender
from pipeline.report.results.ceilings import Ceilings, ceiling_metrics
from pipeline.report.results.chance import chance_table, halves_of_seeds
from pipeline.report.results.comparisons import Comparison, Scores, compare, compare_alignment
from pipeline.report.results.detail_files import Row
from pipeline.report.results.plots import plot_embeddings, plot_tau, plot_training
from pipeline.report.results.records import Evaluations, list_rows, retrieval_rows, trial_rows
from pipeline.report.results.table import Table
from pipeline.report.results.tables import (
    alignment_table,
    caption_notes,
    further_table,
    metrics,
    ordinality_table,
)
from pipeline.support import write_csv, write_parquet


class _Shared(TypedDict):
    """What all tables are told."""

    corpus: str
    settings: Evaluate
    contenders: Mapping[str, Contender]


Histories = Mapping[str, Sequence[Mapping[str, float]]]
"""Method → epochs; none for heads that were not trained."""


def scores_of_seeds(evaluations: Evaluations) -> tuple[Scores, Scores, Scores]:
    """The values of Table 1, of Table 2 and of the further measures, the seeds stacked that have them."""
    every = list(evaluations.values())
    readings, taus, further = (
        {
            name: {
                measure: np.stack([np.atleast_1d(one[name][measure]) for one in values if name in one])
                for measure in found
            }
            for name, found in values[0].items()
        }
        for values in (
            [one.readings for one in every],
            [one.taus for one in every],
            [one.further for one in every],
        )
    )
    return readings, taus, further


def build_tables(
    evaluations: Evaluations,
    settings: Evaluate,
    corpus: str,
    captioner: str | None = None,
    *,
    ceilings: Ceilings | None = None,
    notes: Sequence[str] = (),
) -> dict[str, Table]:
    """The paper's two tables, the first where a method belongs in it, and the third, by their files' names.

    `captioner` is who wrote captions and prompts, where that is known; `ceilings` stand in Table 2, below the
    methods, and `notes` below each table, after its own.
    """
    readings, taus, further = scores_of_seeds(evaluations)
    first, every = _first(evaluations), list(evaluations.values())
    shared = _Shared(corpus=corpus, settings=settings, contenders=first.contenders)
    tables = {}
    if readings:
        tables["table1"] = alignment_table(
            readings,
            available=len(first.pairs),
            notes=[*caption_notes(captioner, readings), *notes],
            **shared,
        )
    tables["table2"] = ordinality_table(
        taus,
        pool=len(first.pairs.distinct()),
        ceilings=ceilings,
        halves=halves_of_seeds(every),
        notes=[*caption_notes(captioner, taus), *notes],
        **shared,
    )
    tables["table2b"] = chance_table(every, corpus=corpus, settings=settings, notes=notes)
    tables["further"] = further_table(further, available=len(first.pairs), notes=notes, **shared)
    return tables


def write_tables(
    evaluations: Evaluations,
    settings: Evaluate,
    corpus: str,
    captioner: str,
    folder: Path,
    *,
    ceilings: Ceilings | None = None,
    notes: Sequence[str] = (),
) -> None:
    """Write the tables as CSV, markdown and text, the p-values, and every trial, list and retrieval.

    `ceilings` stand in Table 2, below the methods; `notes` below each table, after its own.
    """
    tables = build_tables(evaluations, settings, corpus, captioner, ceilings=ceilings, notes=notes)
    for name, table in tables.items():
        table.write(folder, name)
    readings, taus, _ = scores_of_seeds(evaluations)
    if readings:
        _write_rows(trial_rows(evaluations), folder / "alignment_trials.parquet")
    _write_rows(list_rows(evaluations), folder / "ordinality_lists.parquet")
    _write_rows(retrieval_rows(evaluations), folder / "ordinality_retrievals.parquet")
    first, halves = _first(evaluations), halves_of_seeds(list(evaluations.values()))
    tests = [
        *compare_alignment(
            readings, pairs=settings.pairs, available=len(first.pairs), contenders=first.contenders
        ),
        *compare(taus, higher_is_better=True, halves=halves, contenders=first.contenders),
    ]
    columns = [field.name for field in fields(Comparison)]
    write_csv([asdict(test) for test in tests], folder / "significance.csv", columns)


def write_plots(
    evaluations: Evaluations, histories: Mapping[int, Histories], corpus: str, folder: Path
) -> None:
    """Draw tau by method, averaged over the seeds, and the first seed's embeddings and training curves."""
    first = _first(evaluations)
    labels = first.pairs.labels[mapped_rows(len(first.pairs))]
    for name, embedded in first.embedded.items():
        title = f"{first.contenders[name].title}: {corpus}"
        plot_embeddings(embedded, labels, title, folder / f"embeddings_{name}.png")
    _, taus, _ = scores_of_seeds(evaluations)
    averaged = {name: {test: v.mean(axis=0) for test, v in tests.items()} for name, tests in taus.items()}
    titled = {first.contenders[name].title: tests for name, tests in averaged.items()}
    plot_tau(titled, f"Ordinal consistency: {corpus}", folder / "tau.png")
    trained = {name: history for name, history in next(iter(histories.values())).items() if history}
    if trained:
        plot_training(trained, folder / "training.png")


def write_curves(histories: Mapping[int, Histories], folder: Path) -> None:
    """Write the epochs of each method and seed as CSV, for `dvc plots`."""
    for seed, of_seed in histories.items():
        for name, history in of_seed.items():
            if history:
                write_csv(history, folder / f"{name}-seed-{seed}.csv")


def metrics_json(evaluations: Evaluations, ceilings: Ceilings | None = None) -> str:
    """The headline figures and the further measures, and `ceilings` where there are any, for `dvc metrics`."""
    found = metrics(*scores_of_seeds(evaluations), seeds=list(evaluations))
    if ceilings:
        found["ceilings"] = ceiling_metrics(ceilings)
    return json.dumps(found, indent=2, sort_keys=True, allow_nan=False) + "\n"


def _write_rows(rows: Iterable[Row], path: Path) -> None:
    write_parquet(pa.Table.from_pylist(list(rows)), path)


def _first(evaluations: Evaluations) -> Evaluation:
    return next(iter(evaluations.values()))
