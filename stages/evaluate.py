"""`erclap eval`: trained heads measured as the paper does."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import click

from pipeline.config import Params, load_params
from pipeline.methods import METHODS
from stages.tables import CURVES_FOLDER, METRICS_FILE, PLOTS_FOLDER, TABLES_FOLDER
from stages.tables import command as print_tables


@click.command("eval")
@click.option("--quiet", is_flag=True, help="Write the tables without printing them.")
@click.pass_context
def command(ctx: click.Context, quiet: bool) -> None:
    """Measure the trained heads of train.methods and make both tables of the paper.

    Table 1: MMD and Wasserstein distance between speech and caption embeddings. Table 2: ordinal consistency
    of retrieval by Kendall's tau. Writes results/metrics.json, and tables, plots and training curves to
    results/.
    """
    params = load_params()
    evaluate(params)
    if quiet:
        click.echo(f"{TABLES_FOLDER}/, {PLOTS_FOLDER}/: `erclap tables` prints the tables")
    else:
        ctx.invoke(print_tables)


def evaluate(params: Params) -> None:
    """Run both tests and write everything that they come to."""
    from pipeline.captions.tables import read_captions, read_prompts
    from pipeline.evaluation import draw_trials, embed, measure_alignment, measure_ordinality
    from pipeline.feature_store import sentence_key
    from pipeline.files import write_csv, write_parquet, write_text
    from pipeline.heads import HISTORY_FILE, MODELS_FOLDER, load_heads
    from pipeline.manifest import Manifest
    from pipeline.pairs import gather_pairs, open_stores
    from pipeline.progress import Progress
    from pipeline.report.plots import plot_embeddings, plot_tau, plot_training
    from pipeline.report.records import list_records, retrieval_records, trial_records
    from pipeline.report.tables import alignment_table, metrics, ordinality_table, significance_rows

    settings, names = params.evaluate, params.train.methods
    test_split = Manifest.read().split(settings.split)
    speech, text = open_stores(params.extract)
    pairs = gather_pairs(test_split, read_captions("va"), speech, text)
    prompts = read_prompts()
    prompt_features = text.gather([sentence_key(prompt.text) for prompt in prompts])
    embedded, histories = {}, {}
    for name in names:
        heads, _ = load_heads(MODELS_FOLDER / name)
        embedded[name] = embed(heads, pairs.speech, pairs.text, prompt_features)
        if history := _read_history(MODELS_FOLDER / name / HISTORY_FILE):
            histories[name] = history

    ordinality = {name: measure_ordinality(embedded[name], prompts, pairs.labels) for name in names}
    taus = {name: {test: found.tau for test, found in tests.items()} for name, tests in ordinality.items()}
    aligned = {name: embedded[name] for name in names if METHODS[name].aligned}
    trials = draw_trials(len(pairs), settings.pairs, settings.trials, settings.seed)
    with Progress("alignment", len(aligned) * len(trials), "trials") as progress:
        readings = measure_alignment(
            aligned, trials, workers=params.runtime.workers, advance=progress.advance
        )

    corpus = f"{_corpus_name(params)}, {settings.split}"
    for folder in (TABLES_FOLDER, PLOTS_FOLDER, CURVES_FOLDER):
        shutil.rmtree(folder, ignore_errors=True)
    if readings:
        alignment_table(
            readings, corpus=corpus, pairs=settings.pairs, available=len(pairs), alpha=settings.alpha
        ).write(TABLES_FOLDER, "table1")
        write_parquet(trial_records(readings), TABLES_FOLDER / "alignment_trials.parquet")
    ordinality_table(taus, corpus=corpus, pool=len(pairs), alpha=settings.alpha).write(
        TABLES_FOLDER, "table2"
    )
    write_parquet(list_records(ordinality), TABLES_FOLDER / "ordinality_lists.parquet")
    write_parquet(
        retrieval_records(ordinality, pairs.ids, pairs.labels),
        TABLES_FOLDER / "ordinality_retrievals.parquet",
    )
    significance = significance_rows(readings, higher_is_better=False) + significance_rows(
        taus, higher_is_better=True
    )
    if significance:
        write_csv(significance, TABLES_FOLDER / "significance.csv")
    write_text(json.dumps(metrics(readings, taus), indent=2, sort_keys=True) + "\n", METRICS_FILE)

    for name in names:
        plot_embeddings(
            embedded[name],
            pairs.labels,
            f"{METHODS[name].title}: {corpus}",
            PLOTS_FOLDER / f"embeddings_{name}.png",
        )
    plot_tau(taus, f"Ordinal consistency: {corpus}", PLOTS_FOLDER / "tau.png")
    for name, history in histories.items():
        write_csv(history, CURVES_FOLDER / f"{name}.csv")
    if histories:
        plot_training(histories, PLOTS_FOLDER / "training.png")


def _corpus_name(params: Params) -> str:
    """How the tables call the corpus: never without the word that it is synthetic where it is."""
    if params.prepare.corpus == "sample":
        return "sample corpus (synthetic speech)"
    return Path(params.prepare.table.file).name if params.prepare.table else params.prepare.corpus


def _read_history(path: Path) -> list[dict[str, float]]:
    with path.open(encoding="utf-8") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
