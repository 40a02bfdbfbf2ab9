"""What the documents quote of results is what the commands wrote last."""

from __future__ import annotations

import re

import pytest

from benchmarks.quoted import COMMANDS
from tests.imports import ROOT

QUOTED = ROOT / "benchmarks/quoted"


def rows(text: str) -> dict[str, list[str]]:
    """A table's rows: the name, without links, → the other cells."""
    found = {}
    for line in re.findall(r"^\| ([^|]+) \| (.*) \|$", text, re.M):
        name = re.sub(r", \[.*", "", line[0]).strip()
        found.setdefault(name, line[1].split(" | "))
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_written_its_tables_and_names_the_processor(name):
    text = (QUOTED / f"{name}.md").read_text()
    assert text.startswith(f"`python benchmarks/{' '.join(COMMANDS[name])}` on ")
    assert re.search(r", (AVX\w*|DEFAULT|NO AVX), torch \S+:\n", text)


def test_the_readmes_table_is_what_was_written():
    written = rows((QUOTED / "sample_seeds.md").read_text())
    readme = (ROOT / "README.md").read_text()
    quoted = rows(readme[readme.index("| sample corpus (synthetic speech) |") :].partition("\n\n")[0])
    methods = {name: cells for name, cells in quoted.items() if cells[0][-1:].isdigit()}
    assert len(methods) == 8
    assert methods == {name: written[name] for name in methods}


def test_the_encoders_page_has_the_concordances_that_were_written():
    written = rows((QUOTED / "sample_models.md").read_text())
    page = " ".join((ROOT / "docs/encoders.md").read_text().split())
    for kind in ("speech", "text"):
        for value in map(float, written[kind]):
            assert any(f"{value:.{digits}f}".removeprefix("0") in page for digits in (2, 3)), (kind, value)
