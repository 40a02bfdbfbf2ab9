"""Checkpoints of a model hub: found in its cache on this machine, or fetched into it.

A model may be named with several revisions, which hold the same weights: the first that is whole on this
machine is taken, and otherwise the first that the hub has. So a run keeps to what it has once fetched, and
`planned_recipes` and the encoders come to the same. A hub that does not answer ends in one line within a minute.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pipeline.encoders.contents import FORMATS, Format, format_of, lacking, needed, parts_of
from pipeline.encoders.local import Found

Revision = str | Sequence[str] | None
"""A commit, a branch, a tag or a reference such as refs/pr/1; several in order; None for the newest, `main`."""

COMMIT = re.compile("[0-9a-f]{40}")
NAME = re.compile(r"[\w-][\w.-]*/[\w.-]+")

SECONDS_FOR_LISTING = 20.0
SECONDS_FOR_HEADERS, SECONDS_FOR_BYTES = 10, 8
"""For bytes the hub's client asks six times before it gives up, which is within a minute."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class Access:
    """How a hub is asked, where it is not as its own environment variables say."""

    cache_folder: str | Path | None = None
    """Instead of HF_HUB_CACHE."""
    local_files_only: bool = False
    """Nothing is asked for: what is whole in the cache serves."""
    token: str | None = field(default=None, repr=False)
    """Instead of HF_TOKEN."""


ANYBODY = Access()


class NotOnHubError(Exception):
    """The hub answers that it has no such revision, or no weights there."""


class UnreachableError(Exception):
    """The hub does not answer, or lets this user have nothing."""


@dataclass(frozen=True)
class Listing:
    """What a revision holds."""

    commit: str
    sizes: dict[str, int]
    """Of every file in its root, in bytes, 0 where the hub does not say."""

    @property
    def weights(self) -> Format:
        """How its weights lie there. Raises NotOnHubError where it has none."""
        found = format_of(self.sizes)
        if found is None:
            raise NotOnHubError(f"it has neither {' nor '.join(f.whole for f in FORMATS)}")
        return found


def revisions_of(revision: Revision) -> list[str]:
    """The revisions in order, at least one. Raises ValueError for an empty list."""
    revisions = ["main"] if revision is None else [revision] if isinstance(revision, str) else [*revision]
    if not revisions:
        raise ValueError(
            "a revision must be one, a list of some, or none for the newest; found an empty list"
        )
    return revisions


def in_cache(model: str, revision: Revision, access: Access = ANYBODY) -> Found | None:
    """The first of the revisions that is whole in the hub's cache: commits first, which stay what they are."""
    for one in sorted(revisions_of(revision), key=lambda one: COMMIT.fullmatch(one) is None):
        if found := _whole(model, one, access):
            return found
    return None


def from_hub(model: str, revision: Revision, access: Access = ANYBODY) -> Found:
    """The checkpoint, fetched where no named commit of it is whole on this machine.

    Nothing is fetched that loading does not need. Raises ValueError where no revision can be had, and says why.
    """
    revisions = revisions_of(revision)
    if access.local_files_only:
        if found := in_cache(model, revisions, access):
            return found
        raise ValueError(
            f"{model!r} must be a folder, or whole in the hub's cache where local_files_only is set; found "
            f"neither, of revision {', '.join(revisions)}"
        )
    commits = [one for one in revisions if COMMIT.fullmatch(one)]
    if commits and (found := in_cache(model, commits, access)):
        return found
    reasons = []
    for one in revisions:
        try:
            found = _fetch(model, one, access)
        except NotOnHubError as error:
            reasons.append(f"the hub did not give revision {one}: {error}")
            continue
        except UnreachableError as error:
            if found := in_cache(model, revisions, access):
                return found
            reasons.append(f"the hub did not give revision {one}: {error}")
            break
        if reasons:
            print(f"{model}: {'; '.join(reasons)}; {one} is used", file=sys.stderr)
        return found
    raise ValueError(f"{model!r} must be a folder or a hub name: no such folder, and {'; '.join(reasons)}")


def listing(
    model: str, revision: str, seconds: float = SECONDS_FOR_LISTING, access: Access = ANYBODY
) -> Listing:
    """What the hub has under a revision. Raises NotOnHubError and UnreachableError, within the given time."""
    from huggingface_hub import HfApi

    def ask() -> Listing:
        with _reasons(seconds):
            info = HfApi(token=access.token).model_info(
                model, revision=revision, files_metadata=True, timeout=seconds
            )
        files = {f.rfilename: f.size or 0 for f in info.siblings or () if "/" not in f.rfilename}
        return Listing(info.sha or "", files)

    return _within(seconds, ask)


def _whole(model: str, revision: str, access: Access) -> Found | None:
    from huggingface_hub import try_to_load_from_cache

    try:
        config = try_to_load_from_cache(
            model, "config.json", cache_dir=access.cache_folder, revision=revision
        )
    except ValueError:  # no name that a hub could have
        return None
    if not isinstance(config, str) or lacking(folder := Path(config).parent):
        return None
    return Found(model, folder, folder.name)  # the cache names a snapshot's folder by its commit


def _fetch(model: str, revision: str, access: Access) -> Found:
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url

    there = listing(model, revision, access=access)
    names, found = there.sizes, there.weights
    folders = set()

    def fetch(name: str) -> Path:
        # The client waits six minutes for headers: a hub that hangs is found out before.
        with _reasons(SECONDS_FOR_HEADERS, name):
            url = hf_hub_url(model, name, revision=revision)
            get_hf_file_metadata(url, timeout=SECONDS_FOR_HEADERS, token=access.token)
        with _short_waits(), _reasons(SECONDS_FOR_BYTES, name):
            path = Path(
                hf_hub_download(
                    model, name, revision=revision, cache_dir=access.cache_folder, token=access.token
                )
            )
        folders.add(path.parent)
        return path

    for name in needed(names):
        path = fetch(name)
        if name == found.index:
            for part in parts_of(path):
                fetch(part)
    if len(folders) > 1:
        raise UnreachableError("it was changed meanwhile: run again")
    folder = folders.pop()
    if lack := lacking(folder):
        raise NotOnHubError(f"it has no {lack}")
    return Found(model, folder, folder.name)


@contextmanager
def _short_waits() -> Iterator[None]:
    """Within this the hub's client waits less for bytes, unless HF_HUB_DOWNLOAD_TIMEOUT says how long."""
    from huggingface_hub import constants

    before = constants.HF_HUB_DOWNLOAD_TIMEOUT
    if not os.environ.get("HF_HUB_DOWNLOAD_TIMEOUT"):
        constants.HF_HUB_DOWNLOAD_TIMEOUT = SECONDS_FOR_BYTES
    try:
        yield
    finally:
        constants.HF_HUB_DOWNLOAD_TIMEOUT = before


@contextmanager
def _reasons(seconds: float, name: str = "") -> Iterator[None]:
    """Whatever the hub's client raises, as one of two errors with one line for people."""
    from huggingface_hub import errors

    of = f"{name}: " if name else ""
    try:
        yield
    except errors.GatedRepoError as error:
        raise UnreachableError(
            f"{of}its owner asks for consent: give it on the hub's page of the model, and set HF_TOKEN"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise UnreachableError(f"{of}no such model, or a private one that HF_TOKEN does not open") from error
    except (errors.RevisionNotFoundError, errors.EntryNotFoundError) as error:
        if isinstance(error, errors.LocalEntryNotFoundError):
            raise UnreachableError(f"{of}{_line(error.__cause__ or error, seconds)}") from error
        raise NotOnHubError(f"{of}no such {'file' if name else 'revision'}") from error
    except Exception as error:  # those of its HTTP client have other names in each of its releases
        raise UnreachableError(f"{of}{_line(error, seconds)}") from error


def _line(error: BaseException, seconds: float) -> str:
    kind = type(error).__name__
    if "Timeout" in kind:
        return f"no answer within {seconds:g} s"
    if kind == "OfflineModeIsEnabled":
        return "HF_HUB_OFFLINE is set, and it is not whole in the hub's cache"
    lines = str(error).strip().splitlines()
    return lines[0] if lines else kind


def _within(seconds: float, work: Callable[[], Result]) -> Result:
    """The result of some work on the network, or UnreachableError; a thread that hangs is left behind.

    The client's own limits are of each read, so that a name server, or bytes that trickle, may take any time.
    """
    results: list[Result] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            results.append(work())
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise UnreachableError(f"no answer within {seconds:g} s")
    return results[0]
