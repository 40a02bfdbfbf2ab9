"""A server that speaks the OpenAI protocol, on loopback, as well or as badly as a test wants, and counts."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit


def sentence(seed: str) -> str:
    """A caption that practically no other seed gives."""
    digest = hashlib.sha256(seed.encode()).hexdigest()
    word = "".join(chr(ord("a") + int(c, 16)) for c in digest[:12])
    other = "".join(chr(ord("a") + int(c, 16)) for c in digest[12:20])
    return f"The person is speaking in a {word} voice, with {other} in the tone."


@dataclass
class Act:
    """What the server does with one request instead of a good answer."""

    status: int = 200
    text: str | None = None
    """The model's answer."""
    body: bytes | None = None
    """The whole response."""
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    """To wait first."""
    again: float | None = None
    """Send the body again and again, so many seconds apart."""
    drop: bool = False
    """Close the connection without a word."""
    finish: str = "stop"
    input_tokens: Any = 70


def refusal(status: int, message: str, code: str | None = None, **headers: str) -> Act:
    """An error as OpenAI words it."""
    body = {"error": {"message": message, "type": "error", "param": None, "code": code}}
    return Act(
        status, body=json.dumps(body).encode(), headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


Behaviour = Callable[[int, dict[str, Any]], Act | None]
"""The number of a request, from 0, and its body → what to do; None for a good answer."""


class ModelServer:
    """`seen` holds every request for a completion, `paid` how often each was answered well or badly."""

    def __init__(self, behaviour: Behaviour = lambda number, body: None) -> None:
        self.behaviour = behaviour
        self.seen: list[dict[str, Any]] = []
        self.keys: set[str] = set()
        self.paid: Counter[str] = Counter()
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.batch_is_done = True
        self.most_at_once = self._at_once = 0
        self._lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body in one packet: for two the client's system waits 40 ms

            def do_POST(self) -> None:
                server.answer(self)

            def do_GET(self) -> None:
                server.answer(self)

            def log_message(self, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *args: object) -> None:
                pass  # a client that was killed

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """One request over HTTP."""
        content = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        with self._lock:
            self.keys.add(handler.headers.get("Authorization", ""))
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        path = urlsplit(handler.path).path.removeprefix("/v1")
        try:
            if path == "/chat/completions":
                act = self.complete(json.loads(content), handler.headers.get("Idempotency-Key", ""))
            else:
                act = self.batch_api(handler.command, path, content, handler.headers)
        finally:
            with self._lock:
                self._at_once -= 1
        if act.drop:
            handler.close_connection = True
            return
        response = act.body or b""
        handler.send_response(act.status)
        for name, value in {"Content-Type": "application/json", **act.headers}.items():
            handler.send_header(name, value)
        if act.again is not None:
            handler.close_connection = True
            handler.end_headers()
            while True:  # until the client has enough, and the connection breaks
                handler.wfile.write(response)
                handler.wfile.flush()
                time.sleep(act.again)
        handler.send_header("Content-Length", str(len(response)))
        handler.end_headers()
        handler.wfile.write(response)

    def complete(self, body: dict[str, Any], name: str) -> Act:
        """A completion, by the behaviour or well."""
        with self._lock:
            number = len(self.seen)
            self.seen.append(body)
        act = self.behaviour(number, body) or Act()
        time.sleep(act.seconds)
        if act.status == 200 and act.body is None and not act.drop:
            with self._lock:
                self.paid[name] += 1
            text = act.text if act.text is not None else self.good_answer(body, name)
            return replace(act, body=completion(text, act.finish, act.input_tokens))
        return act

    def good_answer(self, body: dict[str, Any], name: str) -> str:
        """One caption, or three where three are asked for."""
        if "three short captions" in body["messages"][0]["content"]:
            return "\n".join(f"{i}. {sentence(f'{name} {i}')}" for i in (1, 2, 3))
        return sentence(name)

    def batch_api(self, method: str, path: str, content: bytes, headers: Any) -> Act:
        """Files and batches; a batch is done at once unless `batch_is_done` is false."""
        parts = path.strip("/").split("/")
        if method == "POST" and parts == ["files"]:
            name = f"file-{len(self.files)}"
            self.files[name] = _uploaded(content, headers["Content-Type"])
            return _json(
                {
                    "id": name,
                    "object": "file",
                    "bytes": 1,
                    "created_at": 1,
                    "filename": "f",
                    "purpose": "batch",
                    "status": "processed",
                }
            )
        if method == "GET" and parts[0] == "files" and parts[1] in self.files:
            return Act(body=self.files[parts[1]])
        if method == "POST" and parts == ["batches"]:
            asked = json.loads(content)
            name = f"batch-{len(self.batches)}"
            self.batches[name] = {
                "id": name,
                "object": "batch",
                "endpoint": asked["endpoint"],
                "created_at": 1_700_000_000,
                "input_file_id": asked["input_file_id"],
                "completion_window": "24h",
                "status": "in_progress",
                "metadata": asked["metadata"],
            }
            return _json(self.batches[name])
        if method == "GET" and parts == ["batches"]:
            return _json({"object": "list", "data": list(self.batches.values()), "has_more": False})
        if method == "GET" and parts[0] == "batches" and parts[1] in self.batches:
            return _json(self._worked(self.batches[parts[1]]))
        return refusal(404, "no such address")

    def _worked(self, batch: dict[str, Any]) -> dict[str, Any]:
        if not self.batch_is_done or batch["status"] == "completed":
            return batch
        lines = []
        for line in self.files[batch["input_file_id"]].splitlines():
            asked = json.loads(line)
            act = self.complete(asked["body"], asked["custom_id"])
            response = {"status_code": act.status, "body": json.loads(act.body or b"{}")}
            lines.append(json.dumps({"id": "x", "custom_id": asked["custom_id"], "response": response}))
        name = f"file-{len(self.files)}"
        self.files[name] = "\n".join(lines).encode()
        batch |= {"status": "completed", "output_file_id": name, "completed_at": 1_700_000_100}
        return batch


def completion(text: str, finish: str, input_tokens: Any) -> bytes:
    """A response in the protocol."""
    return json.dumps(
        {
            "id": "c",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [
                {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text}}
            ],
            "usage": {"prompt_tokens": input_tokens, "completion_tokens": 30},
        }
    ).encode()


def _json(body: dict[str, Any]) -> Act:
    return Act(body=json.dumps(body).encode())


def _uploaded(content: bytes, content_type: str) -> bytes:
    message = BytesParser().parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + content)
    for part in message.get_payload():
        if part.get_param("name", header="content-disposition") == "file":
            return part.get_payload(decode=True)
    raise ValueError("no file")
