"""A table as CSV, markdown and plain text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline.support import write_csv, write_text


@dataclass(frozen=True)
class Table:
    """A table as it is shown, with the plain figures behind it."""

    title: str
    corpora: str
    """What ours and the paper's figures were measured on."""
    header: list[str]
    rows: list[list[str]]
    notes: list[str]
    figures: list[dict[str, object]] = field(default_factory=list)
    """One dict a method, unrounded."""
    apart: int = 0
    """How many of the last rows are of another kind."""

    def markdown(self) -> str:
        """The table for a README or a page."""
        lines = [
            f"**{self.title}** {self.corpora}",
            "",
            _joined(self.header),
            _joined(["---"] * len(self.header)),
        ]
        lines += [_joined(row) for row in self.rows]
        text = "\n".join([*lines, "", *(f"{note}  " for note in self.notes), ""])
        return text.replace("| *", "| \\*").replace("\n* ", "\n\\* ")  # stars, not italics and lists

    def text(self) -> str:
        """The table for a terminal."""
        widths = [max(len(row[i]) for row in [self.header, *self.rows]) for i in range(len(self.header))]

        def line(row: Sequence[str]) -> str:
            cells = [row[0].ljust(widths[0])]
            cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
            return "  ".join(cells).rstrip()

        rule = "─" * (sum(widths) + 2 * (len(widths) - 1))
        body = [line(self.header), rule, *(line(row) for row in self.rows), rule]
        if self.apart:
            body.insert(-1 - self.apart, rule)
        return "\n".join([self.title, self.corpora, rule, *body, *self.notes, ""])

    def without(self, start: str) -> Table:
        """The table without the rows and columns whose names start so."""
        kept = [i for i, name in enumerate(self.header) if not name.startswith(start)]
        rows = [[row[i] for i in kept] for row in self.rows if not row[0].startswith(start)]
        return replace(self, header=[self.header[i] for i in kept], rows=rows)

    def write(self, folder: Path, name: str) -> None:
        """Write NAME.csv, which holds the unrounded figures, NAME.md and NAME.txt."""
        write_csv(self.figures, folder / f"{name}.csv")
        write_text(self.markdown(), folder / f"{name}.md")
        write_text(self.text(), folder / f"{name}.txt")


def _joined(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
