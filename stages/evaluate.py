"""`erclap eval`: trained heads measured as the paper does."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.config import Params, load_params, training_settings
from stages.tables import CURVES_FOLDER, METRICS_FILE, PLOTS_FOLDER, TABLES_FOLDER
from stages.tables import command as print_tables

CORPUS_NAMES = {
    "sample": "sample corpus (synthetic speech)",
    "msp-podcast": "MSP-Podcast",
    "iemocap": "IEMOCAP",
}


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
    """Run both tests and write everything that they come to, or nothing."""
    from pipeline.captions.tables import read_captions, read_prompts
    from pipeline.evaluation import evaluate_heads
    from pipeline.feature_store import sentence_key
    from pipeline.files import replacing_folder, write_text
    from pipeline.gathering import gather_pairs, open_stores
    from pipeline.heads import load_heads, read_history, seed_folder
    from pipeline.manifest import Manifest
    from pipeline.methods import MEASURED_CAPTIONS
    from pipeline.report.writing import metrics_json, write_curves, write_plots, write_tables

    stores = open_stores(params.extract)
    captions = read_captions(MEASURED_CAPTIONS)
    pairs = gather_pairs(Manifest.read().split(params.evaluate.split), captions, *stores)
    prompts = read_prompts()
    prompt_features = stores[1].gather([sentence_key(prompt.text) for prompt in prompts])
    folders = {name: seed_folder(name, params.train.seed) for name in params.train.methods}
    recipes = [store.recipe for store in stores]
    heads = {
        name: load_heads(folder, recipes, training_settings(params, name)) for name, folder in folders.items()
    }
    evaluation = evaluate_heads(
        heads, pairs, prompts, prompt_features, params.evaluate, workers=params.runtime.threads
    )
    corpus = f"{_corpus_name(params)}, {params.evaluate.split}"
    histories = {name: read_history(folder) for name, folder in folders.items()}
    with (
        replacing_folder(TABLES_FOLDER) as tables,
        replacing_folder(PLOTS_FOLDER) as plots,
        replacing_folder(CURVES_FOLDER) as curves,
    ):
        write_tables(evaluation, params.evaluate, corpus, tables)
        write_plots(evaluation, histories, corpus, plots)
        write_curves(histories, curves)
    write_text(metrics_json(evaluation), METRICS_FILE)


def _corpus_name(params: Params) -> str:
    """How the tables call the corpus: never without the word that it is synthetic where it is."""
    if params.prepare.corpus == "table" and params.prepare.table:
        return Path(params.prepare.table.file).name
    return CORPUS_NAMES.get(params.prepare.corpus, params.prepare.corpus)
