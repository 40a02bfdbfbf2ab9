"""By hand: `python -m tests.scale.ray_kills 20`. Kills workers, nodes and drivers of a cluster at random moments.

After each, the work goes on until all is there: nothing that was stored is computed again, and of what was not, no
more than the blocks in flight.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import psutil
import soundfile

from pipeline.config import load_params
from pipeline.corpora.inspection import inspect
from pipeline.features import FeatureStore
from pipeline.features.extraction import missing_clips
from pipeline.manifest import Manifest, Utterance
from pipeline.recipe import Recipe
from pipeline.scale.ray_cluster import joined
from pipeline.scale.ray_encoding import Place
from pipeline.scale.ray_extraction import encode_clips
from tests.scale.dying import SlowEncoder

CLIPS, ROWS, NODES = 240, 4, 3
RECIPE = Recipe("speech", "dying", "sha256:0", 4, "first", "masked", 10.0)


def drive(address: str, folder: Path) -> None:
    """A run that encodes what is missing."""
    params = load_params()
    ray = params.runtime.ray.model_copy(update={"rows": ROWS, "encoders": 2, "encoder_cpus": 1})
    params = params.model_copy(
        update={
            "prepare": params.prepare.model_copy(update={"root": str(folder.parent / "corpus")}),
            "runtime": params.runtime.model_copy(update={"ray": ray}),
        }
    )
    manifest = Manifest.read(folder.parent / "manifest.parquet")
    place = Place(folder / "store", RECIPE, shared=False)
    with joined(address) as cluster:
        for failed in encode_clips(
            missing_clips(manifest, place.lacks), params, place, cluster, encoder=SlowEncoder
        ):
            assert not failed, failed
    print("done", flush=True)


def make(folder: Path) -> Manifest:
    rng = np.random.default_rng(0)
    corpus = folder / "corpus"
    corpus.mkdir(parents=True)
    names = [f"{i}.wav" for i in range(CLIPS)]
    for name in names:
        soundfile.write(corpus / name, 0.1 * rng.standard_normal(int(rng.integers(1000, 2000))), 16_000)
    manifest, _, _ = inspect([Utterance(n, n, "train", 4.0, 4.0) for n in names], corpus, heard_seconds=10.0)
    manifest.write(folder / "manifest.parquet")
    return manifest


def main(times: int) -> None:
    from ray.cluster_utils import Cluster

    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal", "OMP_NUM_THREADS": "1"}
    rng = random.Random(0)
    base = Path(tempfile.mkdtemp(prefix="ray-kills-"))
    manifest = make(base)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(NODES - 1)]
    kills: Counter[str] = Counter()
    again = runs = 0
    while sum(kills.values()) < times:
        runs += 1
        folder = base / str(runs)
        (folder / "store").mkdir(parents=True)
        done, killed = False, Counter[str]()
        while not done:
            command = [sys.executable, "-m", "tests.scale.ray_kills", cluster.address, str(folder)]
            with subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            ) as driver:
                store, before = FeatureStore(folder / "store", RECIPE), len(stored(folder))
                while driver.poll() is None and len(stored(folder)) < min(CLIPS, before + rng.randint(8, 80)):
                    time.sleep(0.05)
                kind = rng.choice(["reader or encoder", "node", "driver"]) if driver.poll() is None else ""
                if kind == "reader or encoder":
                    workers = [p for p in psutil.process_iter(["cmdline"]) if of_cluster(p, cluster.address)]
                    if workers:
                        rng.choice(workers).kill()
                    else:
                        kind = ""
                elif kind == "node":
                    cluster.remove_node(nodes.pop(rng.randrange(len(nodes))), allow_graceful=False)
                elif kind == "driver":
                    driver.kill()
                killed[kind] += bool(kind)
                out, errors = driver.communicate()
                done = "done" in out
                assert done or kind == "driver", errors[-2000:]
            while len(nodes) < NODES - 1:
                nodes.append(cluster.add_node(num_cpus=1))
        computed = Counter((folder / "computed").read_text().split())
        assert store.keys() == set(manifest.strings("sha256")), "something is lost"
        twice = sum(computed.values()) - CLIPS
        in_flight = ROWS * (killed["reader or encoder"] + 2 * killed["node"] + 2 * killed["driver"])
        assert 0 <= twice <= in_flight, f"{twice} rows computed again, {in_flight} in flight"
        kills += killed
        again += twice
        print(f"run {runs}: {dict(killed)}, {twice} of {CLIPS} rows computed again", flush=True)
    cluster.shutdown()
    print(
        f"{sum(kills.values())} kills ({dict(kills)}) in {runs} runs of {CLIPS} clips: nothing lost, {again} again"
    )


def stored(folder: Path) -> list[Path]:
    """Of which each has `ROWS` rows at most."""
    return [row for shard in (folder / "store").glob("*.h5") for row in [shard] * ROWS]


def of_cluster(process: psutil.Process, address: str) -> bool:
    """Whether it reads or encodes here, for this user, and on this cluster."""
    line = " ".join(process.info["cmdline"] or [])
    if not line.startswith("ray::") or "Map" not in line:
        return False
    try:
        return any(address in " ".join(parent.cmdline()) for parent in process.parents())
    except psutil.Error:
        return False


if __name__ == "__main__":
    main(int(sys.argv[1])) if len(sys.argv) == 2 else drive(sys.argv[1], Path(sys.argv[2]))
