"""Pickled weights to safetensors: `python -m pipeline.encoders.unpickling TARGET SOURCE...`.

Unpickling can run code, so it has a process of its own: torch's restricted loader, which knows how to build
tensors and nothing else, with limits on memory and time. What is not a tensor is refused.
"""

from __future__ import annotations

import re
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

COPIES = 4
"""Of the weights that may be in memory: what is read, what is shared no more, and what is written."""

SLACK = 512 * 2**20
SECONDS = 120
BYTES_A_SECOND = 5 * 2**20
"""At least: what is slower than this, after two minutes, is no conversion."""


class RefusedError(Exception):
    """A file that holds anything but tensors by name."""


def seconds_for(size: int) -> int:
    """What converting so many bytes may take."""
    return SECONDS + size // BYTES_A_SECOND


def limit(size: int) -> None:
    """Keep this process to the memory and the time that converting `size` bytes takes, where the system can."""
    try:
        import resource

        status = Path("/proc/self/status").read_text(encoding="ascii")
    except (ImportError, OSError):
        return
    data = int(re.search(r"VmData:\s+(\d+)", status)[1]) * 1024  # type: ignore[index]
    for kind, most in (
        (resource.RLIMIT_DATA, data + COPIES * size + SLACK),
        (resource.RLIMIT_CPU, seconds_for(size)),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))


def tensors_of(path: Path) -> dict[str, Tensor]:
    """The tensors of one file. Raises RefusedError where it holds anything else.

    A file is a mapping of names to tensors, or of `state_dict` alone to such a mapping.
    """
    try:
        loaded: Any = torch.load(
            path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path) or None
        )
    except Exception as error:  # the loader's own, pickle's, zip's, or of an object that it would not build
        raise RefusedError(f"{path.name} {_why(error)}") from error
    if isinstance(loaded, Mapping) and set(loaded) == {"state_dict"}:
        loaded = loaded["state_dict"]
    if not isinstance(loaded, Mapping) or not loaded:
        raise RefusedError(f"{path.name} holds no tensors by name, but a {type(loaded).__name__}")
    for name, value in loaded.items():
        plain = type(value) in (Tensor, nn.Parameter) and value.layout == torch.strided
        if not isinstance(name, str) or not plain or value.is_quantized or value.device.type != "cpu":
            raise RefusedError(
                f"{path.name} holds {name!r}, which is no plain tensor but a {type(value).__name__}"
            )
    return {name: value.detach() for name, value in loaded.items()}


def all_tensors(sources: list[Path]) -> dict[str, Tensor]:
    """The tensors of all files, none of which shares its memory with another. Raises RefusedError."""
    tensors: dict[str, Tensor] = {}
    for source in sources:
        part = tensors_of(source)
        if twice := sorted(part.keys() & tensors.keys()):
            raise RefusedError(f"{source.name} holds {twice[0]!r}, as another file does")
        tensors |= part
    # A tensor can be a view that repeats a few bytes for ever; tied ones are no more than twice the file.
    if sum(tensor.nbytes for tensor in tensors.values()) > 2 * sum(file.stat().st_size for file in sources):
        raise RefusedError(f"{sources[0].name} holds tensors that are larger than the file")
    seen: set[int] = set()
    for name, tensor in tensors.items():
        storage = tensor.untyped_storage()
        whole = tensor.is_contiguous() and tensor.nbytes == storage.nbytes()
        if not whole or storage.data_ptr() in seen:
            tensors[name] = tensor.clone(memory_format=torch.contiguous_format)
        seen.add(storage.data_ptr())
    return tensors


def _why(error: Exception) -> str:
    """One line of what the loader says in many."""
    text = str(error)
    if asked := re.search(r"GLOBAL ([\w.]+)", text):
        return f"asks for {asked[1]}, which is no tensor"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f"cannot be read as tensors alone: {lines[-1] if lines else type(error).__name__}"


def main() -> int:
    """Convert what the arguments name. Returns 1, with a line on stderr, where it is refused."""
    torch.set_num_threads(1)  # each would take memory of its own
    target, *sources = map(Path, sys.argv[1:])
    try:
        limit(sum(source.stat().st_size for source in sources))
        save_file(all_tensors(sources), target, metadata={"format": "pt"})
    except RefusedError as error:
        print(error, file=sys.stderr)
        return 1
    except (MemoryError, RuntimeError) as error:
        print(
            f"needs more memory than its size explains, or cannot be written: {_why(error)}", file=sys.stderr
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
