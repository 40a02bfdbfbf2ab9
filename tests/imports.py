"""The project's own imports, read from the source and not by importing."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent


def module_file(name: str) -> Path | None:
    """The file of a module of pipeline or stages, relative to the root."""
    path = Path(*name.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if (ROOT / candidate).is_file():
            return candidate
    return None


@cache
def imports_of(file: Path) -> frozenset[Path]:
    """Every file of the project that a file imports, at its top or within a function."""
    found: set[Path] = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            imported = module_file(name) if name.split(".")[0] in {"pipeline", "stages"} else None
            if imported and imported != file:
                found.add(imported)
    return frozenset(found)


def closure(file: Path, *, without: frozenset[Path] = frozenset()) -> set[Path]:
    """A file and all that it imports, directly or not, with the packages that are run on the way.

    What only `without` imports is left out with it.
    """
    seen: set[Path] = set()
    waiting = [file]
    while waiting:
        current = waiting.pop()
        if current not in seen and current not in without:
            seen.add(current)
            waiting += imports_of(current)
            waiting += [folder / "__init__.py" for folder in current.parents if folder != Path()]
    return seen


def all_modules() -> list[Path]:
    """Every source file of pipeline and stages."""
    files = [*(ROOT / "pipeline").rglob("*.py"), *(ROOT / "stages").rglob("*.py")]
    return sorted(file.relative_to(ROOT) for file in files)
