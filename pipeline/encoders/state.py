"""Whether a checkpoint can be had, told without loading or fetching it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipeline.encoders.asking import NotOnHubError, UnreachableError
from pipeline.encoders.contents import format_of, lacking, needed
from pipeline.encoders.hub import NAME, Revision, in_cache, listing, revisions_of, weights_among
from pipeline.encoders.local import Found, find_here


@dataclass(frozen=True)
class CheckpointState:
    """What loading a checkpoint would find."""

    place: Literal["here", "hub", "nowhere"]
    """On this machine, to be fetched, or not to be had."""
    line: str
    """The same in words, one line."""
    revision: str | None = None
    """What would be loaded: the hub's commit, or for a local folder a hash of its files."""
    files: tuple[str, ...] = ()
    """Those that would be fetched."""
    size: int = 0
    """Of those files, in bytes, as far as the hub says."""
    pickled: bool = False
    """Whether its weights are pickled alone, so that their tensors are converted once."""


def checkpoint_state(model: str, revision: Revision = None, *, seconds: float = 5.0) -> CheckpointState:
    """Where a checkpoint is, or why it cannot be had; a hub is given `seconds` to answer, for each revision.

    A local folder's weights are hashed, and no weights are read into memory.
    """
    if found := find_here(model):
        lack = lacking(found.folder)
        return CheckpointState("nowhere", f"{model} has no {lack}") if lack else _here(model, found)
    if not NAME.fullmatch(model):
        return CheckpointState("nowhere", f"{model!r} is no folder, and no hub name owner/name")
    if found := in_cache(model, revision):
        return _here(model, found)
    reasons = []
    for one in revisions_of(revision):
        try:
            there = listing(model, one, seconds)
            pickled = weights_among(there.sizes).pickled
        except NotOnHubError as error:
            reasons.append(f"revision {one}: {error}")
            continue
        except UnreachableError as error:
            reasons.append(f"revision {one}: {error}")
            break
        files = tuple(needed(there.sizes))
        size = sum(there.sizes[name] for name in files)
        line = f"{model} at {there.commit[:12]} is on the hub, {size / 1e6:,.0f} MB to fetch"
        line += _converted(pickled)
        return CheckpointState("hub", line, there.commit, files, size, pickled)
    return CheckpointState("nowhere", f"{model} cannot be had from the hub: {'; '.join(reasons)}")


def _here(model: str, found: Found) -> CheckpointState:
    weights = format_of([path.name for path in found.folder.iterdir()])
    pickled = weights is not None and weights.pickled
    line = f"{model} at {found.revision.removeprefix('sha256:')[:12]} is here{_converted(pickled)}"
    return CheckpointState("here", line, found.revision, pickled=pickled)


def _converted(pickled: bool) -> str:
    return "; its weights are pickled: their tensors are converted once" if pickled else ""
