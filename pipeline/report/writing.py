"""An evaluation as files: tables, plots, curves, metrics."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.config import Evaluate
from pipeline.evaluation import Evaluation
from pipeline.files import write_csv, write_parquet
from pipeline.methods import METHODS
from pipeline.report.plots import plot_embeddings, plot_tau, plot_training
from pipeline.report.records import list_records, retrieval_records, trial_records
from pipeline.report.tables import (
    alignment_table,
    caption_notes,
    metrics,
    ordinality_table,
    significance_rows,
)

Histories = Mapping[str, Sequence[Mapping[str, float]]]
"""Method → epochs; none for heads that were not trained."""


def write_tables(
    evaluation: Evaluation, settings: Evaluate, corpus: str, captioner: str, folder: Path
) -> None:
    """Write both tables as CSV, markdown and text, the p-values, and every trial, list and retrieval."""
    readings, taus, count = evaluation.readings, evaluation.taus, len(evaluation.pairs)
    if readings:
        alignment_table(
            readings,
            corpus=corpus,
            pairs=settings.pairs,
            available=count,
            alpha=settings.alpha,
            notes=caption_notes(captioner, readings),
        ).write(folder, "table1")
        write_parquet(trial_records(readings), folder / "alignment_trials.parquet")
    ordinality_table(
        taus, corpus=corpus, pool=count, alpha=settings.alpha, notes=caption_notes(captioner, taus)
    ).write(folder, "table2")
    write_parquet(list_records(evaluation.ordinality), folder / "ordinality_lists.parquet")
    retrievals = retrieval_records(evaluation.ordinality, evaluation.pairs.ids, evaluation.pairs.labels)
    write_parquet(retrievals, folder / "ordinality_retrievals.parquet")
    p_values = [
        *significance_rows(readings, higher_is_better=False),
        *significance_rows(taus, higher_is_better=True),
    ]
    write_csv(
        p_values, folder / "significance.csv", ["measure", "baseline", "mean_difference", "better", "p"]
    )


def write_plots(evaluation: Evaluation, histories: Histories, corpus: str, folder: Path) -> None:
    """Draw the embeddings of every method, tau by method, and the training curves."""
    for name, embedded in evaluation.embedded.items():
        title = f"{METHODS[name].title}: {corpus}"
        plot_embeddings(embedded, evaluation.pairs.labels, title, folder / f"embeddings_{name}.png")
    plot_tau(evaluation.taus, f"Ordinal consistency: {corpus}", folder / "tau.png")
    trained = {name: history for name, history in histories.items() if history}
    if trained:
        plot_training(trained, folder / "training.png")


def write_curves(histories: Histories, folder: Path) -> None:
    """Write each method's epochs as CSV, for `dvc plots`."""
    for name, history in histories.items():
        if history:
            write_csv(history, folder / f"{name}.csv")


def metrics_json(evaluation: Evaluation) -> str:
    """The headline figures, for `dvc metrics`."""
    return json.dumps(metrics(evaluation.readings, evaluation.taus), indent=2, sort_keys=True) + "\n"
