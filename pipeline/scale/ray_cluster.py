"""A Ray cluster: one that runs at an address, or one of this machine's own for as long as it is needed.

Ray waits for ever for resources that a cluster does not have, and retries an address where nothing answers for
minutes: both are looked at first, so that an error comes within seconds.
"""

from __future__ import annotations

import os
import secrets
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from pipeline.scale.ray_address import check_answers, endpoint
from pipeline.support import counted, shown

ADDRESS = "RAY_ADDRESS"

SECONDS_TO_ANSWER = 60.0
"""That a node may take to start a process and look at its folders."""


@dataclass(frozen=True)
class Node:
    """A machine of the cluster."""

    id: str
    name: str
    """Its address, by which people know it."""
    cpus: float
    gpus: float


@dataclass(frozen=True)
class Cluster:
    """The nodes that are alive."""

    nodes: tuple[Node, ...]

    @property
    def cpus(self) -> float:
        return sum(node.cpus for node in self.nodes)

    @property
    def gpus(self) -> float:
        return sum(node.gpus for node in self.nodes)

    def places(self, cpus: float, gpus: float) -> int:
        """How many processes that need so much each the nodes can take, one beside the other."""
        return sum(_fit(node.cpus, cpus, _fit(node.gpus, gpus)) for node in self.nodes)

    def __str__(self) -> str:
        return f"{counted(len(self.nodes), 'node')} with {self.cpus:g} CPUs and {self.gpus:g} GPUs"


def _fit(has: float, needs: float, most: int = 1 << 30) -> int:
    return min(most, int(has / needs + 1e-6)) if needs else most


def ray_module() -> ModuleType:
    """The package ray. Raises RuntimeError where it is not installed."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read when it is imported
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if not os.environ.get("ERCLAP_DEBUG"):
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise RuntimeError(
            "--engine ray must have Ray, it is not installed: pip install 'emotionrankclap[ray]' on every node"
        ) from error
    return ray


@contextmanager
def joined(address: str | None, *, spare_cpus: int = 0) -> Iterator[Cluster]:
    """Within this, the cluster at an address is joined: the one in RAY_ADDRESS where None is given.

    With neither, a cluster of this machine alone is started, without a dashboard and with a token of its own,
    since Ray opens its ports on all interfaces, and ended afterwards; it counts `spare_cpus` more than there are
    cores, for work that takes little of one. A cluster that this process has joined already is used, and stays
    joined. Raises ValueError for what is no address, RuntimeError where no cluster answers there.
    """
    address = address or os.environ.get(ADDRESS) or "local"
    place = endpoint(address)
    ray = ray_module()
    if ray.is_initialized():
        yield alive()
        return
    if place is not None:
        check_answers(*place, address)
    with ExitStack() as until_ended:
        folder = until_ended.enter_context(own_cluster()) if address == "local" else None
        _init(ray, address, folder, spare_cpus)
        until_ended.callback(ray.shutdown)
        yield alive()


@contextmanager
def own_cluster() -> Iterator[str]:
    """A folder for a cluster's files, and a token that nobody else has, for as long as that cluster is there."""
    before = {name: os.environ.get(name) for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN")}
    # Sockets lie there, whose paths have a limit, whatever TMPDIR is.
    short = Path("/tmp") if Path("/tmp").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="erclap-ray-", dir=short, ignore_cleanup_errors=True) as folder:
        try:
            _authenticate({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)})
            yield folder
        finally:
            _authenticate(before)


def _authenticate(settings: Mapping[str, str | None]) -> None:
    """Set what Ray reads of the environment to know who may join, and have it read that anew."""
    from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]

    for name, value in settings.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()


def _init(ray: ModuleType, address: str, folder: str | None, spare_cpus: int) -> None:
    options: dict[str, Any] = {
        "log_to_driver": bool(os.environ.get("ERCLAP_DEBUG")),
        "logging_level": "error",
    }
    if folder is not None:
        options |= {"num_cpus": _cores() + spare_cpus, "include_dashboard": False, "_temp_dir": folder}
    ours = signal.getsignal(signal.SIGTERM)
    try:
        with unheard_stderr():
            ray.init(address=address, **options)
    except Exception as error:  # of many types
        raise RuntimeError(f"a Ray cluster must answer at {address}, it did not: {error}") from error
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, ours)  # in whose place Ray has put its own


@contextmanager
def unheard_stderr() -> Iterator[None]:
    """Within this nothing is written to stderr, not by libraries either, unless everything is to be said."""
    if os.environ.get("ERCLAP_DEBUG"):
        yield
        return
    sys.stderr.flush()
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


def alive() -> Cluster:
    """The nodes that the joined cluster has at the moment."""
    ray = ray_module()
    return Cluster(
        tuple(
            Node(
                node["NodeID"],
                node["NodeManagerAddress"],
                node["Resources"].get("CPU", 0.0),
                node["Resources"].get("GPU", 0.0),
            )
            for node in ray.nodes()
            if node["Alive"]
        )
    )


def ask_every_node(cluster: Cluster, question: Callable[..., str], *arguments: object) -> None:
    """Raise RuntimeError with the first node's line, unless `question` returns an empty one on every node."""
    ray = ray_module()
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    asked = ray.remote(num_cpus=0, max_retries=1)(question)
    answers = {
        asked.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False)).remote(
            *arguments
        ): node
        for node in cluster.nodes
    }
    answered, late = ray.wait([*answers], num_returns=len(answers), timeout=SECONDS_TO_ANSWER)
    faults = {}
    for answer in answered:
        try:
            faults[answers[answer]] = ray.get(answer)
        except ray.exceptions.RayError as error:
            faults[answers[answer]] = (
                f"must be able to run this version of emotionrankclap: {first_line(error)}"
            )
    for answer in late:
        faults[answers[answer]] = f"must answer within {SECONDS_TO_ANSWER:g} s, it did not"
    there = {node.id for node in alive().nodes} if any(faults.values()) else ()
    for node, fault in faults.items():
        if fault and node.id in there:  # what went with a node that is gone says nothing of the others
            raise RuntimeError(f"node {node.name} of the Ray cluster {fault}")


def first_line(error: BaseException) -> str:
    """What an error that crossed the cluster was, in a line."""
    cause = getattr(error, "cause", None) or error
    lines = [line for line in str(cause).splitlines() if line.strip()]
    return shown(f"{type(cause).__name__}: {lines[0] if lines else ''}")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_dealt_out(device: str) -> None:
    """Raise ValueError for a `runtime.device` by its number, which a cluster deals out."""
    if ":" in device:
        raise ValueError(
            f"runtime.device must be auto, cpu or cuda with --engine ray, which deals out the GPUs itself, found "
            f"{device!r}"
        )
