"""The project's own imports, read from the source and not by importing."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("emotionrankclap", "pipeline", "stages", "benchmarks")


def module_file(name: str) -> Path | None:
    """The file of a module of ours, relative to the root."""
    path = Path(*name.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if (ROOT / candidate).is_file():
            return candidate
    return None


@cache
def exports_of(room: Path) -> dict[str, Path]:
    """What a room's stub exports: name → the file that defines it. Empty for a room without one."""
    stub = room.with_name("__init__.pyi")
    if not (ROOT / stub).is_file():
        return {}
    found = {}
    for node in ast.parse((ROOT / stub).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.AnnAssign):  # a constant of the package itself
            continue
        if not isinstance(node, ast.ImportFrom) or node.level != 1 or not node.module:
            raise ValueError(f"{stub} must hold lines `from .file import name as name` alone")
        file = module_file(f"{'.'.join(room.parent.parts)}.{node.module}")
        assert file, f"{stub} names no file: {node.module}"
        found |= {alias.name: file for alias in node.names}
    return found


@cache
def imports_of(file: Path, *, for_types: bool = True) -> frozenset[Path]:
    """Every file of the project that a file imports, at its top or within a function.

    A name that a room exports counts as an import of the file that defines it, which is what is loaded. Without
    `for_types`, what stands under `if TYPE_CHECKING:` is left out: it is never loaded.
    """
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    unloaded = set() if for_types else {id(n) for block in _type_blocks(tree) for n in ast.walk(block)}
    found: set[Path] = set()
    for node in ast.walk(tree):
        if id(node) in unloaded:
            continue
        if isinstance(node, ast.Import):
            found |= {f for alias in node.names if (f := _ours(alias.name))}
        elif isinstance(node, ast.ImportFrom) and node.module and (source := _ours(node.module)):
            for alias in node.names:
                found.add(
                    exports_of(source).get(alias.name) or _ours(f"{node.module}.{alias.name}") or source
                )
    return frozenset(found - {file})


@cache
def names_taken(file: Path) -> frozenset[tuple[str, str]]:
    """What a file imports, ours or not, as (module, name); the name is empty for `import module`."""
    found: set[tuple[str, str]] = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {(alias.name, "") for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {(node.module, alias.name) for alias in node.names}
    return frozenset(found)


def _ours(module: str) -> Path | None:
    return module_file(module) if module.split(".")[0] in PACKAGES else None


def _type_blocks(tree: ast.Module) -> list[ast.If]:
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    ]


def closure(*files: Path) -> set[Path]:
    """Files and all that they load, directly or not."""
    seen: set[Path] = set()
    waiting = list(files)
    while waiting:
        current = waiting.pop()
        if current not in seen:
            seen.add(current)
            waiting += imports_of(current, for_types=False)
    return seen


def all_modules(*packages: str) -> list[Path]:
    """Every source file of some packages, or of all."""
    found = [file for name in packages or PACKAGES for file in (ROOT / name).rglob("*.py")]
    return sorted(file.relative_to(ROOT) for file in found)
