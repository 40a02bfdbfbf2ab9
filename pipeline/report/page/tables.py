"""The tables that `erclap eval` wrote as markdown, read back for the page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

PAPERS = "paper's"
"""How a row or a column of the paper's own figures begins."""

NOT_HERE = ("–", "not built")

NAMES = ("table1", "table2", "table2b", "further")
"""The tables of an evaluation, in the order of the page."""


@dataclass(frozen=True)
class Cell:
    """A figure as it is shown."""

    text: str
    look: str
    """Classes of the page's style."""


@dataclass(frozen=True)
class ShownTable:
    """A table of results."""

    title: str
    corpora: str
    header: list[Cell]
    rows: list[list[Cell]]
    notes: list[str]


def read_tables(folder: Path) -> list[ShownTable]:
    """The tables that a folder has. Raises RuntimeError where it has none or one is garbled."""
    paths = [path for name in NAMES if (path := folder / f"{name}.md").exists()]
    if not paths:
        raise RuntimeError(f"{folder} must hold tables: run `erclap eval` first")
    tables = []
    for path in paths:
        try:
            tables.append(parse_table(path.read_text(encoding="utf-8")))
        except ValueError as error:
            raise RuntimeError(f"{path} must hold a table ({error}): run `erclap eval` again") from error
    return tables


def parse_table(markdown: str) -> ShownTable:
    """Read what `Table.markdown` wrote. Raises ValueError for anything else.

    >>> rows = "| a | paper's a |\\n| --- | --- |\\n| \\\\*0.1 | 0.2 |"
    >>> table = parse_table(f"**Table 1.** Ours.\\n\\n{rows}\\n\\nA note.  \\n")
    >>> table.title, [cell.text for cell in table.rows[0]], table.notes
    ('Table 1.', ['*0.1', '0.2'], ['A note.'])
    """
    lines = [line.strip().replace("\\*", "*") for line in markdown.splitlines() if line.strip()]
    heading = re.fullmatch(r"\*\*(.+?)\*\* (.*)", lines[0]) if lines else None
    grid = [
        line.removeprefix("| ").removesuffix(" |").split(" | ") for line in lines if line.startswith("| ")
    ]
    if heading is None or len(grid) < 3 or len({len(row) for row in grid}) > 1:
        raise ValueError("a title in bold and rows of one length between bars are what it must have")
    header, _, *rows = grid
    papers = [name.startswith(PAPERS) for name in header]
    return ShownTable(
        title=heading[1],
        corpora=heading[2],
        header=[Cell(name, "paper" if paper else "") for name, paper in zip(header, papers, strict=True)],
        rows=[
            [_cell(text, paper or row[0].startswith(PAPERS)) for text, paper in zip(row, papers, strict=True)]
            for row in rows
        ],
        notes=[line for line in lines[1:] if not line.startswith("| ")],
    )


def _cell(text: str, paper: bool) -> Cell:
    looks = {
        "paper": paper,
        "star": text.startswith(("*", "†")) or text.endswith("‡"),
        "none": text in NOT_HERE,
    }
    shown = re.sub(r"(?<!\w)-(?=\d)", "\N{MINUS SIGN}", text)
    return Cell(shown, " ".join(look for look, applies in looks.items() if applies))
