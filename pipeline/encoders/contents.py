"""Which files of a checkpoint are needed, told by their names: of a folder, or of a hub's listing."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

CONFIG = "config.json"
TOKENIZER = "tokenizer.json"
OLDER_TOKENIZER = ("vocab.json", "merges.txt")
SETTINGS_OF_OLDER = ("special_tokens_map.json", "added_tokens.json")
TOKENIZER_SETTINGS = "tokenizer_config.json"


@dataclass(frozen=True)
class Format:
    """How weights lie in a folder: in one file, or in several that an index names."""

    whole: str
    index: str
    part: re.Pattern[str]
    pickled: bool


FORMATS = (
    Format(
        "model.safetensors",
        "model.safetensors.index.json",
        re.compile(r"model-\d+-of-\d+\.safetensors"),
        False,
    ),
    Format(
        "pytorch_model.bin",
        "pytorch_model.bin.index.json",
        re.compile(r"pytorch_model-\d+-of-\d+\.bin"),
        True,
    ),
)
"""Safetensors first: pickled weights are looked at where there is nothing else."""


def format_of(names: Collection[str]) -> Format | None:
    """The format of the weights that would be loaded from files of these names; None where there are none."""
    return next((f for f in FORMATS if f.whole in names or f.index in names), None)


def needed(names: Collection[str]) -> list[str]:
    """Those of the files that loading needs: configuration, tokenizer, weights in one format, and no code."""
    tokenizer = (TOKENIZER,) if TOKENIZER in names else (*OLDER_TOKENIZER, *SETTINGS_OF_OLDER)
    small = [name for name in (CONFIG, *tokenizer, TOKENIZER_SETTINGS) if name in names]
    found = format_of(names)
    if found is None:
        return small
    if found.index not in names:
        return [*small, found.whole]
    return [*small, found.index, *sorted(name for name in names if found.part.fullmatch(name))]


def parts_of(index: Path) -> list[str]:
    """The files that an index of weights names. Raises RuntimeError where it is no such index."""
    try:
        names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        return sorted(PurePosixPath(name).name for name in names)  # they lie beside it, whatever it says
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RuntimeError(f"{index} must map tensors to files by 'weight_map': {error!r}") from error


def parts_named(file: Path) -> list[str]:
    """The files that a file names, where it is an index of weights. Raises RuntimeError as `parts_of`."""
    return parts_of(file) if file.name in {f.index for f in FORMATS} else []


def lacking(folder: Path) -> str | None:
    """What a folder lacks to be loaded, or None where all is there; of weights only that the files are there."""
    names = {path.name for path in folder.iterdir() if path.is_file()}
    if CONFIG not in names:
        return CONFIG
    found = format_of(names)
    if found is None:
        return " or ".join(f.whole for f in FORMATS)
    if found.index in names and (absent := sorted(set(parts_of(folder / found.index)) - names)):
        return ", ".join(absent)
    if _reads_text(folder / CONFIG) and TOKENIZER not in names and not set(OLDER_TOKENIZER) <= names:
        return f"{TOKENIZER}, or {' and '.join(OLDER_TOKENIZER)}"
    return None


def _reads_text(config: Path) -> bool:
    try:
        written = json.loads(config.read_text(encoding="utf-8"))
    except ValueError:
        return False  # which is said when it is loaded
    return isinstance(written, dict) and written.get("model_type") == "roberta"
