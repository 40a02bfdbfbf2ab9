"""Models on a hub: fetched into its cache, and put there."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, TypeVar

from pipeline.encoders import (
    Access,
    Needs,
    NotOnHubError,
    UnreachableError,
    from_hub,
    listing,
    reasons_told,
    within,
)
from pipeline.support import shown
from pipeline.use.bank import EMBEDDINGS_FILE, TEXTS_FILE
from pipeline.use.card import card_of
from pipeline.use.folder import CARD_FILE, CONFIG_FILE, HEADS_FILE, Model, files_of, has_captions

REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)

SECONDS_FOR_ANSWER = 20.0
SLOWEST = 100_000
"""Bytes a second that are waited for when a model is put there."""

COMMIT_MESSAGE = "Add EmotionRankCLAP heads"

REFUSALS = {
    401: "the hub does not know who asks: set HF_TOKEN, or give a token",
    403: "HF_TOKEN, or the token given, must be of somebody who may write there",
}
IS_THERE = "it is there already: exist_ok=True pushes to it all the same"

Result = TypeVar("Result")


def fetch_model(name: str, revision: str | None, access: Access) -> Path:
    """The folder of a model in the hub's cache, fetched where no commit of it is whole there.

    Raises ValueError where it cannot be had, and says why.
    """
    if not REPOSITORY.fullmatch(name):
        raise ValueError(
            f"a model must be a folder or a hub name owner/name, found {shown(repr(name), 100)} and no such "
            f"folder"
        )
    return from_hub(name, revision, access, Needs(_needed, _lacking)).folder


def _needed(names: Collection[str]) -> list[str]:
    if absent := [name for name in (CONFIG_FILE, HEADS_FILE) if name not in names]:
        raise NotOnHubError(f"it has no {absent[0]}, and is no EmotionRankCLAP model")
    return [CONFIG_FILE, HEADS_FILE, *(name for name in (TEXTS_FILE, EMBEDDINGS_FILE) if name in names)]


def _lacking(folder: Path) -> str | None:
    wanted = [CONFIG_FILE, HEADS_FILE]
    if has_captions(folder):
        wanted += [TEXTS_FILE, EMBEDDINGS_FILE]
    return next((name for name in wanted if not (folder / name).is_file()), None)


def push(
    model: Model,
    repo_id: str,
    *,
    access: Access,
    private: bool | None,
    commit_message: str | None,
    exist_ok: bool,
    replace_model_card: bool,
    revision: str | None,
    create_pr: bool,
) -> str:
    """One commit with a model's files, out of memory: see `EmotionRankCLAP.push_to_hub`."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, constants

    if not isinstance(repo_id, str) or not REPOSITORY.fullmatch(repo_id):
        raise ValueError(f"repo_id must be a hub name owner/name, found {shown(repr(repo_id), 100)}")
    if constants.HF_HUB_OFFLINE:
        raise RuntimeError(f"{repo_id} can only be pushed to where HF_HUB_OFFLINE is not set, found it set")
    api, branch = HfApi(token=access.token), revision or "main"
    files = files_of(model, card_of(model, repo_id))

    def make() -> None:
        api.create_repo(repo_id, private=private, exist_ok=exist_ok)
        if revision:
            api.create_branch(repo_id, branch=revision, exist_ok=True)

    def commit() -> str:
        there = listing(repo_id, branch, access=access).sizes.keys()
        if CARD_FILE in there and not replace_model_card:
            del files[CARD_FILE]
        gone = sorted({TEXTS_FILE, EMBEDDINGS_FILE} & there - files.keys())
        info = api.create_commit(
            repo_id,
            [
                *(CommitOperationAdd(name, content) for name, content in files.items()),
                *(CommitOperationDelete(name) for name in gone),
            ],
            commit_message=commit_message or COMMIT_MESSAGE,
            revision=branch,
            create_pr=create_pr,
        )
        return str(info.pr_url or info.commit_url)

    if not create_pr:
        _asked(repo_id, make, SECONDS_FOR_ANSWER, {409: IS_THERE})
    size = sum(map(len, files.values()))
    return _asked(repo_id, commit, 2 * SECONDS_FOR_ANSWER + size / SLOWEST, {})


def _asked(repo_id: str, work: Callable[[], Result], seconds: float, refusals: dict[int, str]) -> Result:
    """What the hub gives. Raises RuntimeError with one line, `refusals` having words for some of its answers."""

    def told() -> Result:
        with reasons_told(seconds):
            return work()

    try:
        return within(seconds, told)
    except (NotOnHubError, UnreachableError) as error:
        status: Any = getattr(getattr(error.__cause__, "response", None), "status_code", None)
        reason = (REFUSALS | refusals).get(status, str(error))
        raise RuntimeError(f"{repo_id} could not be pushed to: {reason}") from error
