"""Where a Ray cluster is said to be, and whether what listens there may be one.

Ray itself tries for minutes at an address where nothing answers, or something else does.
"""

from __future__ import annotations

import os
import re
import socket
from contextlib import suppress

SECONDS_TO_CONNECT = 5.0

HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)
"""The beginning of HTTP/2, which gRPC speaks, with an empty frame of settings (RFC 9113, 3.4)."""

SETTINGS = 4


def endpoint(address: str) -> tuple[str, int] | None:
    """Host and port of an address, None of auto and local. Raises ValueError for what is none of these."""
    if address in ("auto", "local"):
        return None
    found = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^\s/:\[\]]+):(\d{1,5})", address, re.ASCII)
    if not found or not 0 < int(found[2]) < 1 << 16:
        raise ValueError(
            f"a Ray cluster's address must be auto or host:port, such as 10.0.0.1:6379, found {address!r}; a "
            f"command that is to run inside of a cluster is sent there by `ray job submit`"
        )
    return found[1].strip("[]"), int(found[2])


def check_answers(host: str, port: int, address: str) -> None:
    """Raise RuntimeError unless something that speaks as Ray does answers there within seconds."""
    try:
        asked = socket.create_connection((host, port), SECONDS_TO_CONNECT)
    except OSError as error:
        raise RuntimeError(f"a Ray cluster must answer at {address}, nothing does: {error}") from error
    if os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true"):
        asked.close()  # more cannot be asked without the certificates
        return
    said = b""
    with asked, suppress(OSError):
        asked.sendall(HELLO)
        said = asked.recv(4, socket.MSG_WAITALL)
    if len(said) < 4 or said[3] != SETTINGS:
        raise RuntimeError(f"a Ray cluster must answer at {address}, what listens there is none")
