"""WavLM's seven convolutions: a waveform of 16,000 samples a second to 50 frames a second."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.encoders.packed import FrozenConvolution
from pipeline.encoders.pointwise import Norm, Pointwise
from pipeline.encoders.published import WavLM
from pipeline.encoders.transfer import sent

FRAMES_ON_CPU = 64
"""A clip is taken by so many frames, 1.3 s, whose activations stay in the cache."""

FRAMES_ON_GPU = 8192
"""A batch is taken by so many frames, clips times time: by count some 2 GB of activations in bfloat16."""


class FrontEnd:
    """Waveforms to frames. Layer-normalised (as in WavLM-large) or group-normalised (as in WavLM-base)."""

    def __init__(self, model: WavLM, pointwise: Pointwise, device: torch.device, dtype: torch.dtype) -> None:
        config = model.config
        self._dtype, self._device = dtype, device
        self._by_group = config.feat_extract_norm == "group"
        self._shape = tuple(zip(config.conv_kernel, config.conv_stride, strict=True))
        self._convolutions: list[FrozenConvolution] = []
        self._norms: list[Norm | None] = []
        for layer, (_, stride) in zip(model.feature_extractor.conv_layers, self._shape, strict=True):
            self._convolutions.append(
                FrozenConvolution(layer.conv.weight, layer.conv.bias, device, dtype, stride=stride)
            )
            norm = getattr(layer, "layer_norm", None)
            self._norms.append(None if norm is None else Norm.of(norm, pointwise, device, dtype))

    def frame_count(self, samples: int, layers: int | None = None) -> int:
        """How many frames so many samples give, after so many of the layers or all."""
        for kernel, stride in self._shape[:layers]:
            samples = (samples - kernel) // stride + 1
        return samples

    def sample_count(self, frames: int) -> int:
        """The fewest samples that give so many frames."""
        for kernel, stride in reversed(self._shape):
            frames = (frames - 1) * stride + kernel
        return frames

    def __call__(self, waveforms: Tensor, lengths: Sequence[int] | None) -> Tensor:
        """Waveforms (N, samples) to frames (N, T, C); `lengths` (N) counts each one's samples, None for all."""
        samples = waveforms.to(self._dtype).unsqueeze(2)
        if self._by_group:  # its norm is over the whole clip
            return self._frames(samples, lengths)
        # A frame hears its own 25 ms alone, so that a clip may be taken in parts.
        at_once = FRAMES_ON_CPU
        if self._device.type != "cpu":
            at_once = max(1, FRAMES_ON_GPU // len(waveforms))
        field = self.sample_count(1)
        hop = self.sample_count(2) - field
        count = self.frame_count(waveforms.shape[1])
        parts = []
        for start in range(0, count, at_once):
            stop = min(start + at_once, count)
            part = samples[:, start * hop : (stop - 1) * hop + field]
            parts.append(self._frames(part, None))
        return torch.cat(parts, dim=1)

    def _frames(self, x: Tensor, lengths: Sequence[int] | None) -> Tensor:
        for number, (convolution, norm) in enumerate(zip(self._convolutions, self._norms, strict=True), 1):
            x = convolution(x)
            if norm is None:
                x = F.gelu(x)
            elif self._by_group:
                counts = lengths and [self.frame_count(length, number) for length in lengths]
                x = F.gelu(over_time(x, norm, counts))
            else:
                x = norm.with_gelu(x)
        return x


def over_time(x: Tensor, norm: Norm, counts: Sequence[int] | None) -> Tensor:
    """Each channel of (N, T, C) normalised over its clip's own frames, the first `counts` (N) of them or all."""
    frames = x.float()
    if counts is None:
        variance, mean = torch.var_mean(frames, dim=1, correction=0, keepdim=True)
    else:
        number = sent(torch.tensor(counts).view(-1, 1, 1), x.device)
        heard = torch.arange(x.shape[1], device=x.device).view(1, -1, 1) < number
        mean = torch.where(heard, frames, 0.0).sum(dim=1, keepdim=True) / number
        variance = torch.where(heard, frames - mean, 0.0).square().sum(dim=1, keepdim=True) / number
    scaled = (frames - mean) * (variance + norm.epsilon).rsqrt()
    return (scaled * norm.weight.float() + norm.bias.float()).to(x.dtype)
