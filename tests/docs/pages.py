"""The pages for readers: README and docs/, and the blocks of commands, settings and code in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.imports import ROOT

PAGES = (Path("README.md"), *sorted(path.relative_to(ROOT) for path in (ROOT / "docs").glob("*.md")))

BLOCK = re.compile(r"(?:<!-- (?P<mark>.*?) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Block:
    """A fenced block; `mark` is the comment right above it."""

    page: Path
    language: str
    text: str
    mark: str
    number: int

    def __str__(self) -> str:
        return f"{self.page.name}-{self.number}"


def text_of(page: Path) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


@cache
def blocks(language: str) -> tuple[Block, ...]:
    """All blocks of a language, in the order of the pages."""
    return tuple(
        Block(page, found["language"], found["text"], found["mark"] or "", number)
        for page in PAGES
        for number, found in enumerate(BLOCK.finditer(text_of(page)))
        if found["language"] == language
    )


def code_spans(page: Path) -> list[str]:
    """What stands in single backticks."""
    return re.findall(r"`([^`\n]+)`", BLOCK.sub("", text_of(page)))


def commands(page: Path) -> list[str]:
    """Every `erclap ...` of a page, in a block or in backticks, without its comment."""
    lines = [line for block in blocks("sh") if block.page == page for line in block.text.splitlines()]
    found = [*lines, *code_spans(page)]
    return [re.sub(r"\s+#.*", "", line) for line in found if line.startswith("erclap ")]
