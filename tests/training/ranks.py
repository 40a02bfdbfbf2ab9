"""Processes that train together on this machine, forked from one that has torch loaded."""

from __future__ import annotations

import io
import multiprocessing
import os
import socket
from collections.abc import Callable
from contextlib import chdir, redirect_stderr, redirect_stdout
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

SECONDS = 120.0
"""Until a rank is given up: a bound against one that hangs."""


LOADED = """
    h5py pyarrow.parquet pydantic scipy.ndimage stages.train torch.distributed tests.training.test_ranks
    pipeline.features.gathering pipeline.sentences
"""
"""By the process that all are forked from."""


def on_ranks(work: Callable[..., Any], size: int, *args: object) -> list[Any]:
    """What a function of a module comes to with (ranks, *args) on each of so many ranks.

    The code of a rank that exits, the type and the text of what one raises, and None for one that is killed.
    """
    return at_once(_ranked, environments(size), work, args)


def at_once(work: Callable[..., Any], told: list[dict[str, str]], *args: object) -> list[Any]:
    """The same of a function with *args in a process for each environment."""
    started = []
    with pytest.MonkeyPatch.context() as patch:
        for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            patch.setenv(threads, "1")
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(LOADED.split())
        for environment in told:
            here, there = context.Pipe(duplex=False)
            process = context.Process(target=_tell, args=(there, environment, work, args), daemon=True)
            process.start()
            there.close()
            started.append((process, here))
    answers = []
    for process, here in started:
        try:
            assert here.poll(SECONDS), "a process hangs"
            answers.append(here.recv())
        except EOFError:
            answers.append(None)
        process.join(SECONDS)
    return answers


def erclap(folder: Path, *arguments: str) -> tuple[int, list[str], list[str]]:
    """A command's exit code and the lines that it tells and errs."""
    from stages.cli import main

    out, err = io.StringIO(), io.StringIO()
    with chdir(folder), redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
        main([*arguments])
    return int(ended.value.code or 0), out.getvalue().splitlines(), err.getvalue().splitlines()


def environments(size: int) -> list[dict[str, str]]:
    """What torchrun puts into the environment of each of so many ranks."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
    shared = {"WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    return [shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(size)]


def _tell(answer: Connection, told: dict[str, str], work: Callable[..., Any], args: tuple) -> None:
    os.environ.update(told)
    try:
        answer.send(work(*args))
    except SystemExit as ended:
        answer.send(ended.code)
    except BaseException as error:
        answer.send((type(error), str(error)))


def _ranked(work: Callable[..., Any], args: tuple) -> Any:
    from pipeline.training.launched import launched_ranks

    with launched_ranks() as ranks:
        return work(ranks, *args)
