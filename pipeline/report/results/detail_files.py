"""The files behind the page: every trial, list, retrieval, point of the maps and epoch, and what was run.

`erclap eval` writes them, `erclap report` reads them and nothing else but the tables, so the page needs neither
heads nor features.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.support import read_json_object, read_parquet, shown, write_parquet, write_text

DETAILS_FOLDER = Path("results/details")

ABOUT_FILE = "about.json"
ABOUT_KINDS: dict[str, type] = {
    "clips": int,
    "corpus": str,
    "methods": list,
    "origins": list,
    "recipes": list,
    "settings": dict,
    "split": str,
    "synthetic": bool,
    "titles": dict,
}
ABOUT_KEYS = tuple(ABOUT_KINDS)
RECIPE_KEYS, ORIGIN_KEYS = {"modality"}, {"modality", "rows", "first", "last"}
WORDS = {int: "a whole number", str: "text", list: "a list", dict: "an object", bool: "true or false"}

MADE_BY = "erclap eval"


def _required(**columns: pa.DataType) -> pa.Schema:
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in columns.items()])


SCHEMAS = {
    "trials": _required(
        method=pa.string(), seed=pa.int64(), trial=pa.int32(), reading=pa.string(), value=pa.float64()
    ),
    "lists": _required(
        method=pa.string(), seed=pa.int64(), test=pa.string(), list=pa.int32(), tau=pa.float64()
    ),
    "retrievals": _required(
        method=pa.string(),
        seed=pa.int64(),
        test=pa.string(),
        list=pa.int32(),
        position=pa.int32(),
        text=pa.string(),
        intended=pa.float64(),  # on the test's attribute, 0.5..7
        utterance_id=pa.string(),
        value=pa.float64(),  # the utterance's own, 1..7
    ),
    "maps": _required(
        method=pa.string(),
        seed=pa.int64(),
        modality=pa.string(),  # speech or captions
        x=pa.float64(),
        y=pa.float64(),
        x_share=pa.float64(),  # of the variance, the same for all points of a map
        y_share=pa.float64(),
        valence=pa.float64(),
        arousal=pa.float64(),
    ),
    "epochs": _required(
        method=pa.string(),
        seed=pa.int64(),
        epoch=pa.int32(),
        train_loss=pa.float64(),
        validation_loss=pa.float64(),
        temperature=pa.float64(),
    ),
}
"""File → its columns. A method has a row set for each seed that it was trained from."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Details:
    """The rows of each file in `SCHEMAS`, and what was run."""

    trials: list[Row]
    lists: list[Row]
    retrievals: list[Row]
    maps: list[Row]
    epochs: list[Row]
    about: Row
    """What JSON can hold, by `ABOUT_KEYS`."""

    def title_of(self, method: str) -> str:
        """A method's name in the tables."""
        return str(self.about["titles"].get(method, method))

    def write(self, folder: Path) -> None:
        """Write all files into a folder; the same details give the same bytes."""
        for name, schema in SCHEMAS.items():
            write_parquet(
                pa.Table.from_pylist(getattr(self, name), schema=schema), folder / f"{name}.parquet"
            )
        about = json.dumps(self.about, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
        write_text(about + "\n", folder / ABOUT_FILE)


def read_details(folder: Path = DETAILS_FOLDER) -> Details:
    """Read what `Details.write` wrote. Raises RuntimeError where a file is absent or garbled."""
    rows = {
        name: read_parquet(folder / f"{name}.parquet", schema, made_by=MADE_BY).to_pylist()
        for name, schema in SCHEMAS.items()
    }
    path = folder / ABOUT_FILE
    about = read_json_object(path, made_by=MADE_BY)
    if tuple(sorted(about)) != ABOUT_KEYS:
        raise RuntimeError(
            f"{path} must have the keys {', '.join(ABOUT_KEYS)}, found {shown(', '.join(sorted(about)))}: "
            f"run `{MADE_BY}` again"
        )
    evaluated = {row["method"] for name in SCHEMAS for row in rows[name]}
    if wrong := _wrong(about, evaluated):
        raise RuntimeError(f"{path}: {wrong}: run `{MADE_BY}` again")
    return Details(**rows, about=about)


def _wrong(about: Row, evaluated: set[str]) -> str | None:
    """What of it the page could not show, `evaluated` being the methods that there are figures of."""
    for key, kind in ABOUT_KINDS.items():
        if type(about[key]) is not kind:
            return f"{key} must be {WORDS[kind]}, found {shown(repr(about[key]))}"
    if not all(type(name) is str for name in about["methods"]):
        return f"methods must be names, found {shown(repr(about['methods']))}"
    if missing := sorted(evaluated - set(about["methods"])):
        return f"methods must name all that were evaluated, found no {shown(', '.join(missing))}"
    if untitled := [name for name in about["methods"] if type(about["titles"].get(name)) is not str]:
        return f"titles must name all methods, found none of {shown(untitled[0])}"
    for key, needed in (("recipes", RECIPE_KEYS), ("origins", ORIGIN_KEYS)):
        for number, entry in enumerate(about[key]):
            if type(entry) is not dict or not needed <= entry.keys():
                return f"{key}[{number}] must have {', '.join(sorted(needed))}, found {shown(repr(entry))}"
    return None
