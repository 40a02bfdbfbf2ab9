"""The feature store: what the frozen encoders computed, in immutable HDF5 shards.

A key says what was encoded: the sha256 of an audio file's bytes, or of a sentence. A recipe says how. A
shard is one file of up to `SHARD_ROWS` rows, written under a temporary name, reopened and checked, and
only then renamed to its own: whatever dies in between leaves nothing that could be taken for a shard, and any
number of writers need no lock. A shard is never opened for writing again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.features.shards.folder import RECIPE_FILE, Finding, ShardFolder
from pipeline.features.shards.index import Index
from pipeline.features.shards.keys import NO_KEYS, Keys, as_text, distinct, packed
from pipeline.features.shards.provenance import Positions, here
from pipeline.features.shards.rows import SHARD_ROWS, Piece, Rows
from pipeline.features.shards.shard import UNREADABLE, Shard, of_recipe
from pipeline.recipe import FORWARD_VERSION, Recipe
from pipeline.support import read_json_object, remove_leftovers, write_text

SPEECH_FEATURES, TEXT_FEATURES = Path("cache/features/speech"), Path("cache/features/text")

SECONDS_UNTIL_LEFTOVER = 3600.0
"""A younger temporary file may be one that another writer is at."""

ATTEMPTS = 100
"""To read rows whose shards others replace meanwhile."""

Features = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


class FeatureStore:
    """The features of one recipe in one folder.

    Rows that were computed twice, by writers that did not know of each other, count once: the shard whose
    name sorts first serves them.
    """

    def __init__(
        self,
        root: Path,
        recipe: Recipe,
        *,
        asked: dict[str, object] | None = None,
        device: str = "unknown",
        share: Callable[[Recipe, Sequence[Shard]], None] | None = None,
        shared: bool = False,
    ) -> None:
        """`asked` is what the params said, which the recipe was made from.

        `device` is what computes the rows that are appended, for their provenance, and `share` is told of the
        shards that they become. `shared` is a folder of the team's.
        """
        if recipe.stored_dtype not in ("float32", "float16"):
            raise ValueError(f"features are stored as float32 or float16, found {recipe.stored_dtype!r}")
        self.root, self.recipe, self.asked = root, recipe, asked or {}
        self.device, self.share = device, share
        self.folder = ShardFolder(root, shared=shared)
        self._served: Index | None = None

    @classmethod
    def open(cls, root: Path) -> FeatureStore:
        """The store that `erclap extract` left in a folder, with the recipe it was run with.

        Raises RuntimeError where there is none, or where its features are of an older forward pass.
        """
        path = root / RECIPE_FILE
        written = read_json_object(path, made_by="erclap extract")
        try:
            recipe = Recipe.from_dict(written["recipe"])
            store = cls(root, recipe, asked=dict(written["asked"]))
        except (ValueError, KeyError, TypeError) as error:
            raise RuntimeError(f"{path} must hold a recipe ({error}): run `erclap extract` again") from error
        if recipe.forward_version != FORWARD_VERSION:
            raise RuntimeError(
                f"the features in {root} must be of forward pass {FORWARD_VERSION}, found "
                f"{recipe.forward_version}: run `erclap extract`"
            )
        return store

    def publish(self) -> None:
        """Name this store's recipe, and what was asked for, as those that readers get from `open`."""
        written = {"recipe": self.recipe.to_dict(), "asked": self.asked}
        write_text(json.dumps(written, indent=2, sort_keys=True) + "\n", self.root / RECIPE_FILE)

    def keys(self) -> set[str]:
        """The keys that have a feature, once two looks agree.

        A folder that is listed while shards are joined may show neither the old ones nor the new.
        """
        seen = set(as_text(self.index().keys))
        for _ in range(ATTEMPTS):
            self.refresh()
            before, seen = seen, set(as_text(self.index().keys))
            if seen == before:
                break
        return seen

    def missing(self, keys: Iterable[str]) -> list[str]:
        """Those of `keys` that have no feature, each once, in the given order."""
        wanted = distinct(list(keys))
        return as_text(wanted[self.lacks(wanted)])

    def lacks(self, keys: Keys) -> Mask:
        """For each key whether it has no feature, (N,)."""
        return self._find(keys) < 0

    def append(self, keys: Sequence[str] | Keys, features: Features) -> list[Path]:
        """Write rows that were computed here: `keys` (N) and `features` (N, F). Returns the shards' paths.

        Raises ValueError where keys repeat, shapes disagree or a feature is not finite; then nothing is
        written.
        """
        written = self.take(self._checked(keys, features))
        if self.share is not None:
            self.share(self.recipe, written)
        return [shard.path for shard in written]

    def take(self, rows: Rows) -> list[Shard]:
        """Write rows that come from elsewhere, with their provenance, as shards of this store."""
        if not self.folder.shared:  # a team's that is not there may be not mounted
            self.root.mkdir(parents=True, exist_ok=True)
        self.refresh()
        parts = [np.arange(len(rows))[i : i + SHARD_ROWS] for i in range(0, len(rows), SHARD_ROWS)]
        return [self.folder.write(rows.of(part), self.recipe) for part in parts]

    def gather(self, keys: Sequence[str] | Keys) -> Features:
        """The features of `keys` in their order, (N, F). Raises RuntimeError where one is missing."""
        wanted = packed(keys)
        gathered = np.empty((len(keys), self.recipe.feature_size), dtype=np.float32)
        unread = np.arange(len(keys))
        for _ in range(ATTEMPTS):
            places = self._find(wanted[unread])
            self._refuse_missing(wanted, unread[places < 0])
            parts = {
                shard.path: (shard, rows, unread[at]) for shard, rows, at in self.index().by_shard(places)
            }
            failed = self.folder.read(
                (shard, partial(shard.read_into, gathered, at, rows)) for shard, rows, at in parts.values()
            )
            if not failed:
                return gathered
            unread = np.sort(np.concatenate([parts[shard.path][2] for shard in failed]))
            self.refresh()
        raise RuntimeError(f"the shards in {self.root} change faster than they can be read: try again")

    def pieces(self, keys: Keys) -> Iterator[Piece]:
        """The rows of those keys that have one, a shard's rows at a time; what is damaged is set aside."""
        for _ in range(ATTEMPTS):
            if not len(keys):
                return
            failed = [NO_KEYS]
            places = self._find(keys)
            for shard, rows, at in self.index().by_shard(places):
                try:
                    piece = shard.rows(rows)
                except UNREADABLE as error:
                    failed.append(keys[at])
                    self.folder.note(shard, error)
                    continue
                yield piece, len(rows) == len(shard)
            keys = np.concatenate(failed)
            self.refresh()

    def verify(self, advance: Callable[[int], None] = lambda rows: None) -> list[Finding]:
        """Read every shard whole, checksums and all; set the damaged ones aside. Returns what was found."""
        found = self.folder.verify(advance)
        self.refresh()
        return found

    def refresh(self) -> None:
        """Look at the folder again when it is next asked for, and take in what others did to it."""
        self._served = None

    def index(self) -> Index:
        """Where the rows of this recipe lie, as of the last look at the folder."""
        if self._served is None:
            shards = self.folder.refresh()
            self._served = Index(of_recipe(shards, self.recipe))
        return self._served

    def prune(self, wanted: Collection[str] | Keys) -> int:
        """Keep exactly the wanted rows of this recipe, so that the folder holds what the inputs ask for.

        A shard with rows that nobody wants any more is rewritten without them; shards of other recipes go, and
        so do files that a killed writer left. Whatever is kept is whole before anything goes, and a row of which
        one copy of several stays was written by this call, so that another that prunes or compacts meanwhile
        does not take that copy for the one which may go. Returns how many rows went. Raises RuntimeError where
        a wanted row is not there in the end.
        """
        keys = distinct(wanted)
        before = self.folder.refresh()
        index = Index(of_recipe(before, self.recipe))
        served = list(index.by_shard(index.find(keys)))
        whole = {shard.path for shard, rows, _ in served if len(rows) == len(shard)}
        going = Index(of_recipe((shard for shard in before if shard.path not in whole), self.recipe))
        kept = set[Path]()
        for shard, rows, _ in served:
            try:
                if shard.path not in whole:
                    # The name follows from the keys, so it may be that of a shard which is already there.
                    kept.add(self.folder.write(shard.rows(rows), self.recipe).path)
                elif (going.find(shard.keys) >= 0).any():
                    kept.add(self.folder.copy(shard).path)
                else:
                    kept.add(shard.path)
            except UNREADABLE as error:
                self.folder.note(shard, error)
                return self.prune(keys)
        self.folder.forget([shard for shard in before if shard.path not in kept])
        remove_leftovers(self.root, SECONDS_UNTIL_LEFTOVER)
        self.refresh()
        self._refuse_missing(keys, np.flatnonzero(self.lacks(keys)))
        return sum(map(len, before)) - len(keys)

    def _find(self, keys: Keys) -> Positions:
        """The place of each key in the index, or -1, (N,)."""
        for _ in range(ATTEMPTS):
            index = self.index()
            places = index.find(keys)
            if (places >= 0).all():
                break
            # A folder that is listed while shards are joined may show neither the old ones nor the new.
            self.refresh()
            if self.index().same_as(index):
                break
        return places

    def _refuse_missing(self, keys: Keys, missing: npt.NDArray[np.intp]) -> None:
        if len(missing):
            damaged = next((f"{finding}; " for finding in self.folder.findings), "")
            raise RuntimeError(
                f"{damaged}every key must have a feature, found none for "
                f"{len(distinct(keys[missing]))} of {len(distinct(keys))} {self.recipe.modality} keys in "
                f"{self.root} (the first: {as_text(keys[missing[:1]])[0]}): run `erclap extract`"
            )

    def _checked(self, keys: Sequence[str] | Keys, features: Features) -> Rows:
        if features.shape != (len(keys), self.recipe.feature_size):
            raise ValueError(
                f"features must have shape {(len(keys), self.recipe.feature_size)}, found {features.shape}"
            )
        raw = packed(keys)
        if repeated := len(raw) - len(distinct(raw)):
            raise ValueError(f"keys must not repeat, found {repeated} repeated")
        with np.errstate(over="ignore"):
            stored = features.astype(self.recipe.stored_dtype)
        finite = np.isfinite(stored).all(axis=1)
        if not finite.all():
            first = as_text(raw[~finite][:1])[0]
            raise ValueError(
                f"features must be finite, found {int((~finite).sum())} rows not as {self.recipe.stored_dtype}, "
                f"first {first}"
            )
        return Rows(raw, stored, here(len(keys), self.device))
