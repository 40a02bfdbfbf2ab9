"""The feature store: what the frozen encoders computed, in immutable HDF5 shards.

A key says what was encoded: the sha256 of an audio file's bytes, or of a sentence. A recipe says how. A
shard is one HDF5 file of up to `SHARD_ROWS` rows, written under a temporary name, reopened and checked, and
only then renamed to its own: whatever dies in between leaves nothing that could be taken for a shard, and any
number of writers need no lock. A shard is never opened for writing again.
"""

from __future__ import annotations

import getpass
import hashlib
import io
import json
import os
import socket
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from pipeline.files import remove_leftovers, replacing, write_text
from pipeline.recipe import FORWARD_VERSION, Recipe

SPEECH_FEATURES, TEXT_FEATURES = Path("cache/features/speech"), Path("cache/features/text")

KEY_LENGTH = 64
"""A sha256 in hexadecimal digits."""

SHARD_ROWS = 4096
CHUNK_ROWS = 256
SET_ASIDE = ".damaged"
RECIPE_FILE = "recipe.json"

SECONDS_UNTIL_LEFTOVER = 3600.0
"""A younger temporary file may be one that another writer is at."""

Features = npt.NDArray[np.float32]


def sentence_key(sentence: str) -> str:
    """A sentence's key: the sha256 of its UTF-8 bytes."""
    return hashlib.sha256(sentence.encode()).hexdigest()


class DamagedShardError(RuntimeError):
    """A file in the store's folder that is not a whole shard."""


class FeatureStore:
    """The features of one recipe in one folder.

    Rows that were computed twice, by writers that did not know of each other, count once: the shard whose
    name sorts first serves them.
    """

    def __init__(self, root: Path, recipe: Recipe, *, asked: dict[str, object] | None = None) -> None:
        """`asked` is what the params said, which the recipe was made from."""
        self.root, self.recipe, self.asked = root, recipe, asked or {}
        self._where: dict[str, tuple[Path, int]] | None = None
        self.damaged: list[str] = []
        """Files that were found damaged and set aside, with the reason, since this store was opened."""

    @classmethod
    def open(cls, root: Path) -> FeatureStore:
        """The store that `erclap extract` left in a folder, with the recipe it was run with.

        Raises RuntimeError where there is none, or where its features are of an older forward pass.
        """
        path = root / RECIPE_FILE
        try:
            written = json.loads(path.read_text(encoding="utf-8"))
            recipe = Recipe.from_dict(written["recipe"])
            store = cls(root, recipe, asked=dict(written["asked"]))
        except FileNotFoundError:
            raise RuntimeError(f"{path} is not there: run `erclap extract` first") from None
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
        written = {"recipe": asdict(self.recipe), "asked": self.asked}
        write_text(json.dumps(written, indent=2, sort_keys=True) + "\n", self.root / RECIPE_FILE)

    def keys(self) -> set[str]:
        """The keys that have a feature."""
        return set(self._index())

    def missing(self, keys: Iterable[str]) -> list[str]:
        """Those of `keys` that have no feature, each once, in the given order."""
        known = self._index()
        return [key for key in dict.fromkeys(keys) if key not in known]

    def append(self, keys: Sequence[str], features: Features) -> list[Path]:
        """Write rows as new shards: `keys` (N) and `features` (N, F). Returns the shards' paths.

        Raises ValueError where keys repeat, shapes disagree or a feature is not finite; then nothing is
        written.
        """
        self._check_rows(keys, features)
        self.root.mkdir(parents=True, exist_ok=True)
        written = []
        for start in range(0, len(keys), SHARD_ROWS):
            rows = slice(start, start + SHARD_ROWS)
            written.append(self._write_shard(list(keys[rows]), features[rows]))
        self._where = None
        return written

    def gather(self, keys: Sequence[str]) -> Features:
        """The features of `keys` in their order, (N, F). Raises RuntimeError where one is missing."""
        where = self._index()
        if missing := self.missing(keys):
            raise RuntimeError(
                f"every key must have a feature, found none for {len(missing)} of {len(set(keys))} "
                f"{self.recipe.modality} keys in {self.root} (the first: {missing[0]}): run `erclap extract`"
            )
        rows_of: dict[Path, list[tuple[int, int]]] = {}
        for position, key in enumerate(keys):
            shard, row = where[key]
            rows_of.setdefault(shard, []).append((position, row))
        gathered = np.empty((len(keys), self.recipe.feature_size), dtype=np.float32)
        for shard, pairs in rows_of.items():
            try:
                _, whole, _ = _read_shard(shard)
            except DamagedShardError as error:
                self._set_aside(shard, str(error))
                raise RuntimeError(
                    f"{shard} is damaged and was set aside, its rows count as missing: run `erclap extract`"
                ) from error
            positions, rows = zip(*pairs, strict=True)
            gathered[list(positions)] = whole[list(rows)]
        return gathered

    def verify(self) -> list[str]:
        """Read every shard whole, checksums and all; set the damaged ones aside. Returns what was found."""
        self._where, before = None, len(self.damaged)
        for shard in self._shards():
            try:
                _read_shard(shard)
            except DamagedShardError as error:
                self._set_aside(shard, str(error))
        return self.damaged[before:]

    def prune(self, wanted: Iterable[str]) -> int:
        """Keep exactly the wanted rows of this recipe, so that the folder holds what the inputs ask for.

        A shard with rows that nobody wants any more is rewritten without them; shards of other recipes go, and
        so do files that a killed writer left. Whatever is kept is whole before anything goes. Returns how many
        rows went. Raises RuntimeError where a wanted row is not there in the end.
        """
        keep, kept, gone = set(wanted), set[Path](), 0
        shards, served = self._shards(), set[str]()
        for shard in shards:
            try:
                keys, recipe = _read_keys(shard)
                ours = recipe.digest == self.recipe.digest
                stays = [i for i, key in enumerate(keys) if ours and key in keep and key not in served]
                if len(stays) == len(keys):
                    kept.add(shard)
                elif stays:
                    _, features, _ = _read_shard(shard)
                    # The name follows from the keys, so it may be that of a shard which is already there.
                    kept.add(self._write_shard([keys[i] for i in stays], features[stays]))
            except DamagedShardError as error:
                self._set_aside(shard, str(error))
                continue
            served.update(keys[i] for i in stays)
            gone += len(keys) - len(stays)
        for shard in shards:
            if shard not in kept:
                shard.unlink(missing_ok=True)
        remove_leftovers(self.root, SECONDS_UNTIL_LEFTOVER)
        self._where = None
        if lost := self.missing(keep):
            raise RuntimeError(
                f"every wanted row must be in {self.root}, found none for {len(lost)} (the first: {lost[0]}): "
                f"run `erclap extract` again"
            )
        return gone

    def _check_rows(self, keys: Sequence[str], features: Features) -> None:
        if features.shape != (len(keys), self.recipe.feature_size):
            raise ValueError(
                f"features must have shape {(len(keys), self.recipe.feature_size)}, found {features.shape}"
            )
        if wrong := [key for key in keys if len(key) != KEY_LENGTH or not key.isascii()]:
            raise ValueError(f"a key must be {KEY_LENGTH} hexadecimal digits, found {wrong[0]!r}")
        if len(set(keys)) < len(keys):
            raise ValueError(f"keys must not repeat, found {len(keys) - len(set(keys))} repeated")
        finite = np.isfinite(features).all(axis=1)
        if not finite.all():
            first = keys[int(np.flatnonzero(~finite)[0])]
            raise ValueError(f"features must be finite, found {int((~finite).sum())} rows not, first {first}")

    def _shards(self) -> list[Path]:
        return sorted(self.root.glob("*.h5")) if self.root.is_dir() else []

    def _index(self) -> dict[str, tuple[Path, int]]:
        """Where each key's row lies; made from the shards themselves, so it cannot disagree with them."""
        if self._where is None:
            where: dict[str, tuple[Path, int]] = {}
            for shard in self._shards():
                try:
                    keys, recipe = _read_keys(shard)
                except DamagedShardError as error:
                    self._set_aside(shard, str(error))
                    continue
                if recipe.digest != self.recipe.digest:
                    continue
                for row, key in enumerate(keys):
                    where.setdefault(key, (shard, row))
            self._where = where
        return self._where

    def _write_shard(self, keys: list[str], features: Features) -> Path:
        digest = hashlib.sha256("\n".join(keys).encode()).hexdigest()[:16]
        path = self.root / f"{self.recipe.digest}-{digest}.h5"
        # Made in memory and then written at once: HDF5 itself may crash where the disk is full.
        image = io.BytesIO()
        with h5py.File(image, "w") as file:
            file.create_dataset("key", data=np.array(keys, dtype=f"S{KEY_LENGTH}"), fletcher32=True)
            file.create_dataset(
                "features",
                data=features.astype(self.recipe.stored_dtype),
                chunks=(min(CHUNK_ROWS, len(keys)), features.shape[1]),
                fletcher32=True,
            )
            file.attrs["recipe"] = self.recipe.to_json()
            file.attrs["provenance"] = json.dumps(_provenance(), sort_keys=True)
            file.attrs["complete"] = True
        with replacing(path) as temporary:
            temporary.write_bytes(image.getbuffer())
            _read_shard(temporary)
        _sync_folder(self.root)
        return path

    def _set_aside(self, shard: Path, reason: str) -> None:
        reason = " ".join(reason.split())
        self.damaged.append(f"{shard.name}: {reason}")
        print(f"warning: {shard} {reason}; set aside as {shard.name}{SET_ASIDE}", file=sys.stderr)
        shard.replace(shard.with_name(shard.name + SET_ASIDE))
        self._where = None


def _read_keys(shard: Path) -> tuple[list[str], Recipe]:
    """A shard's keys and recipe. Raises DamagedShardError."""
    try:
        with h5py.File(shard, "r") as file:
            if not file.attrs.get("complete", False):
                raise DamagedShardError("was never completed")
            recipe = Recipe.from_json(file.attrs["recipe"])
            keys = [key.decode("ascii") for key in file["key"][:].tolist()]
            shape = file["features"].shape
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise DamagedShardError(f"is not a whole shard ({error})") from error
    if shape != (len(keys), recipe.feature_size):
        raise DamagedShardError(f"has {len(keys)} keys and features of shape {shape}")
    return keys, recipe


def _read_shard(shard: Path) -> tuple[list[str], Features, Recipe]:
    """A shard whole, which checks its checksums. Raises DamagedShardError."""
    keys, recipe = _read_keys(shard)
    try:
        with h5py.File(shard, "r") as file:
            features = file["features"][:].astype(np.float32, copy=False)
    except OSError as error:
        raise DamagedShardError(f"fails its checksum ({error})") from error
    return keys, features, recipe


def _provenance() -> dict[str, str]:
    """Who computed a shard, when and with what; nothing of it decides whether a row is served."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"
    return {
        "user": user,
        "host": socket.gethostname(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        **{name: _version(name) for name in ("emotionrankclap", "torch", "transformers", "h5py")},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
