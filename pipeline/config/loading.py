"""params.yaml as typed models: an unknown key, a missing one or a wrong type is an error that names it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.config.captions import Caption
from pipeline.config.corpora import Prepare
from pipeline.config.encoders import Extract
from pipeline.config.reading import PARAMS_FILE, read_params
from pipeline.config.runtime import Runtime
from pipeline.config.section import Section
from pipeline.config.training import Evaluate, Train


class Params(Section):
    """The whole of params.yaml."""

    prepare: Prepare
    caption: Caption
    extract: Extract
    train: Train
    evaluate: Evaluate
    runtime: Runtime = Runtime()

    @property
    def foreign_encoders(self) -> list[str]:
        """A sentence for each encoder of the sample corpus that is used with another corpus."""
        if self.prepare.corpus == "sample":
            return []
        return [
            f"{section.model}, the {kind} encoder, was trained for the synthetic sample corpus alone: its "
            f"features of anything else mean little."
            for kind, section in (("speech", self.extract.speech), ("text", self.extract.text))
            if section.model.startswith("builtin:")
        ]


def load_params(path: Path = PARAMS_FILE) -> Params:
    """Read and check params.yaml. Raises ValueError with one line that names every key that is wrong."""
    try:
        return Params.model_validate(read_params(path))
    except ValidationError as error:
        raise ValueError(f"{path}: {'; '.join(_explain(detail) for detail in error.errors())}") from error


def _explain(detail: Any) -> str:
    """One problem of pydantic's as: key, what must hold, what was found."""
    key = ".".join(str(part) for part in detail["loc"]) or "the file"
    if detail["type"] == "missing":
        return f"{key} is missing"
    if detail["type"] == "extra_forbidden":
        return f"{key} is not a key that exists"
    if detail["type"] == "value_error":  # one of our own validators, which says it all
        return f"{key}: {detail['msg'].removeprefix('Value error, ')}"
    message = detail["msg"].removeprefix("Input ")
    return f"{key}: {message[0].lower()}{message[1:]}, found {detail['input']!r}"
