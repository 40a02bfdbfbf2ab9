"""The server on a real socket: what is in use, who is late, and how it ends."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from pipeline.use.page import serving
from pipeline.use.page.guard import is_loopback
from pipeline.use.page.serving import Server
from tests.imports import ROOT
from tests.stages.conftest import warm
from tests.stages.warm import Running

__all__ = ["warm"]  # a fixture

SERVE = """
import sys
from pathlib import Path
from pipeline.use.page.serving import Server
from stages.terminating import unwinding_on_sigterm
from tests.use.page.made import open_library
with unwinding_on_sigterm():
    server = Server("127.0.0.1", 0)
    server.serve(open_library(Path(sys.argv[1])), lambda: print(server.port, flush=True))
print("ended")
"""


@pytest.fixture(scope="module")
def port(library) -> Iterator[int]:
    """Of a server in a thread."""
    server, begun = Server("127.0.0.1", 0), threading.Event()
    thread = threading.Thread(target=server.serve, args=(library, begun.set))
    thread.start()
    assert begun.wait(30)
    yield server.port
    server.stop()
    thread.join(30)
    assert not thread.is_alive()


def said(port: int, *sent: bytes) -> bytes:
    """What the server answers to bytes, until it closes the connection or nothing comes."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        for part in sent:
            connection.sendall(part)
        got = b""
        while more := connection.recv(1 << 16):
            got += more
        return got


def test_a_port_in_use_is_one_line():
    with (
        closing(Server("127.0.0.1", 0)) as first,
        pytest.raises(RuntimeError, match="give another with --port"),
    ):
        Server("127.0.0.1", first.port)


def test_a_host_that_is_none_is_one_line():
    with pytest.raises(
        RuntimeError, match="--host must be a name or address of this machine, found 'no such'"
    ):
        Server("no such", 0)


def test_for_others_there_is_a_token_and_for_this_machine_there_is_none():
    with closing(Server("127.0.0.1", 0)) as own, closing(Server("0.0.0.0", 0)) as all_of_us:
        assert own.address == f"http://127.0.0.1:{own.port}/"
        address, _, token = all_of_us.address.partition("#token=")
        assert address == f"http://localhost:{all_of_us.port}/"
        assert len(token) >= 32
    with closing(Server("127.0.0.1", 0, further=["clips.example"])) as proxied:
        assert "#token=" in proxied.address


def test_a_given_token_is_not_printed():
    with closing(Server("127.0.0.1", 0, token="a-token-of-my-very-own")) as server:
        assert "token" not in server.address
        assert server._token == "a-token-of-my-very-own"


@pytest.mark.parametrize(
    ("host", "so"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("lab", False)],
)
def test_loopback_is_known(host, so):
    assert is_loopback(host) is so


def test_what_is_no_http_is_refused(port):
    assert said(port, b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n").startswith(b"HTTP/1.1 400")


def test_headers_too_large_are_refused(port):
    assert said(port, b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 20_000).startswith(b"HTTP/1.1 400")


def test_an_answer_is_whole_although_the_body_is_not(port, monkeypatch):
    monkeypatch.setattr(serving, "LINGER_SECONDS", 0.05)
    head = b"POST /api/hear HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n"
    got = said(port, head, b"x" * 1000)
    assert got.startswith(b"HTTP/1.1 413")
    assert got.endswith(b'at most 20 MiB, found more"}')


def test_who_sends_no_whole_request_is_cut_off(port, monkeypatch):
    monkeypatch.setattr(serving, "HEADER_SECONDS", 0.05)
    assert said(port) == b""
    assert said(port, b"GET / HTTP/1.1\r\nHost: ") == b""


def test_a_slow_body_is_given_up(port, monkeypatch, library):
    monkeypatch.setattr(serving, "LINGER_SECONDS", 0.05)
    monkeypatch.setattr("pipeline.use.page.app.UPLOAD_SECONDS", 0.05)
    got = said(port, b"POST /api/hear HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx")
    assert got.startswith(b"HTTP/1.1 408")
    assert b"a body must arrive within 0.05 s" in got


def test_too_many_connections_are_closed(port, monkeypatch):
    monkeypatch.setattr(serving, "MAX_CONNECTIONS", 0)
    assert said(port) == b""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_end_it_at_once_and_well(index, tmp_path, number, warm):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    process = Running(ROOT, SERVE, str(index), env=environment, program="-c")
    port = int(process.first_line())
    with socket.create_connection(("127.0.0.1", port)) as connection:
        # Within a request that has not arrived, whose file is there already.
        connection.sendall(b"POST /api/hear HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\nx")
        while not list(tmp_path.glob("erclap-page-*/*")):
            assert process.poll() is None
        process.send_signal(number)
        said, complained = process.communicate(timeout=30)
    assert (process.returncode, said, complained) == (0, f"{port}\nended\n", "")
    assert list(tmp_path.iterdir()) == []
