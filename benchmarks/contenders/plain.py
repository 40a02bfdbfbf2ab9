"""transformers as people write it, and as well as it can be used.

A part of `extraction.py`, no command.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from transformers import WavLMModel

from contenders.clips import CROP_SECONDS, RATE, Features, read
from pipeline.encoders import SERModel
from pipeline.encoders.checkpoint import exactly, locate
from pipeline.encoders.ser_loading import load_ser_model


class Plain:
    """transformers, float32, batches of 8 in the order of the files, padded to 10 s and not masked."""

    def __init__(self, checkpoint: Path, device: torch.device) -> None:
        self.device = device
        loaded = load_ser_model(locate(str(checkpoint)))
        self.model = SERModel(loaded.config, WavLMModel(loaded.ssl_model.config))
        self.model.load_state_dict(loaded.state_dict())
        self.model.to(device).eval()

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
