"""Benchmarks are run seldom: that what they take from the library is there is looked at here."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from tests.imports import ROOT, all_modules, exports_of, module_file, names_taken

BENCHMARKS = all_modules("benchmarks")


def names_of_ours(file: Path) -> list[tuple[str, str]]:
    return sorted((module, name) for module, name in names_taken(file) if module_file(module))


@pytest.mark.parametrize("file", BENCHMARKS, ids=str)
def test_every_name_that_a_benchmark_takes_is_there(file):
    for module, name in names_of_ours(file):
        assert not name or hasattr(import_module(module), name), f"{module} has no {name}"


def test_a_benchmark_takes_from_a_rooms_door_what_is_there():
    for file in BENCHMARKS:
        for module, name in names_of_ours(file):
            source = module_file(module)
            for folder in source.parents:
                if source != folder / "__init__.py":
                    exported = exports_of(folder / "__init__.py")
                    assert exported.get(name) != source, f"{file} takes {name} from {module}"


def test_no_benchmark_is_longer_than_a_sitting():
    assert [file for file in BENCHMARKS if len((ROOT / file).read_text().split("\n")) > 301] == []
