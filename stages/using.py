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


def open_model(name: str) -> EmotionRankCLAP:
    """The model of that name. Raises ValueError where there is none.

    An encoder that was a local folder is looked for where ERCLAP_SPEECH_ENCODER or ERCLAP_TEXT_ENCODER say, or else
    the project's params.yaml.
    """
    if name == MODEL and not Path(name).is_dir():
        raise ValueError(
            f"a model must be in {MODEL}, found none: run `erclap export` in a project that has trained one, or "
            f"name one with --model"
        )
    from pipeline.use import EmotionRankCLAP

    extract = load_params().extract if PARAMS_FILE.exists() else None
    folders: dict[str, str | None] = {}
    for kind in ("speech", "text"):
        asked = getattr(extract, kind).model if extract else None
        here = asked if asked and Path(asked).is_dir() else None
        folders[f"{kind}_encoder"] = os.environ.get(f"ERCLAP_{kind.upper()}_ENCODER") or here
    return EmotionRankCLAP.from_pretrained(name, **folders)
