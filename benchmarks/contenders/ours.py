"""Stage one as `erclap extract` runs it.

A part of `extraction.py`, no command.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from contenders.arithmetic import kind
from contenders.clips import CROP_SECONDS, RATE, Features, read
from pipeline.corpora import inspect
from pipeline.encoders import SpeechEncoder
from pipeline.features import FeatureStore, extract, extract_speech
from pipeline.manifest import Manifest, Utterance


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
