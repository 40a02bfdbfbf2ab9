"""The server: a socket, who may ask, and an end at once when it is told to."""

from __future__ import annotations

import asyncio
import logging
import resource
import secrets
import socket
from collections.abc import Callable, Iterable
from contextlib import closing, suppress

import h11
import uvicorn
from threadpoolctl import threadpool_limits
from uvicorn.protocols.http.h11_impl import H11Protocol

from pipeline.use.page.app import build_app
from pipeline.use.page.guard import Names, Pass, check_token, is_loopback
from pipeline.use.page.library import Library
from pipeline.use.page.limits import HEADER_SECONDS, MAX_CONNECTIONS, MAX_HEADER_BYTES
from pipeline.use.page.uploads import Ear

LINGER_SECONDS = 3.0
"""To go on reading what a client sends that has its answer."""


class Server:
    """A port that is ours from the start, so that one in use is known before a model is loaded."""

    def __init__(
        self, host: str, port: int, *, token: str | None = None, further: Iterable[str] = ()
    ) -> None:
        """`further` are names that it is asked by, too, as behind a proxy; port 0 takes a free one.

        Where others than this machine can reach it there is a token, drawn where none is given. Raises ValueError
        for a poor token, RuntimeError for a host or port that cannot be had.
        """
        further = tuple(further)
        self._drawn = token is None and (bool(further) or not is_loopback(host))
        if self._drawn:
            token = secrets.token_urlsafe(24)
        if token is not None:
            check_token(token)
        self._host, self._token = host, token
        self._socket = _bound(host, port)
        self.port: int = self._socket.getsockname()[1]
        self._names = Names(host, further)
        self._running: _Told | None = None

    @property
    def address(self) -> str:
        """Where a browser finds it, with the token that was drawn behind a #, which no browser sends."""
        host = "localhost" if self._host in ("0.0.0.0", "::") else self._host
        shown = f"[{host}]" if ":" in host else host
        return f"http://{shown}:{self.port}/" + (f"#token={self._token}" if self._drawn else "")

    def close(self) -> None:
        """Give the port back."""
        self._socket.close()

    def serve(self, library: Library, begun: Callable[[], None] = lambda: None) -> None:
        """Answer until Ctrl-C or SIGTERM; `begun` is called when it does."""
        wanted = Pass(self._token, self.port) if self._token else None
        with closing(Ear(library)) as ear:
            config = uvicorn.Config(
                build_app(library, ear, self._names, wanted),
                http=Connection,
                ws="none",
                loop="asyncio",
                log_config=None,
                log_level="error",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=10,
                backlog=128,
                h11_max_incomplete_event_size=MAX_HEADER_BYTES,
            )
            self._running = _Told(config, begun)
            # Threads that share a product wait for each other busily: ten times what a small product takes.
            with threadpool_limits(1, user_api="blas"), suppress(KeyboardInterrupt):
                self._running.run([self._socket])  # which raises Ctrl-C again once it has ended

    def stop(self) -> None:
        """End what `serve` does in another thread."""
        if self._running:
            self._running.should_exit = True


class _Told(uvicorn.Server):
    """Says when it has begun, and ends at once: what it was at is dropped."""

    def __init__(self, config: uvicorn.Config, begun: Callable[[], None]) -> None:
        super().__init__(config)
        self._begun = begun

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._begun()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # what is dropped is no fault
        for server in self.servers:
            server.close()
        for listening in sockets or []:
            listening.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        if tasks := list(self.server_state.tasks):
            await asyncio.wait(tasks, timeout=LINGER_SECONDS)
        await self.lifespan.shutdown()


class Connection(H11Protocol):
    """One that must send a request's headers in time, and of which there are not too many."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            transport.close()
        self._late = self.loop.call_later(HEADER_SECONDS, self._close_in, h11.IDLE)

    def connection_lost(self, exc: Exception | None) -> None:
        self._in_time()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._in_time()
        elif self._late is None:
            self._late = self.loop.call_later(HEADER_SECONDS, self._close_in, h11.IDLE)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if (
            self.conn.their_state is h11.SEND_BODY
        ):  # it has its answer, but would not see it if it were cut off
            self.loop.call_later(LINGER_SECONDS, self._close_in, h11.SEND_BODY)

    def _close_in(self, state: object) -> None:
        if self.conn.their_state is state:
            self.transport.close()

    def _in_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


def _allow_files(count: int) -> None:
    """Have this process open so many files, as far as it may: a connection is one, and what it plays another."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _bound(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise RuntimeError(
            f"--host must be a name or address of this machine, found {host!r} ({error})"
        ) from None
    _allow_files(2 * MAX_CONNECTIONS + 200)
    found = socket.socket(family, kind, protocol)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(2048)
    except OSError as error:
        found.close()
        raise RuntimeError(
            f"port {port} of {host} must be free, found that it cannot be had ({error.strerror}): give another "
            f"with --port"
        ) from None
    return found
