"""What was run, for readers elsewhere: settings without paths, recipes, and where the features come from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.config import Params
from pipeline.features import VERSIONS, FeatureStore, of_recipe, summarise
from pipeline.report.results.detail_files import Row
from pipeline.support import shown

SHARED_ORIGIN = ("host", "device", *VERSIONS)
"""What of a shard's origin goes on a page that may be handed on; who computed it does not."""


def about_run(params: Params, corpus: str, stores: Sequence[FeatureStore]) -> Row:
    """The corpus and its split, the params that change a result, and the recipe and origins of each store.

    Nothing that says where files lie on this machine is in it.
    """
    return {
        "corpus": corpus,
        "synthetic": params.prepare.corpus == "sample",
        "split": params.evaluate.split,
        "settings": public_settings(params),
        "recipes": [
            store.recipe.to_dict() | {"model": without_folder(store.recipe.model)} for store in stores
        ],
        "origins": [origin for store in stores for origin in _origins(store)],
    }


def public_settings(params: Params) -> Row:
    """The params but for `runtime`, folders, and the sections of other corpora."""
    settings = params.model_dump(exclude={"runtime"})
    prepare = settings["prepare"]
    own = params.prepare.corpus.replace("-", "_")
    settings["prepare"] = {"corpus": params.prepare.corpus, own: prepare.get(own)}
    if own == "table" and prepare["table"]:
        prepare["table"]["file"] = Path(prepare["table"]["file"]).name
    for encoder in ("speech", "text"):
        settings["extract"][encoder]["model"] = without_folder(settings["extract"][encoder]["model"])
    return settings


def without_folder(model: str) -> str:
    """A model's name; of one that is a folder on this machine, the folder's own name alone.

    >>> without_folder("owner/model"), without_folder("/home/me/models/mine")
    ('owner/model', 'mine')
    """
    path = Path(model)
    return path.name if path.is_absolute() or ".." in path.parts or path.is_dir() else model


def _origins(store: FeatureStore) -> list[Row]:
    return [
        {
            "modality": store.recipe.modality,
            "rows": contribution.rows,
            "first": shown(contribution.first),
            "last": shown(contribution.last),
            **{
                name: shown(contribution.origin[name])
                for name in SHARED_ORIGIN
                if name in contribution.origin
            },
        }
        for summary in summarise(of_recipe(store.folder.refresh(), store.recipe))
        for contribution in summary.contributions
    ]
