"""Planning of very many keys, simulated: what `erclap extract --part` knows and does before it computes anything.

    python benchmarks/scale.py [--keys 10_000_000]
    python benchmarks/scale.py --keys 1_000_000,3_000_000,10_000_000,30_000_000,100_000_000

The keys of a store, 4,096 a shard, are drawn at random and held as shards hold them; no file is read. The index of
them is made, then as many keys are looked up, half of which the store has, and it is told which of these are part
1 of 1,000. With --manifest it is a manifest of so many rows, no two of one clip, that is read from a file, and of
which is told what is part 1 of 1,000.

Each size is a process of its own. Prints seconds of the processor, of one thread, and resident bytes a key beyond
what the process had at first: both sets of keys, the index beside them, and the most there ever were.
"""

from __future__ import annotations

import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.features import Keys, Shard, missing_clips
from pipeline.features.shards.index import Index
from pipeline.features.shards.rows import SHARD_ROWS
from pipeline.manifest import SCHEMA, Manifest
from pipeline.support import Part

PART = Part(1, 1000)

ROWS_AT_ONCE = 100_000

OF_A_STORE = (
    "| keys | index, CPU s | look-up, CPU s | part, CPU s | ns a key, all three | "
    "bytes a key: both sets of keys | index, while made | index, kept | in all |"
)
OF_A_MANIFEST = "| clips | read, CPU s | part, CPU s | ns a clip, both | bytes a clip |"


@dataclass(frozen=True)
class Simulated:
    """What an index asks of a shard."""

    path: Path
    keys: Keys

    def __len__(self) -> int:
        return len(self.keys)


def draw(rng: np.random.Generator, count: int) -> Keys:
    return np.frombuffer(rng.bytes(32 * count), "S32")


def draw_store(rng: np.random.Generator, count: int) -> tuple[list[Simulated], Keys]:
    """The shards of a store, and as many keys, of which it has every second."""
    shards, wanted = [], np.empty(count, "S32")
    for start in range(0, count, SHARD_ROWS):
        keys = draw(rng, min(SHARD_ROWS, count - start))
        shards.append(Simulated(Path(f"{len(shards):08}.h5"), keys))
        asked = draw(rng, len(keys)).copy()
        asked[::2] = keys[::2]
        wanted[start : start + len(keys)] = asked
    return shards, wanted


def memory(peak: bool) -> int:
    """Resident bytes of this process: the most there ever were, or as many as there are."""
    if peak:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def simulate(count: int) -> dict[str, float]:
    """Seconds and bytes a key."""
    before = memory(peak=False)
    shards, wanted = draw_store(np.random.default_rng(0), count)
    held = memory(peak=False)
    started = time.process_time()
    index = Index(cast(list[Shard], shards))
    indexed, most = time.process_time(), memory(peak=True)
    kept = memory(peak=False)
    places = index.find(wanted)
    found = time.process_time()
    ours = PART.holds(wanted)
    parted = time.process_time()
    if (
        int((places >= 0).sum())
        != len(range(0, SHARD_ROWS, 2)) * (count // SHARD_ROWS) + (count % SHARD_ROWS + 1) // 2
    ):
        raise RuntimeError(f"every second of {count} keys must be found, found {int((places >= 0).sum())}")
    if abs(int(ours.sum()) - count / PART.count) > 6 * (count / PART.count) ** 0.5:
        raise RuntimeError(f"a part must have about a thousandth of {count} keys, found {int(ours.sum())}")
    return {
        "index_s": indexed - started,
        "find_s": found - indexed,
        "part_s": parted - found,
        "keys_bytes": (held - before) / count,
        "index_bytes": (most - held) / count,
        "kept_bytes": (kept - held) / count,
        "peak_bytes": (memory(peak=True) - before) / count,
    }


def simulate_manifest(count: int) -> dict[str, float]:
    """The same of a manifest, of which a store has nothing."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "manifest.parquet"
        with pq.ParquetWriter(file, SCHEMA, compression="zstd") as writer:
            for start in range(0, count, ROWS_AT_ONCE):
                writer.write_table(_rows(rng, start, min(ROWS_AT_ONCE, count - start)))
        before, started = memory(peak=False), time.process_time()
        manifest = Manifest.read_clips(file)
        read = time.process_time()
        clips = missing_clips(manifest, PART.holds)
        parted = time.process_time()
    if abs(len(clips) - count / PART.count) > 6 * (count / PART.count) ** 0.5:
        raise RuntimeError(f"a part must have about a thousandth of {count} clips, found {len(clips)}")
    return {
        "read_s": read - started,
        "part_s": parted - read,
        "peak_bytes": (memory(peak=True) - before) / count,
    }


def _rows(rng: np.random.Generator, start: int, count: int) -> pa.Table:
    digits = rng.bytes(32 * count).hex()
    names = [f"show-{(start + i) // 500:07}/clip-{start + i:010}" for i in range(count)]
    said: dict[str, object] = {
        "id": names,
        "path": [f"{name}.wav" for name in names],
        "sha256": [digits[i : i + 64] for i in range(0, len(digits), 64)],
        "duration": rng.uniform(2.75, 11, count),
        "sampling_rate": np.full(count, 16_000, np.int32),
        "channels": np.ones(count, np.int32),
        "split": ["train"] * count,
        "valence": np.full(count, 4.0),
        "arousal": np.full(count, 4.0),
    }
    return pa.table(
        {f.name: pa.array(said.get(f.name, [None] * count), f.type) for f in SCHEMA}, schema=SCHEMA
    )


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


@click.command()
@click.option(
    "--keys", "sizes", default="10_000_000", show_default=True, help="How many; several with commas."
)
@click.option("--manifest", is_flag=True, help="A manifest of so many rows in the place of a store.")
@click.option("--one", type=int, hidden=True)
def main(sizes: str, manifest: bool, one: int | None) -> None:
    if one is not None:
        print(json.dumps((simulate_manifest if manifest else simulate)(one)))
        return
    print(f"{processor()}, numpy {np.__version__}\n")
    print(OF_A_MANIFEST if manifest else OF_A_STORE)
    print("| --- |" + " --- |" * ((OF_A_MANIFEST if manifest else OF_A_STORE).count("|") - 2))
    for count in (int(size.replace("_", "")) for size in sizes.split(",")):
        command = [sys.executable, __file__, "--one", str(count), *(["--manifest"] if manifest else [])]
        said = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        seconds = sum(value for name, value in said.items() if name.endswith("_s"))
        cells = [f"{value:.2f}" for name, value in said.items() if name.endswith("_s")]
        cells += [f"{1e9 * seconds / count:.0f}"]
        cells += [f"{value:.0f}" for name, value in said.items() if name.endswith("_bytes")]
        print(f"| {count:,} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
