"""Where things are written and who is asked: the disk, the team's store, a language model's endpoint."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from pipeline.config import Params
from pipeline.features import team_folders, team_root
from pipeline.support import check_writable
from stages.check.findings import Finding, State


def check_places(needed_bytes: float) -> Iterator[Finding]:
    """Whether the project's folders can be written, and have room for what the run will write."""
    for name in ("data", "cache", "results"):
        check_writable(Path(name))
    free = shutil.disk_usage(Path.cwd()).free
    # DVC's cache has a second copy of what the stages write, where the file system has no reflinks.
    needed = 2 * needed_bytes
    state: State = "ok" if free > 1.5 * needed else ("warn" if free > needed else "fail")
    hint = "" if state == "ok" else ": make room, or keep the project on a larger disk"
    says = f"{free / 1e9:.1f} GB free, {needed / 1e9:.2f} GB needed with DVC's copy{hint}"
    yield Finding(state, "disk", says)


def check_team(params: Params) -> Iterator[Finding]:
    """The team's store, where one is named."""
    root = team_root(params.runtime.store)
    if root is None:
        yield Finding(
            "ok", "team", "no team's store (ERCLAP_STORE, runtime.store): features are kept here alone"
        )
        return
    if not root.is_dir():
        yield Finding("warn", "team", f"{root} is not there: is it mounted? Work would go on without it")
        return
    recipes = len(list(team_folders(root)))
    if os.access(root, os.W_OK):
        yield Finding("ok", "team", f"{root}: features of {recipes} recipes, can be read and written")
    else:
        yield Finding(
            "warn", "team", f"{root}: features of {recipes} recipes, read-only: nothing can be offered"
        )


def check_llm(params: Params) -> Iterator[Finding]:
    """The endpoint and its model, where captions are by a language model; one small request, no tokens."""
    if params.caption.captioner != "llm" or params.caption.llm is None:
        yield Finding("ok", "captions", f"by the {params.caption.captioner}, offline")
        return
    from pipeline.captions import models_of_endpoint

    asked = params.caption.llm.model
    url, models = models_of_endpoint(params.caption.llm, params.runtime.llm)
    if models is None:
        yield Finding("warn", "captions", f"{url} answers but lists no models: {asked} may be there")
    elif asked in models:
        yield Finding("ok", "captions", f"by {asked} at {url}; `erclap caption --dry-run` prices it")
    else:
        near = ", ".join(sorted(models)[:5])
        yield Finding(
            "fail", "captions", f"{url} must have caption.llm.model {asked!r}, found {near}: name one of them"
        )
