"""A contender's process, and how it is told what to do.

A part of `extraction.py`, no command.
"""

from __future__ import annotations

import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from contenders.arithmetic import synchronise
from contenders.ours import Ours
from contenders.plain import Best, Plain


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
