"""`erclap eval`: trained heads measured as the paper does."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from pipeline.config import Params, load_params
from pipeline.methods import METHODS, Contender, training_settings
from stages.engine import LOCAL, Engine, on_engine
from stages.tables import CURVES_FOLDER, METRICS_FILE, PLOTS_FOLDER, TABLES_FOLDER, command as print_tables

if TYPE_CHECKING:
    from pipeline.features import FeatureStore, Pairs, PairSource, PlaneTexts

UNNAMED_FOLDER = Path("results/unnamed")
"""Where heads go of methods that train.methods does not name any more."""

TRAINING_BYTES = 128 * 2**20
"""Of the training split's features at a time, which ceilings are fitted to."""

CORPUS_NAMES = {
    "sample": "sample corpus (synthetic speech)",
    "msp-podcast": "MSP-Podcast",
    "iemocap": "IEMOCAP",
}


@click.command("eval")
@click.option("--quiet", is_flag=True, help="Write the tables without printing them.")
@on_engine
@click.pass_context
def command(ctx: click.Context, quiet: bool, engine: Engine) -> None:
    """Measure the trained heads of train.methods, of each seed, and make both tables of the paper.

        Table 1: MMD and Wasserstein distance between speech and caption embeddings. Table 2: ordinal consistency
    of retrieval by Kendall's tau; Table 2b: the same against chance and over other draws. Another holds
    further measures. Embeddings of other models in data/others are measured beside them. Writes
    results/metrics.json, and tables, plots and training curves to results/.

    --engine ray measures on all nodes of a Ray cluster: that at the address, or one of this machine's own.
    """
    params = load_params()
    _set_aside_unnamed(params.train.methods)
    evaluate(params, engine)
    if quiet:
        click.echo(f"{TABLES_FOLDER}/, {PLOTS_FOLDER}/: `erclap tables` prints the tables")
    else:
        ctx.invoke(print_tables)


def evaluate(params: Params, engine: Engine = LOCAL) -> None:
    """Measure every seed's heads and write everything that it comes to, or nothing."""
    from pipeline.features import open_stores, sentence_key
    from pipeline.measures import Entry, Projected, evaluate_entries, measure_ceilings
    from pipeline.others import read_others
    from pipeline.report.results import (
        DETAILS_FOLDER,
        about_run,
        metrics_json,
        write_curves,
        write_details,
        write_plots,
        write_tables,
    )
    from pipeline.sentences import read_learnt, read_prompts
    from pipeline.support import replacing_folder, write_text
    from pipeline.training import load_heads, read_history, seed_folder

    stores = open_stores(params.extract)
    splits = _read_splits(params, stores)
    prompts = read_prompts()
    others = {
        name: other.of(
            (splits.measured.ids, splits.measured.labels, f"split {params.evaluate.split}"),
            (splits.probed.ids, splits.probed.labels, f"split {params.evaluate.probe_split}"),
        )
        for name, other in read_others(METHODS, prompts).items()
    }
    for other in others.values():
        if other.unused:
            click.echo(f"{other.path}: not used: {', '.join(other.unused)}")
    prompt_features = stores[1].gather([sentence_key(prompt.text) for prompt in prompts])
    recipes = [store.recipe for store in stores]
    folders = {
        seed: {name: seed_folder(name, seed) for name in params.train.methods}
        for seed in params.train.seed_range
    }
    heads = {
        seed: {
            name: load_heads(
                folder,
                recipes,
                training_settings(params.train, name),
                labels=splits.labels,
                learnt=read_learnt(name),
            )
            for name, folder in of_seed.items()
        }
        for seed, of_seed in folders.items()
    }
    histories = {
        seed: {name: read_history(folder) for name, folder in of_seed.items()}
        for seed, of_seed in folders.items()
    }
    ceilings = measure_ceilings(
        splits.training, splits.development, splits.measured, prompts, prompt_features, splits.plane
    )
    entries: dict[int, dict[str, Entry]] = {
        seed: {
            name: Projected(one, splits.measured, prompt_features, splits.probed)
            for name, one in of_seed.items()
        }
        for seed, of_seed in heads.items()
    }
    first = params.train.seed
    entries[first] |= others  # which have no seeds, and stand with the first
    contenders: dict[str, Contender] = {**METHODS, **others}
    if engine.ray:
        from pipeline.scale import evaluate_on_ray

        evaluations = evaluate_on_ray(
            entries, contenders, splits.measured, prompts, params.evaluate, engine.address
        )
    else:
        evaluations = {}
        for seed, of_seed in entries.items():
            found = evaluate_entries(
                of_seed,
                contenders,
                splits.measured,
                prompts,
                params.evaluate,
                workers=params.runtime.threads,
            )
            # Maps are of the first seed alone.
            evaluations[seed] = found if seed == first else replace(found, embedded={})
    corpus = f"{corpus_name(params)}, {params.evaluate.split}"
    with (
        replacing_folder(TABLES_FOLDER) as tables,
        replacing_folder(PLOTS_FOLDER) as plots,
        replacing_folder(CURVES_FOLDER) as curves,
        replacing_folder(DETAILS_FOLDER) as details,
    ):
        write_tables(
            evaluations,
            params.evaluate,
            corpus,
            params.caption.captioner,
            tables,
            ceilings=ceilings,
            notes=params.foreign_encoders,
        )
        write_plots(evaluations, histories, corpus, plots)
        write_curves(histories, curves)
        write_details(evaluations, histories, prompts, about_run(params, corpus, stores), details)
    write_text(metrics_json(evaluations, ceilings), METRICS_FILE)


def _set_aside_unnamed(methods: Collection[str]) -> None:
    """Move heads of methods that params.yaml does not name out of what DVC hashes for this stage.

    They would make the evaluation stale for everyone who has none of them.
    """
    from pipeline.training import MODELS_FOLDER

    for folder in sorted(MODELS_FOLDER.glob("[!.]*/")):
        if folder.name in methods:
            continue
        UNNAMED_FOLDER.mkdir(parents=True, exist_ok=True)
        names = chain([folder.name], (f"{folder.name}-{number}" for number in count(2)))
        place = next(UNNAMED_FOLDER / name for name in names if not (UNNAMED_FOLDER / name).exists())
        folder.rename(place)
        click.echo(f"{folder}: train.methods does not name it, its heads are now in {place}")


class _Splits(NamedTuple):
    """The pairs of an evaluation; but for those of training, they are in memory."""

    measured: Pairs
    probed: Pairs
    """Those that probes are fitted to."""
    training: PairSource
    """Those that ceilings are fitted to."""
    development: Pairs
    """Those that the penalties of ceilings are chosen on."""
    plane: PlaneTexts | None
    """Captions of no clip, where the project has any."""
    labels: str
    """The digest of the labels that all are of."""


def _read_splits(params: Params, stores: tuple[FeatureStore, FeatureStore]) -> _Splits:
    from pipeline.features import gather_pairs, gather_plane, open_pairs
    from pipeline.manifest import DEVELOPMENT, TRAIN, Manifest
    from pipeline.methods import MEASURED_CAPTIONS
    from pipeline.sentences import read_captions, read_plane

    manifest = Manifest.read()
    labels = manifest.labels_digest()
    captions = read_captions(MEASURED_CAPTIONS, labels=labels)
    measured, probed = params.evaluate.split, params.evaluate.probe_split
    gathered = {
        split: gather_pairs(manifest.split(split), captions, *stores)
        for split in {measured: None, probed: None, DEVELOPMENT: None}
    }
    training = open_pairs(manifest.split(TRAIN), captions, *stores, memory=TRAINING_BYTES, batch_size=1)
    plane = read_plane()
    return _Splits(
        gathered[measured],
        gathered[probed],
        training,
        gathered[DEVELOPMENT],
        gather_plane(plane, stores[1]) if len(plane) else None,
        labels,
    )


def corpus_name(params: Params) -> str:
    """How the tables call the corpus: never without the word that it is synthetic where it is."""
    if params.prepare.corpus == "table" and params.prepare.table:
        return params.prepare.table.name or Path(params.prepare.table.file).name
    return CORPUS_NAMES.get(params.prepare.corpus, params.prepare.corpus)
