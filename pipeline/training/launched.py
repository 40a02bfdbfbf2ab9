"""How a process comes to be one of several ranks: by what torchrun put into its environment."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.distributed.distributed_c10d import Store

    from pipeline.training.ranks import Ranks

RANK, RANKS, LOCAL_RANK = "RANK", "WORLD_SIZE", "LOCAL_RANK"

ADDRESS, PORT = "MASTER_ADDR", "MASTER_PORT"
"""Where the first rank keeps what all of them must know."""

FAILED = "failed"
"""In the ranks' common store: which of them failed first."""


def local_rank() -> int:
    """Which of this machine's ranks this is: the number of its GPU."""
    return _whole(LOCAL_RANK, _whole(RANKS))


@contextmanager
def launched_ranks() -> Iterator[Ranks | None]:
    """This process's place among the ranks that were launched; None where it is alone.

    Ranks talk by NCCL on GPUs and by gloo on CPUs. Where one fails, the first to do so raises its error; all
    others end without a word, exit code 1, as soon as they wait for one that has ended. Raises ValueError where
    the environment does not say which rank this is, and RuntimeError where the ranks do not find each other.
    """
    size = _whole(RANKS) if {RANK, RANKS} & os.environ.keys() else 1
    if size == 1:
        yield None
        return
    rank = _whole(RANK, size)
    address, port = _meeting_place()
    # Or a rank whose peer has ended shows a page of torch's own frames; read when torch is loaded.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "FATAL")
    from torch import distributed

    from pipeline.support import Share, patiently
    from pipeline.training.ranks import SECONDS_TO_ANSWER, Ranks, plain

    try:
        # On another thread, as neither Ctrl-C nor SIGTERM ends a wait of torch's. It gives up by itself before.
        store = next(patiently(_met(rank, size, address, port), 4 * SECONDS_TO_ANSWER))
    except RuntimeError as error:
        raise RuntimeError(
            f"{size} ranks must find each other at {address}:{port}, they did not: {plain(error)}"
        ) from error
    try:
        yield Ranks(Share(rank, size))
    except BaseException as error:
        if not _tells(store, rank, error):
            raise SystemExit(1) from error
        raise
    distributed.destroy_process_group()


def _meeting_place() -> tuple[str, int]:
    """The first rank's address and port. Raises ValueError where the environment does not say them."""
    from pipeline.support import shown

    address, port = os.environ.get(ADDRESS, ""), _whole(PORT)
    if not address.strip():
        raise ValueError(f"{ADDRESS} must be the first rank's address, as torchrun sets it, found none")
    if not 0 < port < 1 << 16:
        raise ValueError(f"{PORT} must be from 1 to 65535, found {shown(port)}")
    return shown(address), port


def _met(rank: int, size: int, address: str, port: int) -> Iterator[Store]:
    """The ranks' common store, once all of them are there. Raises RuntimeError where they are not."""
    import torch
    from torch import distributed
    from torch.distributed.distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    from pipeline.training.ranks import SECONDS_TO_ANSWER

    try:
        socket.getaddrinfo(address, port)
    except (OSError, UnicodeError) as error:
        raise RuntimeError(f"no machine is known by the name {address!r} ({error})") from error
    patience = timedelta(seconds=SECONDS_TO_ANSWER)
    store, _, _ = next(rendezvous("env://", rank, size, timeout=patience))
    store = PrefixStore("erclap", store)
    distributed.init_process_group(
        "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo",
        store=store,
        rank=rank,
        world_size=size,
        timeout=patience,
    )
    yield store


def _tells(store: Store, rank: int, error: BaseException) -> bool:
    """Whether it is for this rank to say why all of them end."""
    from pipeline.training.ranks import UnansweredError

    try:
        return bool(store.compare_set(FAILED, "", str(rank)) == str(rank).encode())
    except RuntimeError:  # the first rank kept the store, and has ended, maybe without a word
        return rank == 1 and isinstance(error, UnansweredError)


def _whole(name: str, below: int | None = None) -> int:
    """A number of the environment. Raises ValueError unless it is one, from 0."""
    value = os.environ.get(name)
    if value is None or not value.isdecimal() or (below is not None and int(value) >= below):
        bound = "" if below is None else f" below {RANKS} {below}"
        found = "none" if value is None else repr(value)
        raise ValueError(f"{name} must be a whole number{bound}, as torchrun sets it, found {found}")
    return int(value)
