"""Shards at random, with right checksums: each is served as any HDF5 reader reads it, or named and set aside.

FUZZED_SHARDS=10000 FUZZED_SEED=1 pytest tests/features/test_fuzzed_shards.py
"""

from __future__ import annotations

import io
import os
import random
import resource
import shutil
import struct
import time
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pipeline.features.shards.folder import ShardFolder
from pipeline.features.shards.header import DamagedShardError, LaterFormatError
from pipeline.features.shards.keys import packed
from pipeline.features.shards.provenance import Provenance
from pipeline.features.shards.rows import Rows
from pipeline.features.shards.shard import Shard, read_shard
from pipeline.features.shards.writing import _image
from pipeline.features.store import FeatureStore
from pipeline.features.team import TeamStore
from pipeline.features.upkeep.compacting import compact
from pipeline.features.upkeep.merging import merge, shards_below
from pipeline.features.upkeep.planning import Wanted, plan
from pipeline.features.upkeep.summary import summarise
from pipeline.recipe import Recipe
from tests.features.foreign import CASES, PRIVATE, checksums, draft, sealed, write
from tests.features.samples import RECIPE, features_of, fill, keys_of

COUNT, SEED = int(os.environ.get("FUZZED_SHARDS", "100")), int(os.environ.get("FUZZED_SEED", "0"))

ATOMS: list[Any] = [
    None,
    True,
    -1,
    0,
    3,
    10**30,
    1e308,
    float("nan"),
    "",
    "x",
    "\x1b[2J",
    "\ud800",
    [],
    {},
    [[]],
]


def json_like(dice: random.Random, value: Any) -> Any:
    """A value with something else somewhere in it."""
    if isinstance(value, dict) and value and dice.random() < 0.9:
        name = dice.choice([*value, "more"])
        if dice.random() < 0.2:
            return {n: v for n, v in value.items() if n != name}
        return value | {name: json_like(dice, value.get(name))}
    if isinstance(value, list) and value and dice.random() < 0.8:
        at = dice.randrange(len(value))
        return value[:at] + [json_like(dice, value[at])] * dice.choice([1, 1, 2, 0]) + value[at + 1 :]
    return dice.choice([*ATOMS, dice.randint(-5, 300), "y" * dice.randint(0, 3000)])


def whole(dice: random.Random) -> tuple[bytearray, int]:
    """A shard as ours are, and the length of its header."""
    count = dice.choice([1, 3, 3, 3, 255, 256, 257, 700])
    recipe = replace(RECIPE, stored_dtype=dice.choice(["float32", "float16"]))
    parts = sorted({0, count, *(dice.randrange(count + 1) for _ in range(dice.choice([0, 1, 5])))})
    runs = tuple((b - a, {"user": f"user {a}"}) for a, b in pairwise(parts))
    features = (features_of(0, count) % 1000).astype(recipe.stored_dtype)
    image = bytearray(_image(Rows(packed(keys_of(0, count)), features, Provenance(runs)), recipe))
    return image, len(image) - features.nbytes


def spliced(dice: random.Random) -> bytes:
    """One of ours, some of whose structures are others."""
    image, length = whole(dice)
    used = [at for at in range(512, length) if image[at]]
    for _ in range(dice.choice([1, 1, 1, 2, 4, 16])):
        at = min(max(512, dice.choice(used) + dice.randint(-8, 8)), length - 9)
        kind = dice.randrange(6)
        if kind == 0:
            image[at] = dice.randrange(256)
        elif kind == 1:
            image[at] ^= 1 << dice.randrange(8)
        elif kind == 2:
            image[at] = (image[at] + dice.choice([1, 255])) % 256
        elif kind == 3:
            number = dice.choice(
                [0, 1, 2**32 - 1, 2**63, 2**64 - 1, dice.randrange(len(image)), dice.getrandbits(64)]
            )
            image[at : at + 8] = struct.pack("<Q", number)
        elif kind == 4:
            image[at : at + 2] = struct.pack("<H", dice.randrange(24))
        else:
            size, other = dice.choice([2, 8, 24, 64]), dice.choice(used)
            image[at : at + size] = image[other : other + size]
    return sealed(bytes(image), length)


def lying(dice: random.Random) -> bytes:
    """One of ours with other rows, checksums and sizes."""
    image, length = whole(dice)
    for _ in range(dice.choice([0, 1, 3])):
        image[dice.randrange(length, len(image))] = dice.choice([0xFF, 0x7F, 0x7C, 0x80, dice.randrange(256)])
    if dice.random() < 0.8:  # right checksums of whatever is there
        with h5py.File(io.BytesIO(image)) as file:
            at, right = file["crc32"].id.get_offset(), checksums(file["features"][:])
        image[at : at + right.nbytes] = right.tobytes()
    if dice.random() < 0.3:
        image = (
            image[: dice.randrange(len(image))] if dice.random() < 0.5 else image + bytes(dice.randrange(99))
        )
    if dice.random() < 0.2:
        length = dice.choice([0, 512, 513, length - 1, length + 1, len(image), 10**8, dice.randrange(10**4)])
    return sealed(bytes(image), length)


def odd(dice: random.Random, path: Path) -> bytes:
    """What an HDF5 library writes of another kind than ours."""
    recipe = replace(RECIPE, stored_dtype=dice.choice(["float32", "float16"]))
    of = draft(path.parent.parent / "private", keys_of(0, dice.choice([1, 3, 300])), recipe)
    try:
        for _ in range(dice.choice([0, 1, 1, 1, 2, 3])):
            CASES[dice.choice([*CASES])](of)
        if dice.random() < 0.3:
            of.provenance = json_like(dice, of.provenance)
        if dice.random() < 0.3:
            of.recipe = json_like(dice, of.recipe)
        if dice.random() < 0.2:
            of.libver = dice.choice([("earliest", "v108"), ("v108", "v110"), "latest", None])
        return write(path, of).read_bytes()
    except Exception:
        return b"changes that do not go together, or that even HDF5 refuses to write"


def make(dice: random.Random, path: Path) -> str:
    kind = dice.choices(["spliced", "lying", "odd"], [5, 2, 3])[0]
    data = odd(dice, path) if kind == "odd" else {"spliced": spliced, "lying": lying}[kind](dice)
    path.write_bytes(data)
    return kind


def opened(path: Path) -> Shard | None:
    """The shard where it is whole, nothing where it is refused; anything else is a fault of ours."""
    try:
        shard = read_shard(path, links=False)
        shard.check()
    except (DamagedShardError, LaterFormatError):
        return None
    return shard


def read_by_hdf5(path: Path, shard: Shard) -> None:
    """What is served is what any HDF5 reader reads."""
    rows = shard.rows(np.arange(len(shard)))
    assert np.isfinite(rows.features).all()
    assert len(np.unique(rows.keys)) == len(rows) == rows.provenance.rows
    with h5py.File(path) as file:
        assert file["features"].dtype == rows.features.dtype
        assert file["features"][:].tobytes() == rows.features.tobytes()
        assert file["key"][:].tobytes() == rows.keys.tobytes()
        assert np.array_equal(file["crc32"][:], checksums(rows.features))
        assert Recipe.from_json(file.attrs["recipe"]) == shard.recipe
        assert Provenance.from_json(bytes(file["provenance"][()]).decode()) == shard.provenance


def used(folder: Path) -> None:
    """All that is done with a store is done beside a shard at random, and nothing private gets anywhere."""
    fill(folder, (1000, 3))
    wanted = packed([*keys_of(0, 3), *keys_of(1000, 3)])
    found = ShardFolder(folder, shared=True)
    assert all(str(c).isprintable() for summary in summarise(found.refresh()) for c in summary.contributions)
    plan(Wanted(wanted, [str(i) for i in range(6)]), RECIPE, found.refresh(), [], None)
    merged = ShardFolder(folder.parent / "merged")
    merge(shards_below(folder)[0], lambda recipe: merged)
    team = folder.parent / "team"
    team.mkdir()
    folder.rename(team / RECIPE.digest)
    newcomer = FeatureStore(folder.parent / "newcomer", RECIPE)
    TeamStore(team).fetch(newcomer, wanted)
    assert np.array_equal(newcomer.gather(keys_of(1000, 3)), features_of(1000, 3))
    compact(ShardFolder(team / RECIPE.digest, shared=True))
    for written in (merged, newcomer.folder):
        assert written.verify() == []
    for file in folder.parent.rglob("*.h5"):
        assert PRIVATE[:59] not in file.read_bytes()


def test_any_shard_is_served_as_hdf5_reads_it_or_set_aside(tmp_path, capsys):
    outcomes: Counter[tuple[str, bool]] = Counter()
    slowest, before = 0.0, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(COUNT):
        dice = random.Random(f"{SEED}/{number}")
        place = tmp_path / "place"
        path = place / "store" / "0.h5"
        path.parent.mkdir(parents=True)
        kind = make(dice, path)
        started = time.monotonic()
        shard = opened(path)
        if shard is not None:
            read_by_hdf5(path, shard)
        if number % 4 == 0 or COUNT > 1000:
            used(path.parent)  # which takes ten times as long
        slowest = max(slowest, time.monotonic() - started)
        outcomes[kind, shard is not None] += 1
        shutil.rmtree(place)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    with capsys.disabled():
        if "FUZZED_SHARDS" in os.environ:
            print(f"\n{dict(outcomes)}, slowest {slowest:.2f} s, {grown:.0f} MB more")
    assert slowest < 10
    assert grown < 200
    for kind in ("spliced", "lying", "odd"):
        assert outcomes[kind, True]
        assert outcomes[kind, False]
