"""How a hub is asked: for whom, how long it is waited for, and its refusals in one line."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pipeline.support import shown

SECONDS_FOR_BYTES = 8
"""The hub's client asks six times for them before it gives up, which is within a minute."""

THREAD = "hub"
"""The name of threads that wait for a hub."""

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

    def __post_init__(self) -> None:
        # One that no header can hold would be quoted in the client's error.
        if self.token is not None and not (isinstance(self.token, str) and _is_word(self.token)):
            raise ValueError("token must be a word of ASCII characters, found something else")


ANYBODY = Access()


class NotOnHubError(Exception):
    """The hub answers that it has no such revision, or no weights there."""


class UnreachableError(Exception):
    """The hub does not answer, or lets this user have nothing."""


@contextmanager
def short_waits() -> Iterator[float]:
    """Within this the hub's client waits less for bytes, so many seconds, unless its variable says how many."""
    from huggingface_hub import constants

    before = constants.HF_HUB_DOWNLOAD_TIMEOUT
    if not os.environ.get("HF_HUB_DOWNLOAD_TIMEOUT"):
        constants.HF_HUB_DOWNLOAD_TIMEOUT = SECONDS_FOR_BYTES
    try:
        yield constants.HF_HUB_DOWNLOAD_TIMEOUT
    finally:
        constants.HF_HUB_DOWNLOAD_TIMEOUT = before


@contextmanager
def reasons_told(seconds: float, name: str = "") -> Iterator[None]:
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


def _is_word(token: str) -> bool:
    return token.isascii() and token.isprintable() and bool(token) and " " not in token


def _line(error: BaseException, seconds: float) -> str:
    kind = type(error).__name__
    if "Timeout" in kind:
        return f"no answer within {seconds:g} s"
    if kind == "OfflineModeIsEnabled":
        return "HF_HUB_OFFLINE is set, and it is not whole in the hub's cache"
    if (response := getattr(error, "response", None)) is not None:
        said = shown(" ".join(str(getattr(error, "server_message", None) or "").split()))
        return f"it answers {response.status_code}" + (f", {said}" if said else "")
    if type(error) is RuntimeError and error.__cause__:  # of a thread of the client's, which says why
        return _line(error.__cause__, seconds)
    lines = str(error).strip().splitlines()
    return shown(lines[0]) if lines else kind


def within(seconds: float, work: Callable[[], Result]) -> Result:
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

    thread = threading.Thread(target=run, name=THREAD, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise UnreachableError(f"no answer within {seconds:g} s")
    return results[0]
