"""The team's store: a shared folder where rows are looked up before they are computed, and offered afterwards.

It is laid out as `<store>/<recipe>/`, a folder of shards each, with a recipe.json for people to read. Any number
of people and jobs read and write at once, without a lock, as in every folder of shards. Whatever is wrong with
it, work goes on without it after one warning: it may be unreachable, full, read-only, or hang, and whatever others
put there may make us fail in a way that nobody thought of.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import sys
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from pipeline.features.shards.folder import RECIPE_FILE, ShardFolder, refuse_link
from pipeline.features.shards.header import DamagedShardError
from pipeline.features.shards.keys import Keys, distinct
from pipeline.features.shards.rows import Piece, portions
from pipeline.features.shards.shard import Shard
from pipeline.features.store import FeatureStore
from pipeline.recipe import Recipe
from pipeline.support import patiently, shown

ENVIRONMENT = "ERCLAP_STORE"

PATIENCE = 60.0
"""Seconds that one shard may take, or the look at which there are."""

NAME = re.compile("[0-9a-f]{12}")
"""Of a folder in it: a recipe's digest."""

Item = TypeVar("Item")


def team_root(setting: str | None) -> Path | None:
    """Where the team's store is: ERCLAP_STORE where it is set, otherwise `runtime.store`; None for nowhere."""
    root = os.environ.get(ENVIRONMENT, setting or "")
    return Path(root).expanduser() if root else None


def needed_team_root(setting: str | None, who: str) -> Path:
    """Where it is, for what cannot do without it. Raises ValueError where none is named or there."""
    root = team_root(setting)
    if root is None or not root.is_dir():
        raise ValueError(
            f"{who} needs the team's store, found {f'no folder {root}' if root else 'none named'}: set "
            f"{ENVIRONMENT}, or runtime.store in params.yaml, to a folder that is there"
        )
    return root


def shared_folder(root: Path, recipe: Recipe) -> ShardFolder:
    """The team's folder of a recipe, which is made where there is none yet. Raises OSError.

    What the store's own folder allows to whom, all in it allows too, whatever the umask of the one who writes.
    """
    mode = stat.S_IMODE(root.stat().st_mode)  # a store that is not there is not made, it may be not mounted
    folder = root / recipe.digest
    refuse_link(folder)
    if not folder.is_dir():
        # Made under another name, so that nobody finds it before they may write to it.
        made = root / f".{recipe.digest}.{uuid.uuid4().hex[:8]}.tmp"
        try:
            made.mkdir()
            written = made / RECIPE_FILE
            written.write_text(
                json.dumps({"recipe": recipe.to_dict()}, indent=2, sort_keys=True) + "\n", encoding="utf-8"
            )
            written.chmod(mode & 0o666)
            made.chmod(mode)
            made.rename(folder)
        except OSError:
            shutil.rmtree(made, ignore_errors=True)
            if not folder.is_dir():  # otherwise another was faster
                raise
    return ShardFolder(folder, shared=True)


def team_folders(root: Path) -> list[ShardFolder]:
    """The team's folders, one a recipe, and no others, such as lost+found. Raises OSError."""
    with os.scandir(root) as entries:
        names = sorted(e.name for e in entries if NAME.fullmatch(e.name) and (e.is_symlink() or e.is_dir()))
    return [ShardFolder(root / name, shared=True) for name in names]


class TeamStore:
    """A shared folder of everyone's features. It never fails; at worst it does nothing."""

    def __init__(self, root: Path, patience: float = PATIENCE) -> None:
        self.root, self._patience = root, patience
        self._reads = self._writes = True
        self._warned = False
        self._stores: dict[str, FeatureStore] = {}

    def fetch(self, store: FeatureStore, keys: Collection[str] | Keys) -> int:
        """Copy the rows that a store lacks and the team has into the store. Returns how many."""
        lacking = distinct(keys)
        lacking = lacking[store.lacks(lacking)]
        fetched = 0
        for rows in portions(self._served(store.recipe, lacking)) if len(lacking) else ():
            store.take(rows)
            fetched += len(rows)
        return fetched

    def offer(self, recipe: Recipe, shards: Sequence[Shard]) -> None:
        """Copy whole shards into the team's folder of their recipe."""
        for shard in shards:
            self._write(recipe, partial(ShardFolder.copy, shard=shard))

    def offer_missing(self, store: FeatureStore, keys: Collection[str] | Keys) -> int:
        """Copy those of the wanted rows that a store has and the team lacks, whoever computed them.

        So what was computed while the team's store was out of reach gets there the next time. Returns how many.
        """
        if not self._writes:
            return 0
        lacking = self._lacking(store.recipe, distinct(keys))
        offered = 0
        for rows in portions(store.pieces(lacking)):
            if self._write(store.recipe, partial(ShardFolder.write, rows=rows, recipe=store.recipe)):
                offered += len(rows)
        return offered

    def _served(self, recipe: Recipe, keys: Keys) -> Iterator[Piece]:
        def served() -> Iterator[Piece]:
            yield from self._store(recipe).pieces(keys)

        return self._reading(served())

    def _lacking(self, recipe: Recipe, keys: Keys) -> Keys:
        def lacking() -> Iterator[Keys]:
            yield keys[self._store(recipe).index().find(keys) < 0]

        return next(self._reading(lacking()), keys[:0])

    def _store(self, recipe: Recipe) -> FeatureStore:
        self.root.stat()  # a store that is not there is no empty one
        store = self._stores.setdefault(
            recipe.digest, FeatureStore(self.root / recipe.digest, recipe, shared=True)
        )
        store.refresh()
        return store

    def _reading(self, items: Iterator[Item]) -> Iterator[Item]:
        """The items as they can be had, on a thread that is left behind where the folder hangs."""
        if not self._reads:
            return
        try:
            yield from patiently(items, self._patience)
        except Exception as error:
            self._reads = self._writes = False
            self._warn(f"is not used in this run: {_reason(error)}")

    def _write(self, recipe: Recipe, write: Callable[[ShardFolder], object]) -> bool:
        """Whether it could be written."""

        def work() -> Iterator[bool]:
            write(shared_folder(self.root, recipe))
            yield True

        if not self._writes:
            return False
        try:
            return next(patiently(work(), self._patience))
        except Exception as error:
            self._writes = False
            self._reads &= not isinstance(error, TimeoutError)
            self._warn(f"is offered nothing more in this run: {_reason(error)}")
            return False

    def _warn(self, what: str) -> None:
        if not self._warned:
            print(f"warning: the team's store {self.root} {what}; all rows are kept here", file=sys.stderr)
        self._warned = True


def _reason(error: Exception) -> str:
    """What went wrong, and with which file; of what we did not think of also its type."""
    if isinstance(error, OSError) and error.strerror:
        return shown(f"{error.strerror} ({error.filename})" if error.filename else error.strerror)
    thought_of = isinstance(error, (OSError, DamagedShardError))
    return shown(error if thought_of else f"{type(error).__name__}: {error}")
