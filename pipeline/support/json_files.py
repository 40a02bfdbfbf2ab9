"""JSON objects read from files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read_json_object(path: Path, *, made_by: str | None = None) -> dict[str, Any]:
    """The object that a JSON file holds; `made_by` is the command that makes the file, where there is one.

    Raises RuntimeError where the file is absent, is not JSON or holds no object.
    """
    first, again = (f": run `{made_by}` {when}" if made_by else "" for when in ("first", "again"))
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RuntimeError(f"{path} is not there{first}") from None
    except (ValueError, RecursionError) as error:
        raise RuntimeError(f"{path} must be JSON ({error}){again}") from error
    if not isinstance(written, dict):
        raise RuntimeError(f"{path} must be a JSON object, found {type(written).__name__}{again}")
    return written
