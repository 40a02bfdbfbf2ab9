"""Planning of very many keys, simulated: what `erclap extract --part` knows and does before it computes anything.

    python benchmarks/scale.py [--keys 10_000_000]
    python benchmarks/scale.py --keys 1_000_000,3_000_000,10_000_000,30_000_000,100_000_000

The keys of a store, 4,096 a shard, are drawn at random and held as shards hold them; no file is read. The index of
them is made, then as many keys are looked up, half of which the store has, and it is told which of these are part
1 of 1,000. Each size is a process of its own. Prints seconds of the processor, of one thread, and resident bytes a
key beyond what the process had at first: both sets of keys, the index beside them, and the most there ever were.
"""

from __future__ import annotations

import json
import platform
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import click
import numpy as np

from pipeline.features import Keys, Shard
from pipeline.features.shards.index import Index
from pipeline.features.shards.rows import SHARD_ROWS
from pipeline.support import Part

PART = Part(1, 1000)


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
        "shards": len(shards),
        "index_s": indexed - started,
        "find_s": found - indexed,
        "part_s": parted - found,
        "keys_bytes": (held - before) / count,
        "index_bytes": (most - held) / count,
        "kept_bytes": (kept - held) / count,
        "peak_bytes": (memory(peak=True) - before) / count,
    }


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


@click.command()
@click.option(
    "--keys", "sizes", default="10_000_000", show_default=True, help="How many; several with commas."
)
@click.option("--one", type=int, hidden=True)
def main(sizes: str, one: int | None) -> None:
    if one is not None:
        print(json.dumps(simulate(one)))
        return
    print(f"{processor()}, numpy {np.__version__}\n")
    print(
        "| keys | shards | index, CPU s | look-up, CPU s | part, CPU s | ns a key, all three | "
        "bytes a key: both sets of keys | index, while made | index, kept | in all |"
    )
    print("| --- |" + " --- |" * 9)
    for count in (int(size.replace("_", "")) for size in sizes.split(",")):
        command = [sys.executable, __file__, "--one", str(count)]
        told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        each = 1e9 * (told["index_s"] + told["find_s"] + told["part_s"]) / count
        print(
            f"| {count:,} | {told['shards']:,} | {told['index_s']:.2f} | {told['find_s']:.2f} | "
            f"{told['part_s']:.2f} | {each:.0f} | {told['keys_bytes']:.0f} | {told['index_bytes']:.0f} | "
            f"{told['kept_bytes']:.0f} | {told['peak_bytes']:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
