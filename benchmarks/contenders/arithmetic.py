"""How much a clip needs, and how fast this machine multiplies.

A part of `extraction.py`, no command.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import torch
from torch import Tensor

from pipeline.encoders.packed import FrozenLinear

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
