"""Shards as somebody else may write them: HDF5 of any kind behind a first line with the right checksum."""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pipeline.features.shards.header import BLOCK_ROWS
from pipeline.features.shards.keys import packed
from pipeline.features.shards.writing import OLDEST
from pipeline.recipe import Recipe
from tests.features.samples import RECIPE, features_of, keys_of

Maker = Callable[[h5py.File, str, Any], object]

PRIVATE = b"a private file of the victim's, which nobody else may read. " * 40


@dataclass
class Draft:
    """What goes into a file, each part of which may be another than a shard's."""

    features: np.ndarray
    key: np.ndarray
    recipe: Any
    provenance: Any
    crc32: np.ndarray
    private: Path
    libver: Any = OLDEST
    make: dict[str, Maker] = field(default_factory=dict)
    """How a dataset is written, where it is not written as ours are."""
    after: Callable[[h5py.File], object] = lambda file: None


Change = Callable[[Draft], object]


def draft(private: Path, keys: list[str] | None = None, recipe: Recipe = RECIPE) -> Draft:
    """That of a shard in which nothing is wrong. `private` is a file that it may try to read, and is written."""
    private.write_bytes(PRIVATE)
    keys = keys_of(0, 3) if keys is None else keys
    features = np.resize(features_of(0, len(keys)), (len(keys), recipe.feature_size)).astype(
        recipe.stored_dtype
    )
    raw = packed(keys).view(np.uint8).reshape(-1, 32).copy()
    origin = {"user": "eve", "host": "there", "date": "2026-01-01T00:00:00+00:00", "device": "cpu"}
    provenance = [{"rows": len(keys), **origin}]
    return Draft(features, raw, recipe.to_dict(), provenance, checksums(features), private)


def checksums(features: np.ndarray) -> np.ndarray:
    blocks = [features[start : start + BLOCK_ROWS] for start in range(0, len(features), BLOCK_ROWS)]
    return np.array([zlib.crc32(np.ascontiguousarray(block).data.cast("B")) for block in blocks], np.uint32)


def write(path: Path, of: Draft) -> Path:
    """Write it, and before it a first line that says what is so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    parts = {"provenance": np.bytes_(text_of(of.provenance)), "key": of.key, "crc32": of.crc32}
    offset, memory = None, io.BytesIO()
    with h5py.File(memory, "w", libver=of.libver, userblock_size=512) as file:
        file.attrs["recipe"] = text_of(of.recipe).decode()
        for name, value in (parts | {"features": of.features}).items():
            of.make.get(name, plain)(file, name, value)
        of.after(file)
        features = file.get("features")
        if isinstance(features, h5py.Dataset):
            offset = features.id.get_offset()
    image = memory.getvalue()
    path.write_bytes(sealed(image, offset if offset and 512 < offset <= len(image) else len(image)))
    return path


def sealed(image: bytes, length: int) -> bytes:
    """An image with the first line that says how long its header is."""
    checksum = zlib.crc32(image[512:length])
    line = f"emotionrankclap shard, format 2, header {length} bytes, crc32 {checksum:08x}\n".encode()
    return line + bytes(512 - len(line)) + image[512:]


def text_of(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else json.dumps(value, sort_keys=True).encode()


def plain(file: h5py.File, name: str, value: Any) -> None:
    file[name] = value


def external(private: Path) -> Maker:
    """Whose bytes are those of the victim's file."""
    return lambda file, name, value: file.create_dataset(
        name, value.shape, value.dtype, external=[(str(private), 0, value.nbytes)]
    )


def virtual(file: h5py.File, name: str, value: Any) -> None:
    """Which is made of itself."""
    layout = h5py.VirtualLayout(value.shape, value.dtype)
    layout[...] = h5py.VirtualSource(".", name, value.shape, value.dtype)
    file.create_virtual_dataset(name, layout)


def chunked(**options: Any) -> Maker:
    return lambda file, name, value: file.create_dataset(name, data=value, chunks=value.shape, **options)


def unallocated(shape: tuple[int, ...]) -> Maker:
    return lambda file, name, value: file.create_dataset(name, shape, value.dtype)


def typed(dtype: str) -> Maker:
    return lambda file, name, value: file.create_dataset(name, data=value.astype(dtype))


def compact(file: h5py.File, name: str, value: Any) -> None:
    """Whose bytes are in its object's header."""
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_layout(h5py.h5d.COMPACT)
    space, kind = h5py.h5s.create_simple(value.shape), h5py.h5t.py_create(value.dtype, logical=True)
    made = h5py.h5d.create(file.id, name.encode(), kind, space, properties)
    made.write(h5py.h5s.ALL, h5py.h5s.ALL, np.ascontiguousarray(value))


def linked(link: Any) -> Maker:
    """Which is a link to something else."""

    def make(file: h5py.File, name: str, value: Any) -> None:
        file[name] = link

    return make


def left_out(file: h5py.File, name: str, value: Any) -> None:
    """Which is not there."""


def made(name: str, maker: Maker) -> Change:
    """A dataset of that name is made so."""

    def change(of: Draft) -> None:
        of.make[name] = maker

    return change


def of_itself(name: str) -> Change:
    """A virtual dataset, which the oldest structures do not know."""

    def change(of: Draft) -> None:
        of.make[name], of.libver = virtual, ("earliest", "v110")

    return change


def outside(name: str) -> Change:
    return lambda of: of.make.update({name: external(of.private)})


def says(name: str, **fields: Any) -> Change:
    """Another part, or other fields of the recipe."""

    def change(of: Draft) -> None:
        if name == "recipe":
            of.recipe = of.recipe | fields
        else:
            setattr(of, name, fields["value"])

    return change


def run(**fields: Any) -> Change:
    """Other fields in the first run of the provenance."""
    return lambda of: of.provenance[0].update(fields)


def holding(value: float) -> Change:
    """A row that is not finite, with the right checksum."""

    def change(of: Draft) -> None:
        of.features[-1, -1] = value
        of.crc32 = checksums(of.features)

    return change


def rows(count: int) -> Change:
    """So many rows, all else right."""

    def change(of: Draft) -> None:
        whole = np.random.default_rng(0)
        of.features = np.zeros((count, of.features.shape[1]), of.features.dtype)
        of.key = whole.integers(0, 256, (count, 32), np.uint8)
        of.crc32 = checksums(of.features)
        of.provenance[0]["rows"] = count

    return change


def twice(of: Draft) -> None:
    of.key[-1] = of.key[0]


CASES: dict[str, Change] = {
    **{f"{name} in another file": outside(name) for name in ("key", "features", "crc32")},
    **{f"{name} made of itself": of_itself(name) for name in ("key", "features")},
    **{f"{name} in chunks": made(name, chunked()) for name in ("key", "features", "crc32")},
    "key compressed": made("key", chunked(compression="gzip")),
    "features compressed": made("features", chunked(compression="gzip")),
    "key that checks itself": made("key", chunked(fletcher32=True)),
    "key in its object's header": made("key", compact),
    "key linked": made("key", linked(h5py.SoftLink("/features"))),
    "key linked elsewhere": made("key", linked(h5py.ExternalLink("../private", "/key"))),
    "key never allocated": made("key", unallocated((10**9, 32))),
    "features never allocated": made("features", unallocated((3, 4))),
    "features without end": made("features", unallocated((10**7, 10**7))),
    "key of texts": made("key", typed("S1")),
    "key of wide numbers": made("key", typed("u2")),
    "crc32 of wide numbers": made("crc32", typed("u8")),
    "features of wide numbers": made("features", typed("f8")),
    "features the other way round": made("features", typed(">f4")),
    "key left out": made("key", left_out),
    "provenance left out": made("provenance", left_out),
    "a group for a key": made("key", lambda file, name, value: file.create_group(name)),
    "one dataset more": lambda of: setattr(of, "after", lambda file: file.create_dataset("more", data=[1])),
    "one attribute more": lambda of: setattr(of, "after", lambda file: file.attrs.update({"more": 1})),
    "an attribute of a dataset": lambda of: setattr(
        of, "after", lambda file: file["key"].attrs.update({"m": 1})
    ),
    "structures of a later library": lambda of: setattr(of, "libver", "latest"),
    "no checksum": says("crc32", value=np.zeros(0, np.uint32)),
    "a checksum too many": says("crc32", value=np.zeros(2, np.uint32)),
    "one number for checksums": says("crc32", value=np.uint32(7)),
    "keys too short": lambda of: setattr(of, "key", of.key[:, :31]),
    "a key less": lambda of: setattr(of, "key", of.key[1:]),
    "a key twice": twice,
    "more rows than a shard has": rows(4097),
    "no rows": rows(0),
    **{f"a row with {value}": holding(value) for value in (np.nan, np.inf, -np.inf)},
    **{
        f"provenance {name}": says("provenance", value=value)
        for name, value in {
            "of nothing": [],
            "nested without end": "[" * 100_000,
            "that is no list": {"rows": 3},
            "of numbers": [1, 2, 3],
            "that is no JSON": "]",
            "without end": [{"rows": 3, "user": "x" * 2000}],
            "beyond all": " " * (5 << 20),
        }.items()
    },
    **{
        f"provenance with {value!r} rows": run(rows=value)
        for value in (2, 10**12, 0, -3, True, 3.0, None, "3", [3])
    },
    "provenance with a number for a user": run(user=5),
    **{
        f"recipe with {name} {value!r}": says("recipe", **{name: value})
        for name, value in (
            ("revision", None),
            ("model", 5),
            ("tokens", ["x"]),
            ("pooling", {}),
            ("modality", "smell"),
            ("modality", None),
            ("feature_size", -4),
            ("feature_size", 4.0),
            ("feature_size", 10**9),
            ("max_length", float("nan")),
            ("max_length", float("inf")),
            ("max_length", True),
            ("max_length", 10**400),
            ("stored_dtype", "O"),
            ("stored_dtype", "float64"),
            ("compute_dtype", 32),
            ("forward_version", True),
            ("more", 1),
        )
    },
    "recipe that is a list": lambda of: setattr(of, "recipe", []),
    "recipe that is no JSON": lambda of: setattr(of, "recipe", "{"),
    "recipe nested without end": lambda of: setattr(of, "recipe", "[" * 10_000),
    "recipe without end": says("recipe", model="x" * 20_000),
}
"""What is wrong with a shard, and nothing else."""
