"""What the commands that use a model have in common: which one, and where its encoders are."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.config import PARAMS_FILE, load_params

if TYPE_CHECKING:
    from pipeline.use import EmotionRankCLAP

MODEL = "results/model"
"""Where `erclap export` leaves one."""

INDEX = "results/index"
"""Where `erclap index` leaves one."""


def model_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """--model, a folder or a hub name."""
    return click.option(
        "--model",
        envvar="ERCLAP_MODEL",
        default=MODEL,
        show_default=True,
        metavar="FOLDER",
        help="A model's folder or hub name. As ERCLAP_MODEL.",
    )(command)


def index_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """--index, the folder of an index."""
    return click.option(
        "--index",
        "index_folder",
        envvar="ERCLAP_INDEX",
        default=INDEX,
        show_default=True,
        type=click.Path(path_type=Path),
        metavar="FOLDER",
        help="An index's folder. As ERCLAP_INDEX.",
    )(command)


def open_model(name: str) -> EmotionRankCLAP:
    """The model of that name. Raises ValueError where there is none.

    An encoder that was a local folder is looked for where ERCLAP_SPEECH_ENCODER or ERCLAP_TEXT_ENCODER say, or
    else where the project's params.yaml does.
    """
    if name == MODEL and not Path(name).is_dir():
        raise ValueError(
            f"a model must be in {MODEL}, found none: run `erclap export` in a project that has trained one, or "
            f"name one with --model"
        )
    from pipeline.use import EmotionRankCLAP

    model = EmotionRankCLAP.from_pretrained(name)
    extract = load_params().extract if PARAMS_FILE.exists() else None
    for kind, encoder in (("speech", model.model.speech), ("text", model.model.text)):
        if folder := os.environ.get(f"ERCLAP_{kind.upper()}_ENCODER"):
            model.encoder_folders[kind] = folder
        elif encoder.was_a_folder and extract:
            model.encoder_folders[kind] = getattr(extract, kind).model
    return model
