"""`erclap export`: trained heads to a model's folder, which needs neither a corpus nor a cache."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.config import Params, Plane, load_params
from pipeline.methods import MEASURED_CAPTIONS, METHODS, OURS, PLUS, method, training_settings
from stages.evaluate import corpus_name
from stages.tables import METRICS_FILE
from stages.using import MODEL

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from pipeline.features import FeatureStore
    from pipeline.recipe import Recipe
    from pipeline.use import CaptionBank, EmotionRankCLAP, Encoder, Model

HEADLINE = ("aoc", "voc", "w1", "mmd")
"""The figures of both tables, as results/metrics.json has them."""


@click.command("export")
@click.argument("folder", type=click.Path(path_type=Path), default=MODEL)
@click.option(
    "--method",
    "name",
    metavar="METHOD",
    help=f"One of train.methods. Without it: {PLUS} or {OURS} where they are there, or the first.",
)
@click.option("--seed", type=int, metavar="N", help="Of those that were trained. Without it: the first.")
def command(folder: Path, name: str | None, seed: int | None) -> None:
    """Write the heads of a method as a model's folder, by default results/model.

    It holds the heads, which encoders they are for, a bank of captions, what was measured and a card, and is all
    that `EmotionRankCLAP.from_pretrained` and `erclap index` need. Heads that are not as params.yaml asks are
    refused, and so is a folder of something else. A card that was changed is kept.
    """
    from pipeline.use import check_ours

    params = load_params()
    name = _chosen_method(name, params.train.methods)
    seed = _chosen_seed(seed, params.train.seed_range)
    check_ours(folder)  # before the work
    model = _model(name, seed, params)
    model.save_pretrained(folder)
    click.echo(
        f"{folder}: {METHODS[name].title}, seed {seed}, {len(model.bank)} captions, model {model.digest}; next: "
        f"`erclap index DIR{'' if folder == Path(MODEL) else f' --model {folder}'}`"
    )


def _chosen_method(name: str | None, trained: Sequence[str]) -> str:
    if name is None:
        return next((wanted for wanted in (PLUS, OURS) if wanted in trained), trained[0])
    method(name)
    if name not in trained:
        raise ValueError(f"--method must be one of train.methods, {', '.join(trained)}, found {name}")
    return name


def _chosen_seed(seed: int | None, trained: range) -> int:
    if seed is None:
        return trained[0]
    if seed not in trained:
        raise ValueError(f"--seed must be {trained[0]} to {trained[-1]}, as params.yaml has it, found {seed}")
    return seed


def _model(name: str, seed: int, params: Params) -> EmotionRankCLAP:
    """The model of checked heads, with its captions."""
    from pipeline.features import open_stores
    from pipeline.manifest import Manifest
    from pipeline.sentences import read_learnt
    from pipeline.training import load_heads, read_history, seed_folder
    from pipeline.use import EmotionRankCLAP, Model

    stores, manifest, chosen = open_stores(params.extract), Manifest.read(), METHODS[name]
    speech, text = (store.recipe for store in stores)
    trained, settings = seed_folder(name, seed), training_settings(params.train, name)
    heads = load_heads(
        trained, [speech, text], settings, labels=manifest.labels_digest(), learnt=read_learnt(name)
    )
    origin = {
        "version": version("emotionrankclap"),
        "method": name,
        "title": chosen.title,
        "loss": chosen.loss,
        "seed": seed,
        "settings": settings,
        "corpus": {
            "name": corpus_name(params),
            "synthetic": params.prepare.corpus == "sample",
            "clips": dict(sorted(Counter(manifest.strings("split")).items())),
        },
        "captioner": _captioner(params) if chosen.captions == MEASURED_CAPTIONS else None,
        "figures": _figures(name, seed, read_history(trained)),
    }
    model = Model(heads, _encoder(speech), _encoder(text), origin=origin)
    return EmotionRankCLAP(replace(model, bank=_bank(model, stores[1], params)))


def _encoder(recipe: Recipe) -> Encoder:
    """What a recipe says of its encoder: of the hub's, the commit; a local folder's name is without its path."""
    from pipeline.use import Encoder

    return Encoder(recipe.model, None if recipe.revision.startswith("sha256:") else recipe.revision, recipe)


def _captioner(params: Params) -> str:
    if params.caption.captioner == "llm" and params.caption.llm:
        return f"the language model {params.caption.llm.model}"
    return "the offline lexicon"


def _figures(name: str, seed: int, history: Sequence[Mapping[str, float]]) -> dict[str, Any] | None:
    """What `erclap eval` measured of the heads that have this history; None where it was of others, or of none."""
    from pipeline.report.results import read_details
    from pipeline.support import read_json_object

    try:
        details, metrics = read_details(), read_json_object(METRICS_FILE, made_by="erclap eval").get(name, {})
    except RuntimeError as error:
        _without_figures(str(error))
        return None
    columns = ("train_loss", "validation_loss", "temperature")
    measured = [
        [row[column] for column in columns]
        for row in sorted(details.epochs, key=lambda row: int(row["epoch"]))
        if (row["method"], row["seed"]) == (name, seed)
    ]
    lists = [row for row in details.lists if (row["method"], row["seed"], row["test"]) == (name, seed, "aoc")]
    if not lists or measured != [[row[column] for column in columns] for row in history]:
        _without_figures(f"{METRICS_FILE} is of other heads: run `erclap eval`")
        return None
    own = metrics.get("seeds", {}).get(f"seed-{seed}", metrics)
    return {
        "split": details.about["split"],
        "trials": len(
            {row["trial"] for row in details.trials if (row["method"], row["seed"]) == (name, seed)}
        ),
        "lists": len(lists),
    } | {measure: own[measure] for measure in HEADLINE if measure in own}


def _without_figures(reason: str) -> None:
    click.echo(f"the model has no figures: {reason}", err=True)


def _bank(model: Model, store: FeatureStore, params: Params) -> CaptionBank:
    """The captions of the plane, or the lexicon's of a grid, as the model embeds them."""
    from pipeline.features import sentence_key
    from pipeline.use import CaptionBank, EmotionRankCLAP

    texts, labels = _captions(params)
    keys = [sentence_key(text) for text in texts]
    folder = params.extract.text.model if model.text.was_a_folder else None
    embedder = EmotionRankCLAP(
        model, device="cpu", text_encoder=folder
    )  # where a sentence's bits are its own
    if store.missing(keys):
        return CaptionBank(texts, labels, embedder.embed_sentences(texts))
    return CaptionBank(texts, labels, embedder.embed_text_features(store.gather(keys)))


def _captions(params: Params) -> tuple[list[str], npt.NDArray[np.float64]]:
    """Distinct captions, and (M, 2) the valence and arousal that each describes."""
    import numpy as np

    from pipeline.captions import caption_plane
    from pipeline.sentences import PLANE_FILE, read_plane

    plane = read_plane() if PLANE_FILE.exists() else None
    if plane:
        rows: Iterator[tuple[str, list[float]]] = zip(plane.texts, plane.labels.tolist(), strict=True)
    else:
        table = caption_plane(Plane(), params.caption.seed, frozenset()).to_pylist()
        rows = ((row["text"], [row["valence"], row["arousal"]]) for row in table)
    distinct: dict[str, list[float]] = {}
    for text, label in rows:
        distinct.setdefault(text, label)
    return list(distinct), np.array(list(distinct.values()), np.float64)
