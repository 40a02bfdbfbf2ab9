"""A look at the nodes of a cluster while others wait for it: which are gone, and whether anything still comes."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable

from pipeline.scale.ray_cluster import Cluster

SECONDS_BETWEEN_LOOKS = 5.0

SECONDS_WITHOUT_ANSWER = 900.0
"""After a node was lost, until it is no longer believed that anything comes: a block may take minutes."""


class Watch:
    """Says which nodes are lost, and has the main thread raise RuntimeError where nothing comes after that."""

    def __init__(self, look: Callable[[], Cluster], start: Cluster) -> None:
        self._fault = ""
        self._look, self._seen = look, {node.id: node for node in start.nodes}
        self._lost = False
        self._heard = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def heard(self) -> None:
        """Something came."""
        self._heard = time.monotonic()

    def __enter__(self) -> Watch:
        """In the main thread."""
        self._handler = signal.signal(signal.SIGUSR2, self._raise)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        signal.signal(signal.SIGUSR2, self._handler)

    def _raise(self, *_: object) -> None:
        if not self._ended.is_set():
            raise RuntimeError(self._fault)

    def _run(self) -> None:
        while not self._ended.wait(SECONDS_BETWEEN_LOOKS):
            cluster = self._look()
            there = {node.id: node for node in cluster.nodes}
            gone = [node.name for id_, node in self._seen.items() if id_ not in there]
            self._seen = there
            for name in gone:
                self._lost = True
                print(
                    f"warning: node {name} of the Ray cluster is gone, and what it had is done again by what is "
                    f"left: {cluster}",
                    file=sys.stderr,
                )
            if self._lost and time.monotonic() - self._heard > SECONDS_WITHOUT_ANSWER:
                self._fault = (
                    f"the Ray cluster must go on with what is left of it, nothing came for "
                    f"{SECONDS_WITHOUT_ANSWER / 60:g} minutes after a node was lost; it has {cluster}: what was "
                    f"encoded is stored, run the command again on a cluster that is whole"
                )
                # A signal, since whatever the main thread waits for must be interrupted.
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR2)
                return
