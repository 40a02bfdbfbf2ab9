"""Stage two at full size, beside what its products alone take, a simple loop and a DataLoader with an N×N×N mask.

    python benchmarks/training.py                        # a few hundred steps of each, milliseconds a step
    python benchmarks/training.py --epochs 15 --full     # MSP-Podcast's size, whole: minutes
    python benchmarks/training.py --full --plus          # the same by emotionrankclap-plus
    python benchmarks/training.py --stream               # from shards on disk, and the memory that takes

Features are random: no figure depends on their values. All ways have the same shapes, and the matmuls are those
that a step cannot do without: two forward, the similarities and their two gradients, two gradients of weights,
none of features. `ours` includes the validation of each epoch, which the others do not have.
"""

from __future__ import annotations

import argparse
import gc
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset

from pipeline.config import Train
from pipeline.features import Pairs, PlaneTexts
from pipeline.methods import METHODS, settings_of
from pipeline.training import ProjectionHeads, rank_n_contrast, squared_label_distance, train

SPEECH, TEXT, EMBEDDING, BATCH = 1024, 768, 512, 64
TRAINING_ROWS, DEVELOPMENT_ROWS = 90_022, 25_258
LOSSES = ("symmetric-cross-entropy", "supervised-contrastive", "rank-n-contrast")


def drawn(rows: int, seed: int) -> Pairs:
    """Random features, and labels in fifths."""
    rng = np.random.default_rng(seed)
    return Pairs(
        ids=[f"u{i}" for i in range(rows)],
        speech=rng.standard_normal((rows, SPEECH), dtype=np.float32),
        text=rng.standard_normal((rows, TEXT), dtype=np.float32),
        labels=rng.integers(5, 36, (rows, 2)) / 5,
        emotions=list(rng.choice(["A", "H", "N", "S"], rows)),
    )


PLANE = PlaneTexts(
    np.random.default_rng(2).standard_normal((2916, TEXT), dtype=np.float32),
    np.random.default_rng(3).integers(1, 15, (2916, 2)) / 2,
)


def settings(**changes: object) -> Train:
    return Train.model_validate(
        {
            "methods": ["emotionrankclap"],
            "seed": 0,
            "epochs": 1,
            "batch_size": BATCH,
            "learning_rate": 0.0001,
            "embedding_size": EMBEDDING,
            "temperature": 1.0,
            "candidates": "farther",
            "directions": "speech-to-text",
        }
        | changes
    )


def matmuls(steps: int) -> None:
    """The products of a step, by torch's own matmul."""
    speech, text = torch.randn(BATCH, SPEECH), torch.randn(BATCH, TEXT)
    weights = torch.randn(EMBEDDING, SPEECH), torch.randn(EMBEDDING, TEXT)
    outer = torch.randn(BATCH, BATCH)
    for _ in range(steps):
        left, right = speech @ weights[0].T, text @ weights[1].T
        left @ right.T
        left, right = outer @ right, outer.T @ left
        left.T @ speech
        right.T @ text


def masked(similarity: torch.Tensor, distance: torch.Tensor) -> torch.Tensor:
    """Rank-N-Contrast with every candidate set at once, (N, N, N)."""
    farther = distance[:, None, :] > distance[:, :, None]
    lowest = torch.finfo(similarity.dtype).min
    normaliser = similarity[:, None, :].masked_fill(~farther, lowest).logsumexp(2)
    return ((normaliser - similarity) * farther.any(2)).sum() / similarity.numel()


def simple_loop(pairs: Pairs, steps: int) -> None:
    """Index batches, this project's loss, autograd and a fused Adam."""
    heads = ProjectionHeads(SPEECH, TEXT, EMBEDDING)
    optimiser = torch.optim.Adam(heads.parameters(), lr=0.0001, fused=True)
    speech, text, labels = (torch.from_numpy(x) for x in (pairs.speech, pairs.text, pairs.labels))
    for rows in torch.randperm(len(pairs))[: steps * BATCH].view(-1, BATCH):
        distance = squared_label_distance(labels[rows], labels[rows])
        loss = rank_n_contrast(heads(speech[rows], text[rows]), distance)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        heads.bound_temperature()


def data_loader(pairs: Pairs, steps: int) -> None:
    """As it is usually written."""
    heads = ProjectionHeads(SPEECH, TEXT, EMBEDDING)
    optimiser = torch.optim.Adam(heads.parameters(), lr=0.0001)
    rows = TensorDataset(*(torch.from_numpy(x) for x in (pairs.speech, pairs.text, pairs.labels)))
    loader = DataLoader(rows, batch_size=BATCH, shuffle=True, drop_last=True)
    for _, (speech, text, labels) in zip(range(steps), loader, strict=False):
        loss = masked(heads(speech, text), torch.cdist(labels, labels))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        loss.item()


def milliseconds(work: Callable[[], object], steps: int) -> tuple[float, float]:
    """A step's, by the clock and by the processor, which neighbours on the machine change less."""
    gc.collect()
    started, computed = time.perf_counter(), time.process_time()
    work()
    return (time.perf_counter() - started) * 1000 / steps, (time.process_time() - computed) * 1000 / steps


def compare(steps: int, runs: int, threads: int, seeds: int) -> None:
    """A table of all ways; they take turns."""
    torch.set_num_threads(threads)
    few = drawn(steps * BATCH, 0), drawn(max(1, round(steps * DEVELOPMENT_ROWS / TRAINING_ROWS)) * BATCH, 1)

    def ours(loss: str, **changes: object) -> Callable[[], object]:
        return lambda: train(loss, *few, settings(**changes), plane=PLANE)  # type: ignore[arg-type]

    together = lambda: train("rank-n-contrast", *few, settings(seeds=seeds), seeds_a_stack=seeds)  # noqa: E731
    ways: dict[str, Callable[[], object]] = {
        "bare matmuls": lambda: matmuls(steps),
        **{f"ours, {loss}": ours(loss) for loss in LOSSES},
        "ours, both directions": ours("rank-n-contrast", directions="both"),
        "ours, both, 64 of the plane": ours("rank-n-contrast", directions="both", plane_captions=64),
        "ours, emotionrankclap-plus": ours("rank-n-contrast", **METHODS["emotionrankclap-plus"].overrides),
        f"ours, {seeds} seeds": ours("rank-n-contrast", seeds=seeds),
        f"ours, {seeds} seeds as one stack": together,
        "simple loop, fused Adam, our loss": lambda: simple_loop(few[0], steps),
        "DataLoader, Adam, N×N×N mask": lambda: data_loader(few[0], steps),
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for work in ways.values():
        work()
    for _ in range(runs):
        for name, work in ways.items():
            times[name].append(milliseconds(work, steps))
    bare, one = (min(times[name])[0] for name in ("bare matmuls", "ours, rank-n-contrast"))
    print(f"{steps} steps of {BATCH}, {threads} thread(s), {runs} runs, load {os.getloadavg()[0]:.1f}\n")
    print(
        "| | ms a step, lowest / median | / bare matmuls | / one seed of ours | processor ms a step, lowest |"
    )
    print("| --- | --- | --- | --- | --- |")
    for name, values in times.items():
        clock, processor = zip(*values, strict=True)
        low, middle = min(clock), statistics.median(clock)
        print(
            f"| {name} | {low:.2f} / {middle:.2f} | {low / bare:.2f} | {low / one:.2f} | {min(processor):.2f} |"
        )


def whole(epochs: int, seeds: int, threads: int, method: str) -> None:
    """MSP-Podcast's size, with the matmuls of as many steps measured before and after."""
    torch.set_num_threads(threads)
    splits = drawn(TRAINING_ROWS, 0), drawn(DEVELOPMENT_ROWS, 1)
    steps = TRAINING_ROWS // BATCH * epochs
    own = settings_of(settings(epochs=epochs, seeds=seeds), method)
    before, _ = milliseconds(lambda: matmuls(2000), 2000)
    taken, _ = milliseconds(lambda: train("rank-n-contrast", *splits, own, plane=PLANE), steps)
    bare = min(before, milliseconds(lambda: matmuls(2000), 2000)[0])
    print(
        f"{method}, {TRAINING_ROWS} rows, {epochs} epochs, {seeds} seed(s), {threads} thread(s): "
        f"{taken * steps / 1000:.1f} s, {taken:.2f} ms a step with validation; "
        f"bare matmuls {bare:.2f}: {taken / bare:.2f} times"
    )


def stream(rows: int, memory: float) -> None:
    """Write shards, then train one epoch from them in processes of their own, held and streamed."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, __file__, "--write", folder, "--rows", str(rows)], check=True)
        print("| | memory_gb | ms a step | peak GB |\n| --- | --- | --- | --- |")
        for name, gigabytes in (("in memory", 1e3), ("streamed", memory)):
            command = [sys.executable, __file__, "--read", folder, "--rows", str(rows)]
            answer = subprocess.run(
                [*command, "--memory-gb", str(gigabytes)], check=True, capture_output=True, text=True
            )
            print(f"| {name} | {gigabytes:g} | {answer.stdout.strip()} |", flush=True)


def stores(folder: Path) -> tuple[object, object]:
    from pipeline.features import FeatureStore
    from pipeline.recipe import Recipe

    return tuple(  # type: ignore[return-value]
        FeatureStore(folder / modality, Recipe(modality, "random", "0", size, "none", "none", 0.0))
        for modality, size in (("speech", SPEECH), ("text", TEXT))
    )


def write(folder: Path, rows: int) -> None:
    from pipeline.features import sentence_key
    from pipeline.features.shards.rows import SHARD_ROWS

    speech, text = stores(folder)
    for start in range(0, rows, SHARD_ROWS):
        some = drawn(min(SHARD_ROWS, rows - start), start)
        keys = [sentence_key(str(start + i)) for i in range(len(some))]
        speech.append(keys, some.speech)  # type: ignore[attr-defined]
        text.append(keys, some.text)  # type: ignore[attr-defined]


def read(folder: Path, rows: int, memory: float) -> None:
    from pipeline.features import sentence_key
    from pipeline.features.gathering import NamedPairs, pair_source

    labels = np.random.default_rng(0).integers(5, 36, (rows, 2)) / 5
    names = [str(i) for i in range(rows)]
    keys = [sentence_key(name) for name in names]
    speech, text = stores(folder)
    named = NamedPairs(names, keys, keys, labels, [None] * rows, speech, text)  # type: ignore[arg-type]
    started = time.perf_counter()
    train("rank-n-contrast", pair_source(named, memory * 1e9 / 2, BATCH), drawn(BATCH, 1), settings(epochs=2))
    spent = (time.perf_counter() - started) * 1000 / (2 * (rows // BATCH))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(f"{spent:.2f} | {peak:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Time stage two's training beside its bare matmuls.")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument(
        "--full", action="store_true", help="the whole of MSP-Podcast's size, one seed and several"
    )
    parser.add_argument("--plus", action="store_true", help="--full by emotionrankclap-plus")
    parser.add_argument("--epochs", type=int, default=15, help="of --full")
    parser.add_argument("--stream", action="store_true", help="from shards on disk")
    parser.add_argument("--rows", type=int, default=TRAINING_ROWS, help="of --stream")
    parser.add_argument("--memory-gb", type=float, default=0.4, help="of --stream")
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.write:
        write(arguments.write, arguments.rows)
    elif arguments.read:
        read(arguments.read, arguments.rows, arguments.memory_gb)
    elif arguments.stream:
        stream(arguments.rows, arguments.memory_gb)
    else:
        for threads in arguments.threads:
            if arguments.full:
                method = "emotionrankclap-plus" if arguments.plus else "emotionrankclap"
                for seeds in sorted({1, arguments.seeds}):
                    whole(arguments.epochs, seeds, threads, method)
            else:
                compare(arguments.steps, arguments.runs, threads, arguments.seeds)


if __name__ == "__main__":
    # As the commands set it: threads that wait without spinning. It must be there before OpenMP starts.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | {"OMP_WAIT_POLICY": "passive"})
    main()
