"""How much of a response is read, and for how long: a body may never end, come by drops, or unpack to anything."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from functools import cache

import httpx2
from openai import DefaultHttpxClient

MOST_BYTES = 16_000_000
"""Of an answer; the longest that a model gives is a thousandth of it."""

MOST_BYTES_OF_FILE = 512_000_000
"""Of a batch's file: OpenAI takes batches of up to 200 MB."""

SECONDS_FOR_A_FILE = 3600.0


class BoundedClient(DefaultHttpxClient):
    """As openai's own, but a request's time-out is that of its whole answer, and of a batch's file an hour."""

    def __init__(self) -> None:
        super().__init__(
            verify=_authorities(),
            headers={"Accept-Encoding": "identity"},
            event_hooks={"response": [_bound]},
        )


@cache
def _authorities() -> ssl.SSLContext:
    """Whom certificates are trusted of, as usual: read once for all clients."""
    return httpx2.create_ssl_context()


def _bound(response: httpx2.Response) -> None:
    encoding = response.headers.get("content-encoding", "identity").lower()
    if encoding != "identity":
        raise httpx2.DecodingError(f"it packs its answer ({encoding}), which was not asked for")
    assert isinstance(response.stream, httpx2.SyncByteStream)
    if response.request.url.path.endswith("/content"):
        response.stream = _Bounded(response.stream, MOST_BYTES_OF_FILE, SECONDS_FOR_A_FILE)
    else:
        seconds = response.request.extensions["timeout"]["read"]
        response.stream = _Bounded(response.stream, MOST_BYTES, seconds)


class _Bounded(httpx2.SyncByteStream):
    """A body that is given up where it is longer, or takes longer, than it may."""

    def __init__(self, stream: httpx2.SyncByteStream, most_bytes: int, seconds: float) -> None:
        self._stream, self._most_bytes, self._seconds = stream, most_bytes, seconds

    def __iter__(self) -> Iterator[bytes]:
        started, read = time.monotonic(), 0
        for part in self._stream:
            read += len(part)
            if read > self._most_bytes:
                raise httpx2.ReadError(f"its answer has more than {self._most_bytes / 1e6:.0f} MB")
            if time.monotonic() - started > self._seconds:
                raise httpx2.ReadTimeout(f"its answer took longer than {self._seconds:g} s")
            yield part

    def close(self) -> None:
        self._stream.close()
