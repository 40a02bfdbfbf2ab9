"""params.yaml as it is written, before anything in it is checked: quick, for commands that need little of it."""

from __future__ import annotations

import copy
import re
from collections.abc import Hashable
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import yaml

from pipeline.config.brief import brief, brief_key

PARAMS_FILE = Path("params.yaml")


class ParamsLoader(yaml.SafeLoader):  # type: ignore[misc]
    """YAML as DVC reads it and writes it back, version 1.2, in which `1e-05` is a number and `no` is a word.

    A key written twice is refused, of which the last would otherwise be taken and nothing said.
    """

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set[Any]()
        for written, _ in node.value:
            key = self.construct_object(written, deep=True)
            if not isinstance(key, Hashable):
                break  # which is refused below
            if key in seen:
                raise yaml.YAMLError(
                    f"key {brief(key)} is written twice, in line {written.start_mark.line + 1}"
                )
            seen.add(key)
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


def read_params(path: Path = PARAMS_FILE) -> Any:
    """What params.yaml holds, unchecked. Raises ValueError with one line where there is none, or no YAML."""
    try:
        return copy.deepcopy(_parsed(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise ValueError(
            f"there must be a {path} in the folder that erclap runs in, found none in {Path.cwd()}"
        ) from None
    # Of a value that its tag does not fit, the library raises what Python does.
    except (yaml.YAMLError, AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} must be YAML: {brief_key(' '.join(str(error).split()))}") from error


@lru_cache(maxsize=8)
def _parsed(text: str) -> Any:
    """What a text holds, parsed once, as a command asks more than once and it takes 5 ms.

    By Python alone: libyaml is quicker, and ends the process where brackets are nested deeply.
    """
    return yaml.load(text, ParamsLoader)  # noqa: S506 (it is a SafeLoader)
