"""The store beside other ways to keep a matrix of features: write it all, read it all, plan a million keys.

    python benchmarks/store.py [--rows 90000] [--features 1024] [--singles 9000] [--planned 1000000] [--runs 5]

Everything is float32 noise, written to one folder, read once uncounted and then, from the page cache, into a new
array, which is compared with what was written. The ways take turns. `plain` is one file of the bare bytes;
`one matrix` is one contiguous HDF5 dataset; parquet has a column of fixed-size lists, no compression and no
dictionary, and is read on all threads. One HDF5 dataset a clip (in the file format of `libver="latest"`) and one
.npy a clip are measured on `--singles` clips and scaled to `--rows`.

Ours is read by its keys: `first` by a process that knows nothing yet, which lists the folder, makes the index and
compares every checksum, `again` by the same process. `shuffled` asks for the rows in an order that is not the
shards'. Writing ours means that every shard is read back, checked and synced to the disk. The peers that are one
file are synced too; the .npy files are not. No cache is dropped in between: the machine's disk is not measured.
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import click
import h5py
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.features import FeatureStore, ShardFolder, Wanted, packed, plan
from pipeline.features.shards.header import BLOCK_ROWS
from pipeline.features.shards.provenance import here
from pipeline.features.shards.rows import SHARD_ROWS, Rows
from pipeline.recipe import Recipe

Matrix = npt.NDArray[np.float32]


def recipe_of(features: int) -> Recipe:
    return Recipe("speech", "noise", "sha256:0", features, "attentive-mean", "masked", 10.0)


def keys_of(count: int, seed: int = 0) -> list[str]:
    digits = np.random.default_rng(seed).bytes(32 * count).hex()
    return [digits[i : i + 64] for i in range(0, len(digits), 64)]


def sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def write_ours(root: Path, keys: list[str], matrix: Matrix) -> None:
    store = FeatureStore(root, recipe_of(matrix.shape[1]))
    for start in range(0, len(keys), SHARD_ROWS):
        store.append(keys[start : start + SHARD_ROWS], matrix[start : start + SHARD_ROWS])


def write_plain(path: Path, keys: list[str], matrix: Matrix) -> None:
    matrix.tofile(path)
    sync(path)


def read_plain(path: Path, shape: tuple[int, int]) -> Matrix:
    return np.fromfile(path, np.float32).reshape(shape)


def read_checked(path: Path, shape: tuple[int, int]) -> Matrix:
    """As `plain`, with a checksum of every shard's block of rows, on one thread, a block at a time."""
    matrix = np.empty(shape, np.float32)
    with path.open("rb", buffering=0) as file:
        for start in range(0, shape[0], BLOCK_ROWS):
            block = matrix[start : start + BLOCK_ROWS].data.cast("B")
            file.readinto(block)
            zlib.crc32(block)
    return matrix


def write_matrix(path: Path, keys: list[str], matrix: Matrix) -> None:
    with h5py.File(path, "w") as file:
        file["key"] = np.array(keys, "S64")
        file["features"] = matrix
    sync(path)


def read_matrix(path: Path, shape: tuple[int, int]) -> Matrix:
    matrix = np.empty(shape, np.float32)
    with h5py.File(path) as file:
        file["features"].read_direct(matrix)
    return matrix


def write_parquet(path: Path, keys: list[str], matrix: Matrix) -> None:
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(matrix.reshape(-1)), matrix.shape[1])
    table = pa.table({"key": keys, "features": vectors})
    pq.write_table(table, path, compression="none", use_dictionary=False, row_group_size=SHARD_ROWS)
    sync(path)


def read_parquet(path: Path, shape: tuple[int, int]) -> Matrix:
    matrix = np.empty(shape, np.float32)
    row = 0
    for chunk in pq.read_table(path, columns=["features"]).column("features").chunks:
        part = chunk.flatten().to_numpy().reshape(-1, shape[1])
        matrix[row : row + len(part)] = part
        row += len(part)
    return matrix


def write_datasets(path: Path, keys: list[str], matrix: Matrix) -> None:
    with h5py.File(path, "w", libver="latest") as file:
        for key, row in zip(keys, matrix, strict=True):
            file.create_dataset(key, data=row)
    sync(path)


def read_datasets(path: Path, keys: list[str], features: int) -> Matrix:
    matrix = np.empty((len(keys), features), np.float32)
    with h5py.File(path, libver="latest") as file:
        for key, row in zip(keys, matrix, strict=True):
            file[key].read_direct(row)
    return matrix


def write_npy(folder: Path, keys: list[str], matrix: Matrix) -> None:
    folder.mkdir()
    for key, row in zip(keys, matrix, strict=True):
        np.save(folder / f"{key}.npy", row)


def read_npy(folder: Path, keys: list[str], features: int) -> Matrix:
    matrix = np.empty((len(keys), features), np.float32)
    for key, row in zip(keys, matrix, strict=True):
        row[:] = np.load(folder / f"{key}.npy")
    return matrix


def timed(work: Callable[[], Matrix | None], expected: Matrix | None = None) -> float:
    start = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - start
    if expected is not None and (result is None or not np.array_equal(result, expected)):
        raise RuntimeError("what was read must be what was written, found something else")
    return seconds


def measure(root: Path, matrix: Matrix, singles: int, times: dict[tuple[str, str], list[float]]) -> None:
    """Write and read once in every way; `times` takes the seconds."""
    count, features = matrix.shape
    keys, few, scale = keys_of(count), matrix[:singles], count / singles
    order = np.random.default_rng(1).permutation(count)
    shuffled, expected = [keys[i] for i in order], matrix[order]

    def note(way: str, what: str, seconds: float) -> None:
        times.setdefault((way, what), []).append(seconds)

    ours = root / "ours"
    note("ours", "write", timed(lambda: write_ours(ours, keys, matrix)))
    FeatureStore(ours, recipe_of(features)).gather(keys)
    for way, asked, wanted in (("ours", keys, matrix), ("ours, shuffled", shuffled, expected)):
        store = FeatureStore(ours, recipe_of(features))
        note(f"{way}, first", "read", timed(lambda s=store, a=asked: s.gather(a), wanted))
        note(f"{way}, again", "read", timed(lambda s=store, a=asked: s.gather(a), wanted))
    whole: dict[str, tuple[Callable[..., None], Callable[..., Matrix]]] = {
        "plain": (write_plain, read_plain),
        "one matrix": (write_matrix, read_matrix),
        "parquet": (write_parquet, read_parquet),
    }
    for way, (write, read) in whole.items():
        path = root / way
        note(way, "write", timed(lambda w=write, p=path: w(p, keys, matrix)))
        read(path, matrix.shape)
        note(way, "read", timed(lambda r=read, p=path: r(p, matrix.shape), matrix))
    path = root / "plain"
    note("plain, and a crc32", "read", timed(lambda: read_checked(path, matrix.shape), matrix))
    single: dict[str, tuple[Callable[..., None], Callable[..., Matrix]]] = {
        "one HDF5 dataset a clip": (write_datasets, read_datasets),
        "one .npy a clip": (write_npy, read_npy),
    }
    for way, (write, read) in single.items():
        path = root / way
        note(way, "write", scale * timed(lambda w=write, p=path: w(p, keys[:singles], few)))
        read(path, keys[:singles], features)
        note(way, "read", scale * timed(lambda r=read, p=path: r(p, keys[:singles], features), few))


def print_ways(times: dict[tuple[str, str], list[float]], title: str) -> None:
    """A line a way, with the medians' ratios to the plain file and to ours."""
    print(f"| {title} | s, median / lowest | plain / it | it / ours |\n| --- | --- | --- | --- |")
    for what in ("write", "read"):
        plain = statistics.median(times["plain", what])
        ours = statistics.median(times["ours" if what == "write" else "ours, first", what])
        for (way, kind), seconds in times.items():
            if kind == what:
                median = statistics.median(seconds)
                cells = f"{median:.3f} / {min(seconds):.3f} | {plain / median:.2f} | {median / ours:.2f}"
                print(f"| {what}, {way} | {cells} |")


def plan_seconds(root: Path, rows: int, features: int, runs: int) -> None:
    """Fill a store with so many rows, and plan as many keys against it, of which none or a tenth is new."""
    recipe, keys, values = recipe_of(features), keys_of(rows), np.zeros((SHARD_ROWS, features), np.float32)
    raw, folder = packed(keys), ShardFolder(root)
    for start in range(0, rows, SHARD_ROWS):
        part = raw[start : start + SHARD_ROWS]
        folder.write(Rows(part, values[: len(part)], here(len(part), "cpu")), recipe)
    mixed = keys_of(rows // 10, seed=1) + keys[rows // 10 :]
    rng = np.random.default_rng(2)
    for new, asked in ((0, keys), (rows // 10, mixed)):
        asked = [asked[i] for i in rng.permutation(rows)]
        seconds = []
        for _ in range(runs):
            start = time.perf_counter()
            planned = plan(Wanted(packed(asked), asked), recipe, ShardFolder(root).refresh(), [], None)
            seconds.append(time.perf_counter() - start)
            if planned.to_compute != new:
                raise RuntimeError(f"{new} rows must be new, found {planned.to_compute}")
        cells = f"{statistics.median(seconds):.2f} / {min(seconds):.2f}"
        print(f"| {rows} keys planned against {rows} rows, {new} new | {cells} | | |", flush=True)


@click.command(help=(__doc__ or "").splitlines()[0])
@click.option("--rows", default=90_000, show_default=True)
@click.option("--features", default=1024, show_default=True)
@click.option("--singles", default=9_000, show_default=True, help="Clips for the ways with a piece a clip.")
@click.option(
    "--planned", default=1_000_000, show_default=True, help="Rows of the store to plan against; 0: none."
)
@click.option("--runs", default=5, show_default=True)
@click.option(
    "--folder", type=click.Path(path_type=Path), help="Where the files go for the time; a temporary folder."
)
def main(rows: int, features: int, singles: int, planned: int, runs: int, folder: Path | None) -> None:
    matrix = np.random.default_rng(0).standard_normal((rows, features), np.float32)
    times: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        for run in range(runs):
            root = Path(temporary) / str(run)
            root.mkdir()
            measure(root, matrix, min(singles, rows), times)
            shutil.rmtree(root)
        print_ways(times, f"{rows} × {features}, {runs} runs")
        if planned:
            plan_seconds(Path(temporary) / "planned", planned, features, runs)


if __name__ == "__main__":
    main()
