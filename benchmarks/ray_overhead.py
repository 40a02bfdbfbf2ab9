"""Stage one on a Ray cluster of this machine against the local engine, on the same cores.

    python benchmarks/ray_overhead.py [--clips 96] [--rounds 2]

Weights are random: a WavLM of 12 layers, 384 wide, whose clip of some six seconds takes a core about .3 s.
Speech is noise, which costs what speech costs. Both engines read the same files, compute with as many threads as
there are cores, and write to a store; they take turns, in each round in the other order, and must give the same
bits.

Told are, of all rounds, the seconds of the processor, in all processes, Ray's own included, and those by the
clock: of the whole, from before an encoder is loaded, and of a second of speech from the first block's end on,
which leaves out what is paid once a run. Ray's cluster is started before either.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click
import numpy as np
import psutil
import pyarrow as pa
import torch
from contenders.clips import write_clips

from pipeline.config import Params, load_params
from pipeline.corpora import inspect
from pipeline.encoders import load_speech_encoder
from pipeline.features import FeatureStore, encode_clips, missing_clips
from pipeline.manifest import Manifest, Utterance
from pipeline.scale.ray_cluster import joined
from pipeline.scale.ray_encoding import Place
from pipeline.scale.ray_extraction import encode_clips as encode_clips_on_ray
from tests.conftest import write_ser_checkpoint

BACKBONE = {
    "hidden_size": 384,
    "num_hidden_layers": 12,
    "num_attention_heads": 6,
    "intermediate_size": 1536,
    "conv_dim": [512] * 7,
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
}


@dataclass
class Taken:
    """What an engine took, a round each."""

    clock: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    clock_a_second: list[float] = field(default_factory=list)
    cpu_a_second: list[float] = field(default_factory=list)


def cpu_seconds() -> float:
    """Of this process and all that it has started and that run still."""
    own = psutil.Process()
    times = [process.cpu_times() for process in (own, *own.children(recursive=True))]
    return sum(t.user + t.system for t in times)


@dataclass(frozen=True)
class Step:
    """When some keys were stored."""

    keys: set[str]
    clock: float = field(default_factory=time.perf_counter)
    cpu: float = field(default_factory=cpu_seconds)


@contextmanager
def timed(taken: Taken, manifest: Manifest) -> Iterator[list[Step]]:
    """Within this, steps are noted."""
    steps: list[Step] = []
    started, cpu = time.perf_counter(), cpu_seconds()
    yield steps
    taken.clock.append(time.perf_counter() - started)
    taken.cpu.append(cpu_seconds() - cpu)
    first, last = steps[0], steps[-1]
    rows = zip(manifest.strings("sha256"), manifest.table.column("duration").to_pylist(), strict=True)
    speech = sum(seconds for key, seconds in rows if key in last.keys - first.keys)
    taken.clock_a_second.append((last.clock - first.clock) / speech)
    taken.cpu_a_second.append((last.cpu - first.cpu) / speech)


def local(manifest: Manifest, params: Params, root: Path, taken: Taken) -> FeatureStore:
    with timed(taken, manifest) as steps:
        encoder = load_speech_encoder(params)
        store = FeatureStore(root, encoder.recipe)
        clips = missing_clips(manifest, store.lacks)
        heard = clips.column("duration").to_numpy()
        order = [row for batch in encoder.batches(heard) for row in batch]
        keys = clips.column("sha256").take(pa.array(order)).to_pylist()
        encoded = encode_clips(clips, params.prepare.folder, encoder, store, workers=params.runtime.threads)
        for done, _ in enumerate(encoded, 1):
            steps.append(Step(set(keys[:done])))
    return store


def on_ray(manifest: Manifest, params: Params, place: Place, taken: Taken) -> FeatureStore:
    place.root.mkdir()
    store = FeatureStore(place.root, place.recipe)
    with joined(None, spare_cpus=1) as cluster, timed(taken, manifest) as steps:
        for _ in encode_clips_on_ray(missing_clips(manifest, place.lacks), params, place, cluster):
            steps.append(Step(store.keys()))
    return store


@click.command(help=(__doc__ or "").splitlines()[0])
@click.option("--clips", default=96, show_default=True)
@click.option("--rounds", default=2, show_default=True)
def main(clips: int, rounds: int) -> None:
    os.environ["ERCLAP_QUIET"] = "1"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_ser_checkpoint(folder / "speech", BACKBONE)
        paths = write_clips(folder / "clips", clips)
        utterances = [Utterance(path.name, path.name, "train", 4.0, 4.0) for path in paths]
        manifest, _, _ = inspect(utterances, folder / "clips", heard_seconds=10.0)
        params = _params(folder)
        recipe = load_speech_encoder(params).recipe
        taken = {"local": Taken(), "ray": Taken()}
        wanted = None
        for turn in range(rounds):
            for engine in ("local", "ray") if turn % 2 == 0 else ("ray", "local"):
                root = folder / f"{engine}-{turn}"
                if engine == "local":
                    store = local(manifest, params, root, taken[engine])
                else:
                    store = on_ray(manifest, params, Place(root, recipe, shared=False), taken[engine])
                features = store.gather(manifest.strings("sha256"))
                wanted = features if wanted is None else wanted
                if features.tobytes() != wanted.tobytes():
                    raise RuntimeError(f"{engine} must give the same bits")
    seconds = float(np.mean(manifest.table.column("duration").to_numpy()))
    print(
        f"{clips} clips of {seconds:.2f} s, {torch.get_num_threads()} threads, {rounds} rounds, load "
        f"{' '.join(f'{load:.1f}' for load in os.getloadavg())}; the same bits"
    )
    for what, of in (
        ("CPU s", "cpu"),
        ("clock s", "clock"),
        ("CPU s a second", "cpu_a_second"),
        ("clock s a second", "clock_a_second"),
    ):
        found = {engine: statistics.median(getattr(t, of)) for engine, t in taken.items()}
        more = 100 * (found["ray"] / found["local"] - 1)
        print(f"{what:16} local {found['local']:8.3f}  ray {found['ray']:8.3f}  {more:+.1f} %")


def _params(folder: Path) -> Params:
    params = load_params()
    speech = params.extract.speech.model_copy(update={"model": str(folder / "speech"), "revision": None})
    return params.model_copy(
        update={
            "prepare": params.prepare.model_copy(update={"root": str(folder / "clips")}),
            "extract": params.extract.model_copy(update={"speech": speech, "compute_dtype": "float32"}),
        }
    )


if __name__ == "__main__":
    main()
