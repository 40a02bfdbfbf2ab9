"""A model to its folder, over nothing that is anybody else's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pipeline.support import replacing
from pipeline.use.bank import EMBEDDINGS_FILE, TEXTS_FILE
from pipeline.use.card import card_of
from pipeline.use.folder import CARD_FILE, CONFIG_FILE, HEADS_FILE, MODEL_TYPE, Model, files_of, owners_card

OURS = {CONFIG_FILE, HEADS_FILE, CARD_FILE, TEXTS_FILE, EMBEDDINGS_FILE}


def write_model(model: Model, folder: Path) -> None:
    """Write a model's files, each whole or not at all. A card that its owner has changed is kept.

    Raises ValueError where the folder is something else than a model's.
    """
    check_ours(folder)
    files = files_of(model, card_of(model))
    if owners_card(folder, _config(folder)) is not None:
        del files[CARD_FILE]
    for name, content in files.items():
        with replacing(folder / name) as temporary:
            temporary.write_bytes(content)
    if model.bank is None:
        for name in (TEXTS_FILE, EMBEDDINGS_FILE):
            (folder / name).unlink(missing_ok=True)


def check_ours(folder: Path) -> None:
    """Raise ValueError unless a folder is a model's, is empty, or is not there yet."""
    if not folder.exists() and not folder.is_symlink():
        return
    if not folder.is_dir():
        raise ValueError(f"a model must be written to a folder, found something else at {folder}")
    names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    if CONFIG_FILE in names:
        if _config(folder).get("model_type") != MODEL_TYPE:
            raise ValueError(
                f"a model must be written to a folder of its own, found another one's {CONFIG_FILE} in {folder}: "
                f"name another folder"
            )
    elif others := sorted(names - OURS):
        raise ValueError(
            f"a model must be written to a folder of its own, found {others[0]!r} in {folder}: name another folder"
        )


def _config(folder: Path) -> dict[str, Any]:
    """What config.json says, or nothing where that cannot be told."""
    try:
        written = json.loads((folder / CONFIG_FILE).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return written if isinstance(written, dict) else {}
