"""The folder of a project whose files are measured beside its own methods."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.methods import Contender
from pipeline.others.layout import Unfit
from pipeline.others.model import OtherModel
from pipeline.others.reading import read_model
from pipeline.sentences import PROMPTS_FILE, WordedPrompt

OTHERS_FOLDER = Path("data/others")

SUFFIXES = (".npz", ".parquet")

BESIDE = ("README.md", ".dvc")
"""How names end of what else may lie there."""

PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""A name that files of results and the page's marks can have."""


def read_others(
    methods: Mapping[str, Contender], prompts: Sequence[WordedPrompt], folder: Path = OTHERS_FOLDER
) -> dict[str, OtherModel]:
    """Every model in a folder by its file's stem, in the order of the stems; none where there is no folder.

    `prompts` are those that it must have embedded. Raises ValueError for a file that is no such model or is called
    like another, or like one of `methods`.
    """
    found: dict[str, OtherModel] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name.startswith(".") or path.name.endswith(BESIDE):
            continue
        if path.suffix not in SUFFIXES:
            raise Unfit(path, f"{folder} must hold .npz and .parquet files alone: see {folder}/README.md")
        if not PLAIN.fullmatch(path.stem):
            raise Unfit(
                path,
                "its name must be of the letters a to z, digits, dots and dashes: rename it, a `title` in it may "
                "be anything",
            )
        known: Mapping[str, Contender] = {**methods, **found}
        if path.stem in known:
            raise Unfit(path, f"its name must be its own, found another {path.stem}: rename it")
        model = read_model(path)
        if model.title in {other.title for other in known.values()}:
            raise Unfit(
                path, f"its title must be its own, found another {model.title!r}: put in another `title`"
            )
        model.check_prompts(prompts, str(PROMPTS_FILE))
        found[path.stem] = model
    return found
