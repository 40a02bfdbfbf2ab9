"""Models of a hub, frozen checkpoints and others: found in its cache on this machine, or fetched into it.

A model may be named with several revisions, which hold the same weights: the first that is whole on this
machine is taken, and otherwise the first that the hub has. So a run keeps to what it has once fetched, and
`planned_recipes` and the encoders come to the same. A hub that does not answer ends in one line within a minute.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.encoders.asking import (
    ANYBODY,
    Access,
    NotOnHubError,
    UnreachableError,
    reasons_told,
    short_waits,
    within,
)
from pipeline.encoders.contents import FORMATS, Format, format_of, lacking, needed, parts_named
from pipeline.encoders.local import Found

Revision = str | Sequence[str] | None
"""A commit, a branch, a tag or a reference such as refs/pr/1; several in order; None for the newest, `main`."""

COMMIT = re.compile("[0-9a-f]{40}")
NAME = re.compile(r"[\w-][\w.-]*/[\w.-]+")

SECONDS_FOR_LISTING = 20.0
SECONDS_FOR_HEADERS = 10


@dataclass(frozen=True)
class Listing:
    """What a revision holds."""

    commit: str
    sizes: dict[str, int]
    """Of every file in its root, in bytes, 0 where the hub does not say."""


@dataclass(frozen=True)
class Needs:
    """What loading needs of a repository, and so what is fetched of it."""

    of: Callable[[Collection[str]], list[str]]
    """Which of the files in its root. Raises NotOnHubError where they cannot be what is looked for."""
    lacking: Callable[[Path], str | None]
    """What a folder lacks to be loaded, or None where all is there."""
    further: Callable[[Path], list[str]] = lambda file: []
    """Files that one of them names, once it is fetched."""


def weights_among(names: Collection[str]) -> Format:
    """How the weights of a checkpoint lie in a repository of these files. Raises NotOnHubError for none."""
    found = format_of(names)
    if found is None:
        raise NotOnHubError(f"it has neither {' nor '.join(f.whole for f in FORMATS)}")
    return found


def _of_checkpoint(names: Collection[str]) -> list[str]:
    weights_among(names)
    return needed(names)


CHECKPOINT = Needs(_of_checkpoint, lacking, parts_named)
"""What a frozen encoder needs."""


def revisions_of(revision: Revision) -> list[str]:
    """The revisions in order, at least one. Raises ValueError for an empty list."""
    revisions = ["main"] if revision is None else [revision] if isinstance(revision, str) else [*revision]
    if not revisions:
        raise ValueError(
            "a revision must be one, a list of some, or none for the newest; found an empty list"
        )
    return revisions


def in_cache(
    model: str, revision: Revision, access: Access = ANYBODY, needs: Needs = CHECKPOINT
) -> Found | None:
    """The first of the revisions that is whole in the hub's cache: commits first, which stay what they are."""
    for one in sorted(revisions_of(revision), key=lambda one: COMMIT.fullmatch(one) is None):
        if found := _whole(model, one, access, needs):
            return found
    return None


def from_hub(model: str, revision: Revision, access: Access = ANYBODY, needs: Needs = CHECKPOINT) -> Found:
    """The model, fetched where no named commit of it is whole on this machine.

    Nothing is fetched that loading does not need. Raises ValueError where no revision can be had, and says why.
    """
    revisions = revisions_of(revision)
    if access.local_files_only:
        if found := in_cache(model, revisions, access, needs):
            return found
        raise ValueError(
            f"{model!r} must be a folder, or whole in the hub's cache where local_files_only is set; found "
            f"neither, of revision {', '.join(revisions)}"
        )
    commits = [one for one in revisions if COMMIT.fullmatch(one)]
    if commits and (found := in_cache(model, commits, access, needs)):
        return found
    reasons = []
    for one in revisions:
        try:
            found = _fetch(model, one, access, needs)
        except NotOnHubError as error:
            reasons.append(f"the hub did not give revision {one}: {error}")
            continue
        except UnreachableError as error:
            if found := in_cache(model, revisions, access, needs):
                return found
            reasons.append(f"the hub did not give revision {one}: {error}")
            break
        if reasons:
            print(f"{model}: {'; '.join(reasons)}; {one} is used", file=sys.stderr)
        return found
    raise ValueError(f"{model!r} must be a folder or a hub name: no such folder, and {'; '.join(reasons)}")


def listing(model: str, revision: str, seconds: float | None = None, access: Access = ANYBODY) -> Listing:
    """What the hub has under a revision. Raises NotOnHubError and UnreachableError, within the given time."""
    from huggingface_hub import HfApi

    seconds = SECONDS_FOR_LISTING if seconds is None else seconds

    def ask() -> Listing:
        with reasons_told(seconds):
            info = HfApi(token=access.token).model_info(
                model, revision=revision, files_metadata=True, timeout=seconds
            )
        files = {f.rfilename: f.size or 0 for f in info.siblings or () if "/" not in f.rfilename}
        return Listing(info.sha or "", files)

    return within(seconds, ask)


def _whole(model: str, revision: str, access: Access, needs: Needs) -> Found | None:
    from huggingface_hub import try_to_load_from_cache

    try:
        config = try_to_load_from_cache(
            model, "config.json", cache_dir=access.cache_folder, revision=revision
        )
    except ValueError:  # no name that a hub could have
        return None
    if not isinstance(config, str) or needs.lacking(folder := Path(config).parent):
        return None
    return Found(model, folder, folder.name)  # the cache names a snapshot's folder by its commit


def _fetch(model: str, revision: str, access: Access, needs: Needs) -> Found:
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url

    folders = set()

    def fetch(name: str) -> Path:
        # The client waits six minutes for headers: a hub that hangs is found out before.
        with reasons_told(SECONDS_FOR_HEADERS, name):
            url = hf_hub_url(model, name, revision=revision)
            get_hf_file_metadata(url, timeout=SECONDS_FOR_HEADERS, token=access.token)
        with short_waits() as seconds, reasons_told(seconds, name):
            path = Path(
                hf_hub_download(
                    model, name, revision=revision, cache_dir=access.cache_folder, token=access.token
                )
            )
        folders.add(path.parent)
        return path

    for name in needs.of(listing(model, revision, access=access).sizes):
        for further in needs.further(fetch(name)):
            fetch(further)
    if len(folders) > 1:
        raise UnreachableError("it was changed meanwhile: run again")
    folder = folders.pop()
    if lack := needs.lacking(folder):
        raise NotOnHubError(f"it has no {lack}")
    return Found(model, folder, folder.name)
