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

Runs on a GPU where there is one.
"""

from __future__ import annotations

import math
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import click
import numpy as np
import soundfile
import torch
from torch import Tensor

from pipeline.corpora.inspection import inspect
from pipeline.encoders.checkpoint import exactly, locate
from pipeline.encoders.packed import FrozenLinear
from pipeline.encoders.speech import SpeechEncoder, load_ser_model
from pipeline.features.extraction import extract, extract_speech
from pipeline.features.store import FeatureStore
from pipeline.manifest import Manifest, Utterance
from tests.conftest import write_ser_checkpoint

RATE, CROP_SECONDS = 16_000, 10.0
CORPUS_HOURS = 238.0
"""MSP-Podcast 1.12's three splits after the paper's filter, at the mean length."""

Features = np.ndarray[Any, np.dtype[np.float32]]


def read(file: Path) -> Features:
    samples: Features = soundfile.read(file, dtype="float32")[0][: round(CROP_SECONDS * RATE)]
    return samples


class Plain:
    """transformers, float32, batches of 8 in the order of the files, padded to 10 s and not masked."""

    def __init__(self, checkpoint: Path, device: torch.device) -> None:
        self.device = device
        self.model = load_ser_model(locate(str(checkpoint))).to(device).eval()

    @torch.no_grad()
    def run(self, files: Sequence[Path]) -> Features:
        rows = []
        for start in range(0, len(files), 8):
            clips = [read(file) for file in files[start : start + 8]]
            padded = np.zeros((len(clips), round(CROP_SECONDS * RATE)), np.float32)
            for row, clip in zip(padded, clips, strict=True):
                row[: len(clip)] = clip
            waveforms = self.model.config.normalise(torch.from_numpy(padded).to(self.device))
            with exactly(self.device):
                frames = self.model.ssl_model(waveforms).last_hidden_state
                rows.append(self.model.pool_model(frames)[0].cpu().numpy())
        return np.concatenate(rows)


class Best(Plain):
    """transformers, sorted by length, masked, in the given type and batches of the given size."""

    def __init__(self, checkpoint: Path, device: torch.device, dtype: torch.dtype) -> None:
        super().__init__(checkpoint, device)
        self.dtype, self.batch = dtype, 1

    @torch.inference_mode()
    def run(self, files: Sequence[Path]) -> Features:
        clips = [read(file) for file in files]
        order = sorted(range(len(clips)), key=lambda i: len(clips[i]), reverse=True)
        features = np.empty((len(clips), self.model.config.hidden_size), np.float32)
        for start in range(0, len(order), self.batch):
            rows = order[start : start + self.batch]
            features[rows] = self.encode([clips[i] for i in rows])
        return features

    def encode(self, clips: Sequence[Features]) -> Features:
        lengths = torch.tensor([len(clip) for clip in clips])
        padded = torch.zeros(len(clips), int(lengths.max()))
        for row, clip in zip(padded, clips, strict=True):
            row[: len(clip)] = torch.from_numpy(clip)
        heard = torch.arange(padded.shape[1]) < lengths[:, None]
        waveforms = torch.where(heard, self.model.config.normalise(padded), 0.0).to(self.device)
        mask = None if bool(heard.all()) else heard.long().to(self.device)
        reduced = self.dtype != torch.float32
        with exactly(self.device), torch.autocast(self.device.type, self.dtype, enabled=reduced):
            frames = self.model.ssl_model(waveforms, attention_mask=mask).last_hidden_state.float()
        valid = None
        if mask is not None:
            counts = self.model.ssl_model._get_feat_extract_output_lengths(lengths)
            valid = (torch.arange(frames.shape[1]) < counts[:, None]).to(self.device)
        pooled: Features = self.model.pool_model(frames, valid)[0].cpu().numpy()
        return pooled

    def choose(self, files: Sequence[Path], sizes: Sequence[int]) -> dict[int, float]:
        """Seconds for these files at each batch size, the lower of two; the fastest is kept.

        Stops where it has become much worse or the memory is not enough.
        """
        seconds: dict[int, float] = {}
        self.run(files[:1])
        for self.batch in sizes:
            try:
                seconds[self.batch] = self._timed(files)
                if seconds[self.batch] > 2 * min(seconds.values()):
                    break
                seconds[self.batch] = min(seconds[self.batch], self._timed(files))
            except torch.OutOfMemoryError:
                break
        self.batch = min(seconds, key=lambda size: seconds[size])
        return seconds

    def _timed(self, files: Sequence[Path]) -> float:
        started = time.perf_counter()
        self.run(files)
        return time.perf_counter() - started


class Ours:
    """Stage one as `erclap extract` runs it."""

    def __init__(self, checkpoint: Path, device: torch.device, dtype: torch.dtype) -> None:
        self.encoder = SpeechEncoder.from_pretrained(
            str(checkpoint), crop_seconds=CROP_SECONDS, device=device, dtype=dtype
        )

    def prepare(self, files: Sequence[Path]) -> None:
        manifest_of(files)

    def run(self, files: Sequence[Path]) -> Features:
        manifest = manifest_of(files)
        with tempfile.TemporaryDirectory() as folder:
            store = FeatureStore(Path(folder), self.encoder.recipe)
            speech = extract_speech(manifest, files[0].parent, self.encoder, store)
            if failures := extract(speech, (None for _ in ())):
                raise RuntimeError(f"every clip must be encoded: {failures}")
            return store.gather(manifest.strings("sha256"))

    def shares(self, files: Sequence[Path]) -> dict[str, float]:
        """The share of each kind of operation in the time that the device works."""
        on_gpu = self.encoder.device.type == "cuda"
        clips = [read(file) for file in files]
        batches = self.encoder.batches([len(clip) / RATE for clip in clips])
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        activity = torch.profiler.ProfilerActivity
        with torch.profiler.profile(
            activities=[activity.CPU, *([activity.CUDA] if on_gpu else [])]
        ) as profiler:
            for batch in batches:  # on this thread, which is the one that is watched
                self.encoder._start([clips[i] for i in batch])()
        torch.set_num_threads(threads)
        times: dict[str, float] = {}
        for event in profiler.key_averages():
            if on_gpu and event.device_type != torch.autograd.DeviceType.CUDA:
                continue  # operators, whose time is that of their kernels
            spent = event.self_device_time_total if on_gpu else event.self_cpu_time_total
            times[kind(event.key)] = times.get(kind(event.key), 0.0) + spent
        whole = sum(times.values())
        return {name: spent / whole for name, spent in sorted(times.items(), key=lambda item: -item[1])}


_manifests: dict[tuple[Path, ...], Manifest] = {}


def manifest_of(files: Sequence[Path]) -> Manifest:
    """What `erclap prepare` makes of the files, made once: stage one begins after it."""
    key = tuple(files)
    if key not in _manifests:
        rows = [Utterance(file.name, file.name, "train", 4.0, 4.0) for file in files]
        _manifests[key] = inspect(rows, files[0].parent, heard_seconds=CROP_SECONDS)[0]
    return _manifests[key]


PRODUCTS, ATTENTION, CONVOLUTIONS = "products", "products of the attention", "convolutions"


def kind(operation: str) -> str:
    """What an operation of torch's, or a kernel of the GPU's, does."""
    for words, name in (
        (
            ("linear_pointwise", "addmm", "aten::mm", "gemm", "nvjet", "cutlass", "ampere_", "sm90_"),
            "products",
        ),
        (("bmm", "fmha", "attention"), "products of the attention"),
        (("convolution", "conv", "implicit"), "convolutions"),
        (("softmax",), "softmax"),
        (("gelu", "erf"), "GELU"),
        (("norm",), "layer norms"),
    ):
        if any(word in operation.lower() for word in words):
            return name
    return "the rest"


def operations(samples: int) -> dict[str, float]:
    """Multiplications and additions of WavLM-large for a clip, by part."""
    frames, channels, convolutions = samples, 1, 0.0
    for kernel, stride in zip((10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2), strict=True):
        frames = (frames - kernel) // stride + 1
        convolutions += 2.0 * kernel * channels * 512 * frames
        channels = 512
    convolutions += 2.0 * 128 * 64 * 1024 * frames
    layers = 24 * (2.0 * frames * (4 * 1024**2 + 2 * 1024 * 4096) + 4.0 * frames**2 * 1024)
    return {"convolutions": convolutions, "layers": layers + 2.0 * frames * 512 * 1024}


def multiplication_rate(device: torch.device, dtype: torch.dtype) -> dict[str, float]:
    """Operations a second of a product (2048, 1024) × (1024, 4096), plain and with packed weights."""
    rows = 2048 if device.type == "cpu" else 32_768
    x, weight = torch.randn(rows, 1024), torch.randn(4096, 1024)
    x, weight = x.to(device, dtype), weight.to(device, dtype)
    ways: dict[str, Callable[[Tensor], Tensor]] = {
        "torch": lambda x: torch.nn.functional.linear(x, weight),
        "packed": FrozenLinear(weight, None, device, dtype),
    }
    rates = {}
    for name, way in ways.items():
        best = math.inf
        for _ in range(7):
            started = time.perf_counter()
            for _ in range(10):
                way(x)
            synchronise(device)
            best = min(best, time.perf_counter() - started)
        rates[name] = 10 * 2.0 * rows * 1024 * 4096 / best
    return rates


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def work(connection: Connection, name: str, checkpoint: Path, device: torch.device) -> None:
    """One contender's process: does as it is told until it is told nothing."""
    dtype = torch.bfloat16 if name.endswith("bf16") else torch.float32
    contender: Any = (
        Plain(checkpoint, device)
        if name == "plain"
        else (Best if name.startswith("best") else Ours)(checkpoint, device, dtype)
    )
    connection.send(None)
    while (order := connection.recv()) is not None:
        method, *arguments = order
        if method == "memory":
            if device.type == "cuda":
                connection.send(torch.cuda.max_memory_allocated(device) / 2**30)
            else:  # not getrusage, whose peak begins with that of the process which started this one
                status = Path("/proc/self/status").read_text()
                connection.send(int(status.split("VmHWM:")[1].split()[0]) / 2**20)
            continue
        synchronise(device)
        started = time.perf_counter()
        result = getattr(contender, method)(*arguments)
        synchronise(device)
        connection.send((result, time.perf_counter() - started))
        if device.type == "cuda":
            torch.cuda.empty_cache()  # the card is shared


def ask(connection: Connection, *order: object) -> Any:
    connection.send(order)
    try:
        return connection.recv()
    except EOFError:
        raise RuntimeError(
            f"a contender ended while it was told to {order[0]}: its message is above"
        ) from None


def write_clips(folder: Path, count: int) -> list[Path]:
    """Noise, as long as MSP-Podcast's clips: 2.75 to 11 s, mean 5.65."""
    rng = np.random.default_rng(0)
    seconds = 2.75 + 8.25 * rng.beta(1.3, 2.4, size=count)
    seconds *= 5.65 / seconds.mean()
    folder.mkdir()
    files = []
    for i, length in enumerate(seconds):
        file = folder / f"{i:05}.wav"
        samples = 0.1 * rng.standard_normal(round(float(np.clip(length, 2.75, 11)) * RATE))
        soundfile.write(file, samples.astype(np.float32), RATE, subtype="PCM_16")
        files.append(file)
    return files


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
