"""How many processes read and encode on a cluster, and whether its nodes can: looked at before anything starts."""

from __future__ import annotations

import math
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from pipeline.config import Runtime
from pipeline.scale.ray_cluster import Cluster, Node, ask_every_node, check_dealt_out
from pipeline.support import counted, write_text

CPUS_AT_MOST = 8
"""Of one encoder: its threads share an interpreter, which few large operations leave idle."""

ENCODER_LEAVES, READER_ASKS = 0.001, 0.0001
"""CPUs, as Ray counts them. There are no more readers than have a CPU each; but if they asked for it, they would
wait for ever once a node is lost and encoders have taken all that is left."""

SECONDS_UNTIL_SEEN = 5.0
"""That a file which one machine has written may take to be seen by another."""


@dataclass(frozen=True)
class Workers:
    """The processes of a run."""

    encoders: int
    cpus: int
    gpus: int
    readers: int
    rows: int
    """In a block."""


def workers_for(cluster: Cluster, runtime: Runtime, *, at_most: bool = False) -> Workers:
    """The processes that `runtime.ray` asks for, or as many `at_most` as there is room for.

    Raises ValueError for a device that a cluster cannot be asked for, RuntimeError where it has not the room.
    """
    asked = runtime.ray
    check_dealt_out(runtime.device)
    gpus = int(runtime.device == "cuda" or (runtime.device == "auto" and cluster.gpus >= 1))
    if asked.encoder_cpus != "auto":
        cpus = asked.encoder_cpus
    elif gpus:
        cpus = 1
    else:
        smallest = min((node.cpus for node in cluster.nodes if node.cpus >= 1), default=1.0)
        cpus = min(CPUS_AT_MOST, max(1, math.floor(smallest - asked.reader_cpus)))
    room = _room(cluster, cpus, gpus, asked.reader_cpus)
    encoders = max(1, room) if asked.encoders == "auto" else asked.encoders
    if at_most:
        encoders = max(1, min(encoders, room))
    if encoders > room:
        raise RuntimeError(
            f"the Ray cluster must have room for {counted(encoders, 'encoder')} of {counted(cpus, 'CPU')}"
            f"{' and a GPU' if gpus else ''} each, beside a reader of {asked.reader_cpus:g} CPUs; it has "
            f"{cluster}, room for {room}: set runtime.ray.encoders, encoder_cpus or reader_cpus, or add nodes"
        )
    readers = int((cluster.cpus - encoders * cpus) / asked.reader_cpus + 1e-6)
    return Workers(encoders, cpus, gpus, max(1, readers), asked.rows)


def _room(cluster: Cluster, cpus: int, gpus: int, reader_cpus: float) -> int:
    """How many encoders fit beside a reader, on whichever node that is."""
    beside = [
        Cluster((*cluster.nodes[:i], _without(node, reader_cpus), *cluster.nodes[i + 1 :]))
        for i, node in enumerate(cluster.nodes)
        if node.cpus >= reader_cpus
    ]
    return max((left.places(cpus, gpus) for left in beside), default=0)


def _without(node: Node, cpus: float) -> Node:
    return Node(node.id, node.name, node.cpus - cpus, node.gpus)


def check_nodes(cluster: Cluster, corpus: Path | None, store: Path) -> None:
    """Raise RuntimeError unless every node sees the corpus and the store by these paths, and can write there."""
    written, token = store / f".seen.{uuid.uuid4().hex}.tmp", uuid.uuid4().hex
    write_text(token, written)
    try:
        ask_every_node(cluster, sees, corpus, written, token)
    finally:
        written.unlink(missing_ok=True)


def sees(corpus: Path | None, written: Path, token: str) -> str:
    """What is wrong with the folders on this node, or nothing."""
    if corpus is not None and not corpus.is_dir():
        return f"must have the folder of the clips {corpus}, has no such folder: mount it there"
    deadline = time.monotonic() + SECONDS_UNTIL_SEEN
    while not _holds(written, token):
        if time.monotonic() > deadline:
            return (
                f"must see what other nodes write to {written.parent}, does not: set ERCLAP_STORE to a folder "
                f"that all nodes have under the same path"
            )
        time.sleep(0.1)
    mine = written.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        mine.touch()
        mine.unlink()
    except OSError as error:
        return f"must be able to write to {written.parent}: {error.strerror}"
    return ""


def _holds(file: Path, token: str) -> bool:
    try:
        return file.read_text(encoding="utf-8") == token
    except OSError:
        return False
