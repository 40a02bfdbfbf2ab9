"""Processes that train together on this machine, forked from one that has torch loaded."""

from __future__ import annotations

import multiprocessing
import os
import socket
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import pytest

SECONDS = 120.0
"""Until a rank is given up: a bound against one that hangs."""


def on_ranks(work: Callable[..., Any], size: int, *args: object) -> list[Any]:
    """What a function of a module comes to with (ranks, *args) on each of so many ranks.

    The code of a rank that exits, the type and the text of what one raises, and None for one that is killed.
    """
    started = []
    with pytest.MonkeyPatch.context() as patch:
        for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            patch.setenv(threads, "1")
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["pipeline.training.loop", "torch.distributed", work.__module__])
        for told in environments(size):
            here, there = context.Pipe(duplex=False)
            process = context.Process(target=_rank, args=(there, told, work, args), daemon=True)
            process.start()
            there.close()
            started.append((process, here))
    answers = []
    for process, here in started:
        try:
            assert here.poll(SECONDS), "a rank hangs"
            answers.append(here.recv())
        except EOFError:
            answers.append(None)
        process.join(SECONDS)
    return answers


def environments(size: int) -> list[dict[str, str]]:
    """What torchrun puts into the environment of each of so many ranks."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
    shared = {"WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    return [shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(size)]


def _rank(answer: Connection, told: dict[str, str], work: Callable[..., Any], args: tuple) -> None:
    from pipeline.training.launched import launched_ranks

    os.environ.update(told)
    try:
        with launched_ranks() as ranks:
            found = work(ranks, *args)
        answer.send(found)
    except SystemExit as ended:
        answer.send(ended.code)
    except BaseException as error:
        answer.send((type(error), str(error)))
