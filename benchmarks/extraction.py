"""Stage one against transformers: WavLM-large, clips as long as MSP-Podcast's, audio read from files.

    python benchmarks/extraction.py [--clips 24] [--rounds 2]

Weights are random and of the public format; lengths are drawn between 2.75 and 11 s with a mean of 5.65 s; speech
is noise, which costs what speech costs. The contenders:

  plain      the loop that people write: transformers' WavLMModel, batches of 8, padded to 10 s, float32
  best       transformers as well as it can be used without replacing its code: sorted by length, padded to the
             longest of a batch, masked, at the batch size that is fastest here, which is looked for first
  best bf16  the same under autocast to bfloat16, at the batch size that is fastest for it
  ours       extract_speech into a store: hashing, reading, encoding, pooling, writing; float32
  ours bf16  the same, computing in bfloat16

Each is a process of its own, loads the same file, is warmed up, and takes its turn in every round, in an order
that moves on by one; the others sleep meanwhile. All pool as the checkpoint does, and float32 is float32 on a GPU
too, never TF32. Errors are relative to transformers' float32 features of the same clips, each encoded alone. A
share of the multiplication rate counts what the clips themselves need, no padding.

Runs on a GPU where there is one. Its contenders and their processes are in contenders/.
"""

from __future__ import annotations

import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import click
import numpy as np
import soundfile
import torch
from contenders.arithmetic import ATTENTION, CONVOLUTIONS, PRODUCTS, multiplication_rate, operations
from contenders.clips import CROP_SECONDS, RATE, Features, read, write_clips
from contenders.processes import ask, work

from tests.conftest import write_ser_checkpoint

CORPUS_HOURS = 238.0
"""MSP-Podcast 1.12's three splits after the paper's filter, at the mean length."""


def error(found: Features, wanted: Features) -> float:
    """The largest relative error of a clip's feature."""
    norms = np.linalg.norm(found - wanted, axis=1) / np.linalg.norm(wanted, axis=1)
    return float(norms.max())


@click.command(help=(__doc__ or "").splitlines()[0])
@click.option("--clips", default=24, show_default=True)
@click.option("--rounds", default=2, show_default=True)
@click.option("--device", "device_name", default="cuda" if torch.cuda.is_available() else "cpu")
def main(clips: int, rounds: int, device_name: str) -> None:
    device = torch.device(device_name)
    on_gpu = device.type == "cuda"
    names = ("plain", "best", "best bf16", "ours", "ours bf16")
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as temporary:
        checkpoint = write_ser_checkpoint(Path(temporary) / "large", None)
        files = write_clips(Path(temporary) / "clips", clips)
        few = sorted(files, key=lambda file: file.stat().st_size)[len(files) // 8 :: max(1, len(files) // 4)]
        hours = sum(soundfile.info(file).duration for file in files) / 3600
        processes: dict[str, Connection] = {}
        for name in names:
            here, there = context.Pipe()
            context.Process(target=work, args=(there, name, checkpoint, device), daemon=True).start()
            there.close()  # so that its end is noticed
            here.recv()
            processes[name] = here
        print(f"{clips} clips, {hours * 60:.1f} minutes, on {device}, {torch.get_num_threads()} threads\n")
        rates = {
            name: multiplication_rate(device, dtype)
            for name, dtype in (("ours", torch.float32), ("ours bf16", torch.bfloat16))
        }
        for name, ways in rates.items():
            told = ", ".join(f"{way} {rate / 1e9:,.0f}" for way, rate in ways.items())
            print(f"this machine multiplies, GFLOP/s, {'bfloat16' if 'bf16' in name else 'float32'}: {told}")
        sizes = (8, 16, 32, 64, 128) if on_gpu else (1, 2, 4)
        for name in ("best", "best bf16"):
            seconds, _ = ask(processes[name], "choose", files if on_gpu else few, sizes)
            print(f"{name}: seconds by batch size { ({s: round(t, 2) for s, t in seconds.items()}) }")
        for name in names:
            ask(processes[name], "run", few[:2])
        for name in ("ours", "ours bf16"):
            ask(processes[name], "prepare", files)
        times: dict[str, list[float]] = {name: [] for name in names}
        features: dict[str, Features] = {}
        for turn in range(rounds):
            for name in names[turn:] + names[:turn]:
                features[name], seconds = ask(processes[name], "run", files)
                times[name].append(seconds)
        reference = np.concatenate([ask(processes["best"], "run", [file])[0] for file in files])
        report(names, times, features, reference, hours, files, rates, processes)
        for name in ("ours", "ours bf16"):
            shares, _ = ask(processes[name], "shares", files if on_gpu else few)
            print(f"{name}: " + ", ".join(f"{part} {100 * share:.1f} %" for part, share in shares.items()))
            multiplying = sum(shares.get(part, 0.0) for part in (PRODUCTS, ATTENTION, CONVOLUTIONS))
            print(f"{name}: {100 * multiplying:.1f} % of the time multiplies")
        started = time.perf_counter()
        for file in files:
            read(file)
        spent = (time.perf_counter() - started) / torch.get_num_threads()
        print(f"reading the files takes {100 * spent / min(times['ours bf16']):.2f} % of ours bf16")
        for connection in processes.values():
            connection.send(None)


def report(
    names: Sequence[str],
    times: dict[str, list[float]],
    features: dict[str, Features],
    reference: Features,
    hours: float,
    files: Sequence[Path],
    rates: dict[str, dict[str, float]],
    processes: dict[str, Connection],
) -> None:
    heard = [min(soundfile.info(file).frames, round(CROP_SECONDS * RATE)) for file in files]
    whole = sum(sum(operations(samples).values()) for samples in heard)
    print(
        "\n| | s a clip, lowest / median | hours of audio an hour | plain / this | error | "
        "share of the multiplication rate | peak GiB |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name in names:
        low, middle = min(times[name]), statistics.median(times[name])
        rate = max(rates["ours bf16" if "bf16" in name else "ours"].values())
        wrong = "another feature" if name == "plain" else f"{error(features[name], reference):.1e}"
        print(
            f"| {name} | {low / len(files):.3f} / {middle / len(files):.3f} | {hours * 3600 / middle:,.1f} "
            f"| {statistics.median(times['plain']) / middle:.2f} | {wrong} "
            f"| {100 * whole / middle / rate:.0f} % | {ask(processes[name], 'memory'):.1f} |"
        )
    layers = sum(operations(samples)["layers"] for samples in heard) / whole
    print(f"\nof what a clip needs, {100 * layers:.0f} % are the transformer's, the rest the convolutions'")
    for name in ("ours", "ours bf16"):
        projected = CORPUS_HOURS / (hours * 3600 / statistics.median(times[name]))
        print(f"{name}: {CORPUS_HOURS:.0f} hours of speech, projected: {projected:.1f} hours")
    print()


if __name__ == "__main__":
    main()
