"""params.yaml as typed models: an unknown key, a missing one or a wrong type is an error that names it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from pipeline.config.captions import Caption
from pipeline.config.corpora import Prepare
from pipeline.config.encoders import Extract
from pipeline.config.runtime import Runtime
from pipeline.config.section import Section
from pipeline.config.training import Evaluate, Train

PARAMS_FILE = Path("params.yaml")


class Params(Section):
    """The whole of params.yaml."""

    prepare: Prepare
    caption: Caption
    extract: Extract
    train: Train
    evaluate: Evaluate
    runtime: Runtime = Runtime()


class UniqueKeys(yaml.SafeLoader):  # type: ignore[misc]
    """YAML that refuses a key written twice, of which it would otherwise take the last and say nothing."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for i, key in enumerate(keys):
            if key in keys[:i]:
                raise yaml.YAMLError(
                    f"key {key!r} is written twice, in line {node.value[i][0].start_mark.line + 1}"
                )
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


def load_params(path: Path = PARAMS_FILE) -> Params:
    """Read and check params.yaml. Raises ValueError with one line that names every key that is wrong."""
    try:
        written = yaml.load(path.read_text(encoding="utf-8"), UniqueKeys)  # noqa: S506 (it is a SafeLoader)
    except FileNotFoundError:
        raise ValueError(
            f"there must be a {path} in the folder that erclap runs in, found none in {Path.cwd()}"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} must be YAML: {' '.join(str(error).split())}") from error
    try:
        return Params.model_validate(written)
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
    hint = ""
    if detail["type"] == "float_type" and _is_number(detail["input"]):
        hint = " (YAML takes it for a text: write it with a point and without an exponent, as 0.001)"
    return f"{key}: {message[0].lower()}{message[1:]}, found {detail['input']!r}{hint}"


def _is_number(value: object) -> bool:
    try:
        float(str(value))
    except ValueError:
        return False
    return isinstance(value, str)
