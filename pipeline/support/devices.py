"""Which device computes, and in which precision."""

from __future__ import annotations

import re
from functools import cache

import torch


def choose_device(name: str) -> torch.device:
    """`auto` is the GPU where there is one; anything else is a torch device. Raises ValueError for none."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
        raise ValueError(f"runtime.device must be auto, cpu, cuda or cuda:N, found {name!r}")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"runtime.device {name!r} must be there, found {torch.cuda.device_count()} CUDA devices"
        )
    return device


def device_name(device: torch.device) -> str:
    """What a device is called in a record of what was computed on it: `cpu`, `cuda (NVIDIA H100 80GB HBM3)`."""
    return "cpu" if device.type == "cpu" else f"{device.type} ({torch.cuda.get_device_name(device)})"


def torch_dtype(name: str) -> torch.dtype:
    """The torch type of that name."""
    types = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    return types[name]


@cache
def multiplies_by_onednn(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether oneDNN's products can be called for this type on this device.

    From plain tensors torch multiplies float32 by MKL on a CPU, which on some processors reaches less than half of
    oneDNN's speed. The operators are those that torch's compiler emits.
    """
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    onednn = torch.ops.mkldnn
    if not all(hasattr(onednn, name) for name in ("_linear_pointwise", "_convolution_pointwise")):
        return False
    if dtype == torch.float16:
        return bool(onednn._is_mkldnn_fp16_supported())
    return dtype == torch.float32 or (dtype == torch.bfloat16 and bool(onednn._is_mkldnn_bf16_supported()))
