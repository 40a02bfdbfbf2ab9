"""params.yaml as typed models: an unknown key, a missing one or a wrong type is an error that names it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, ClassVar

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


class ParamsLoader(yaml.SafeLoader):  # type: ignore[misc]
    """YAML as DVC reads it and writes it back, version 1.2, in which `1e-05` is a number and `no` is a word.

    A key written twice is refused, of which the last would otherwise be taken and nothing said.
    """

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for i, key in enumerate(keys):
            if key in keys[:i]:
                raise yaml.YAMLError(
                    f"key {key!r} is written twice, in line {node.value[i][0].start_mark.line + 1}"
                )
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        text = str(self.construct_scalar(node))
        return int(text, 0 if text[:2] in ("0x", "0o") else 10)


ParamsLoader.add_constructor("tag:yaml.org,2002:int", ParamsLoader.construct_yaml_int)

for kind, pattern, first in (  # the core schema of YAML 1.2, section 10.3.2, and 1_000
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9][0-9_]*|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
    ("float", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", list("-+.")),
    ("merge", r"<<", ["<"]),
):
    ParamsLoader.add_implicit_resolver(f"tag:yaml.org,2002:{kind}", re.compile(f"^(?:{pattern})$"), first)


def load_params(path: Path = PARAMS_FILE) -> Params:
    """Read and check params.yaml. Raises ValueError with one line that names every key that is wrong."""
    try:
        written = yaml.load(path.read_text(encoding="utf-8"), ParamsLoader)  # noqa: S506 (it is a SafeLoader)
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
    return f"{key}: {message[0].lower()}{message[1:]}, found {detail['input']!r}"
