"""A look at the nodes of a cluster while others wait for it: which are gone, and whether anything still comes."""

from __future__ import annotations

import _thread
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType

from pipeline.scale.ray_cluster import Cluster

SECONDS_BETWEEN_LOOKS = 5.0

SECONDS_WITHOUT_ANSWER = 900.0
"""After a node was lost, until it is no longer believed that anything comes: a block may take minutes."""


class Watch:
    """Says which nodes are lost, and interrupts the main thread where nothing comes any more after that."""

    def __init__(self, look: Callable[[], Cluster], start: Cluster) -> None:
        self.fault = ""
        """Why it has interrupted."""
        self._look, self._seen = look, {node.id: node for node in start.nodes}
        self._lost = False
        self._heard = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def heard(self) -> None:
        """Something came."""
        self._heard = time.monotonic()

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Raise its fault as RuntimeError, where the interruption is its own and not a person's."""
        self._ended.set()
        if kind is KeyboardInterrupt and self.fault:
            raise RuntimeError(self.fault) from None

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
                self.fault = (
                    f"the Ray cluster must go on with what is left of it, nothing came for "
                    f"{SECONDS_WITHOUT_ANSWER / 60:g} minutes after a node was lost; it has {cluster}: what was "
                    f"encoded is stored, run the command again on a cluster that is whole"
                )
                _thread.interrupt_main()
                return
