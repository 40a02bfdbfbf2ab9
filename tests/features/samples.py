"""Rows to store, ways to damage a shard, and a small disk."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np

from pipeline.features.shards.keys import packed, sentence_key
from pipeline.features.shards.provenance import Provenance
from pipeline.features.shards.rows import Rows
from pipeline.features.store import FeatureStore
from pipeline.recipe import Recipe

RECIPE = Recipe(
    modality="speech",
    model="small",
    revision="sha256:ab",
    feature_size=4,
    pooling="attentive-mean",
    padding="masked",
    max_length=10.0,
)
OTHER = replace(RECIPE, pooling="attentive-std")


def keys_of(start: int, count: int) -> list[str]:
    return [sentence_key(f"row {i}") for i in range(start, start + count)]


def features_of(start: int, count: int) -> np.ndarray:
    return np.arange(start * 4, (start + count) * 4, dtype=np.float32).reshape(count, 4)


def rows_of(start: int, count: int, user: str = "ana") -> Rows:
    origin = {"user": user, "host": "there", "date": "2026-01-01T00:00:00+00:00", "device": "cpu"}
    return Rows(packed(keys_of(start, count)), features_of(start, count), Provenance(((count, origin),)))


def fill(root: Path, *parts: tuple[int, int], recipe: Recipe = RECIPE, user: str = "ana") -> list[Path]:
    """A shard for each part, of rows start to start + count."""
    store = FeatureStore(root, recipe)
    return [store.take(rows_of(start, count, user))[0].path for start, count in parts]


def holds(root: Path, *parts: tuple[int, int], recipe: Recipe = RECIPE) -> bool:
    """Whether a folder serves just these rows, bit for bit."""
    store = FeatureStore(root, recipe)
    keys = [key for part in parts for key in keys_of(*part)]
    if store.keys() != set(keys):
        return False
    return bool(np.array_equal(store.gather(keys), np.concatenate([features_of(*part) for part in parts])))


def damage(shard: Path, how: str) -> None:
    whole = bytearray(shard.read_bytes())
    if how == "flipped":
        with h5py.File(shard) as file:
            whole[file["features"].id.get_offset() + 5] ^= 1
    if how == "truncated":
        whole = whole[: len(whole) // 2]
    if how == "empty":
        whole = bytearray()
    if how == "text":
        whole = bytearray(b"not a shard")
    shard.write_bytes(whole)
    if how == "foreign":
        with h5py.File(shard, "w") as file:
            file["something"] = [1, 2]
    if how == "incomplete":
        with shard.open("r+b") as file:
            file.write(bytes(512))
    if how == "first format":
        with h5py.File(shard, "w") as file:
            file["key"] = np.array(keys_of(0, 3), dtype="S64")
            file["features"] = features_of(0, 3)
            file.attrs["recipe"], file.attrs["complete"] = RECIPE.to_json(), True


DAMAGES = ("flipped", "truncated", "empty", "text", "foreign", "incomplete", "first format")


def tmpfs(folder: Path, *options: str) -> bool:
    """Mount a small file system of its own, which a limit of permissions does for root too."""
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", ",".join(("size=64k", *options)), "none", str(folder)]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
