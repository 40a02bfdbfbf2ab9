"""Calls of functions as tasks of a Ray cluster, as many at once as its nodes have room for."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.config import Runtime
from pipeline.scale.ray_cluster import Cluster, check_dealt_out, first_line, ray_module
from pipeline.support import shown

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}
"""What a call on one CPU has in its environment. Processes are started anew for each other environment."""

AHEAD = 2
"""Calls that are handed over, for each that there is room for: their arguments wait in the cluster's memory."""


@dataclass(frozen=True)
class Call:
    """A call of a module's function."""

    name: str
    """What an error is told of."""
    function: Callable[..., Any]
    arguments: tuple[Any, ...]


def gpus_a_call(cluster: Cluster, runtime: Runtime) -> int:
    """Whether each call has a GPU of its own: where the cluster has any, unless `runtime.device` is cpu.

    Raises ValueError for a device by its number, which Ray deals out, and RuntimeError where a GPU is asked for
    and the cluster has none.
    """
    check_dealt_out(runtime.device)
    if runtime.device == "cuda" and cluster.gpus < 1:
        raise RuntimeError(f"the Ray cluster must have a GPU for runtime.device cuda, it has {cluster}")
    return int(runtime.device != "cpu" and cluster.gpus >= 1)


def called(
    calls: Iterable[Call], cluster: Cluster, environment: Mapping[str, str], *, gpus: int = 0
) -> Generator[tuple[int, Any]]:
    """The number of each call and what it returns, in the order in which they end.

    Each has a CPU, and `environment` from before a library is loaded; one whose node or process dies is made
    again. Raises at once RuntimeError where the cluster has no room for one. The error of a call ends all of them:
    a ValueError as one, any other as RuntimeError, in a line that names the call.
    """
    ray = ray_module()
    room = cluster.places(1, gpus)
    if not room:
        raise RuntimeError(
            f"the Ray cluster must have a node with a CPU{' and a GPU' if gpus else ''} free for a task, it has "
            f"{cluster}"
        )
    asked = ray.remote(num_cpus=1, num_gpus=gpus, runtime_env={"env_vars": dict(environment)})(_answer)
    waiting: dict[Any, tuple[int, str]] = {}
    try:
        for number, call in enumerate(calls):
            waiting[asked.remote(call.function, *call.arguments)] = number, call.name
            if len(waiting) >= AHEAD * room:
                yield _first_to_end(waiting)
        while waiting:
            yield _first_to_end(waiting)
    finally:
        for left in waiting:
            ray.cancel(left, force=True)


def _first_to_end(waiting: dict[Any, tuple[int, str]]) -> tuple[int, Any]:
    ray = ray_module()
    (ended,), _ = ray.wait([*waiting], num_returns=1)
    number, name = waiting.pop(ended)
    try:
        answer = ray.get(ended)
    except ray.exceptions.RayError as error:
        raise RuntimeError(f"{name}: {first_line(error)}") from error
    if isinstance(answer, _Raised):
        raise (ValueError if answer.of_input else RuntimeError)(f"{name}: {answer.line}")
    return number, answer


@dataclass(frozen=True)
class _Raised:
    """What a call raised: errors of libraries may not survive the way."""

    line: str
    of_input: bool


def _answer(function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except Exception as error:
        ours = isinstance(error, (ValueError, RuntimeError))
        line = " ".join(str(error).split()) if ours else first_line(error)
        return _Raised(shown(line, 2000), isinstance(error, ValueError))
