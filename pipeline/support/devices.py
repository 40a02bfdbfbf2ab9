"""Which device computes, and in which precision."""

from __future__ import annotations

import re
from functools import cache

import torch

from pipeline.support.wording import counted, shown

COMPUTED_IN = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


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


def check_device(device: torch.device | str) -> torch.device:
    """A device that is here to compute on. Raises ValueError for any other."""
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
        usable = found.type != "meta"
    except (RuntimeError, AssertionError, NotImplementedError, TypeError, ValueError):
        usable = False
    if not usable:
        raise ValueError(
            f"device must be one that torch can compute on here, such as cpu, found {shown(repr(device), 60)} and "
            f"{counted(torch.cuda.device_count(), 'CUDA device')}"
        )
    return found


def check_dtype(dtype: torch.dtype | str) -> torch.dtype:
    """The torch type of a name, or the type itself. Raises ValueError for one that no encoder computes in."""
    name = str(dtype).removeprefix("torch.")
    if name not in COMPUTED_IN:
        raise ValueError(f"dtype must be torch's {', '.join(COMPUTED_IN)}, found {shown(repr(dtype), 60)}")
    return COMPUTED_IN[name]


def device_name(device: torch.device) -> str:
    """What a device is called in a record of what was computed on it: `cpu`, `cuda (NVIDIA H100 80GB HBM3)`."""
    return "cpu" if device.type == "cpu" else f"{device.type} ({torch.cuda.get_device_name(device)})"


def torch_dtype(name: str) -> torch.dtype:
    """The torch type of that name."""
    return COMPUTED_IN[name]


def slow_dtype(device: torch.device, dtype: torch.dtype) -> str | None:
    """A line where a device multiplies another type several times faster than this one; None where it does not."""
    name = str(dtype).removeprefix("torch.")
    if device.type == "cuda":
        recent = torch.cuda.get_device_capability(device) >= (8, 0)
        if recent and dtype == torch.float32:
            return f"{device_name(device)} multiplies bfloat16 many times faster than float32"
        if not recent and dtype == torch.bfloat16:
            return f"{device_name(device)} has no units for bfloat16: float16 or float32 is faster there"
        return None
    if dtype == torch.float32 or _has_instructions(dtype):
        return None
    return f"this CPU has no instructions that multiply {name}: float32 is several times faster on it"


def _has_instructions(dtype: torch.dtype) -> bool:
    """Whether this CPU multiplies bfloat16 or float16 by instructions of its own."""
    told = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    if told.get("architecture") == "x86_64":
        short = {torch.bfloat16: "bf16", torch.float16: "fp16"}[dtype]
        return bool(told.get(f"avx512_{short}") or told.get(f"amx_{short}"))
    return multiplies_by_onednn(torch.device("cpu"), dtype)


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
