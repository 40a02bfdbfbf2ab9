"""Exact search of an index beside the bare matrix product: seconds a query, and memory.

    python benchmarks/search.py [--windows 1000000] [--windows 3000000] [--dimensions 512] [--runs 7]

Embeddings are unit vectors of noise, written to a temporary folder as an index of files of one to eight windows:
no encoder has a part in it. `bare product` multiplies the same mapped matrix by the queries at once and does
nothing with the scores; `numpy` takes the ten best of these by argpartition and sorts them; faiss's flat index is
measured where it is installed, with the matrix in its own memory. The ways take turns, after one uncounted turn
each, and all must find the same windows. Memory is what Python and numpy allocate at most during a search, without
the mapped file, which the system may drop at any time.
"""

from __future__ import annotations

import importlib.util
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.use import Index
from pipeline.use.index.disk import EmbeddingsWriter, write_tables, writing

BEST = 10

Matrix = npt.NDArray[np.float32]


def unit(rows: int, dimensions: int, generator: np.random.Generator) -> Matrix:
    noise = generator.standard_normal((rows, dimensions), np.float32)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    return noise


def write_index(folder: Path, count: int, dimensions: int) -> None:
    """Write an index of so many windows."""
    generator = np.random.default_rng(0)
    file_of = np.repeat(np.arange(count), generator.integers(1, 9, count))[:count]
    files = int(file_of[-1]) + 1
    about = {"root": str(folder), "model": "0" * 12, "seconds": 10.0, "hop": 10.0}
    with writing(folder, about) as generation:
        with EmbeddingsWriter(generation, count) as writer:
            for start in range(0, count, 1 << 16):
                writer.add(unit(min(1 << 16, count - start), dimensions, generator))
        starts = 10.0 * (np.arange(count) - np.searchsorted(file_of, file_of))
        moods = {name: generator.uniform(1, 7, count) for name in ("valence", "arousal", "dominance")}
        write_tables(
            generation,
            pa.table(
                {
                    "path": [f"speaker-{row % 997:03}/{row:08}.wav" for row in range(files)],
                    "size": np.zeros(files, np.int64),
                    "mtime_ns": np.zeros(files, np.int64),
                    "sha256": [f"{row:064x}" for row in range(files)],
                    "duration": np.full(files, 10.0),
                    "sampling_rate": np.full(files, 16_000),
                }
            ),
            pa.table({"file": file_of, "start": starts, "end": starts + 10.0} | moods),
        )


def ten_best(matrix: Matrix, queries: Matrix) -> npt.NDArray[np.int64]:
    scores = queries @ matrix.T
    best = np.argpartition(scores, scores.shape[1] - BEST, axis=1)[:, -BEST:]
    order = np.argsort(-np.take_along_axis(scores, best, 1), axis=1)
    return np.take_along_axis(best, order, 1)


def ways_of(index: Index, queries: Matrix) -> dict[str, Callable[[], object]]:
    """What is measured, by name; what finds windows returns their rows."""
    matrix = index.embeddings
    ways: dict[str, Callable[[], object]] = {
        "bare product": lambda: (queries @ matrix.T)[:, :0],
        "numpy": lambda: ten_best(matrix, queries),
        "ours, all windows": lambda: rows_of(index, queries, None),
        "ours, one a file": lambda: rows_of(index, queries, 1),
    }
    if importlib.util.find_spec("faiss"):
        import faiss

        flat = faiss.IndexFlatIP(matrix.shape[1])
        flat.add(np.asarray(matrix))
        ways["faiss flat"] = lambda: flat.search(queries, BEST)[1]
    return ways


def rows_of(index: Index, queries: Matrix, of_each: int | None) -> npt.NDArray[np.int64]:
    found = index.by_embedding(queries, BEST, windows_per_file=of_each)
    return np.array([[hit.window for hit in hits] for hits in found])


def measure(index: Index, queries: Matrix, runs: int) -> None:
    """Print the seconds and the memory of each way, a row each."""
    ways = ways_of(index, queries)
    found = {name: way() for name, way in ways.items()}
    for name in ("ours, all windows", "faiss flat"):
        if name in found and not np.array_equal(found[name], found["numpy"]):
            raise RuntimeError(f"{name} must find what numpy finds, found other windows")
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(runs):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            seconds[name].append((time.perf_counter() - started) / len(queries))
    bare = min(seconds["bare product"])
    for name, way in ways.items():
        tracemalloc.start()
        way()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        print(
            f"| {len(index):,} | {len(queries)} | {name} | {min(seconds[name]):.4f} / "
            f"{statistics.median(seconds[name]):.4f} | {min(seconds[name]) / bare:.2f} | {peak / 2**20:.0f} |"
        )


@click.command(help=__doc__)
@click.option("--windows", "counts", type=int, multiple=True, default=(1_000_000, 3_000_000))
@click.option("--dimensions", default=512)
@click.option("--runs", default=7)
def main(counts: tuple[int, ...], dimensions: int, runs: int) -> None:
    queries = unit(16, dimensions, np.random.default_rng(1))
    print("| windows | queries at once | | s a query, lowest / median | of the bare product | MiB |")
    print("| --- | --- | --- | --- | --- | --- |")
    opened = []
    for count in counts:
        with tempfile.TemporaryDirectory(prefix="search-") as folder:
            write_index(Path(folder), count, dimensions)
            started = time.perf_counter()
            index = Index.open(Path(folder))
            opened.append(f"{count:,} windows in {time.perf_counter() - started:.2f} s")
            for some in (queries[:1], queries):
                measure(index, some, runs)
            started = time.perf_counter()
            index.by_point(2.0, 6.0)
            opened.append(f"searched by a place in {time.perf_counter() - started:.2f} s")
    print(f"\nOpened: {', '.join(opened)}.")


if __name__ == "__main__":
    main()
