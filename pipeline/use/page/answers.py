"""Answers as JSON, and refusals as one line of it."""

from __future__ import annotations

import json
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

NOT_FOUND = "there is nothing here: the API is described at /api/openapi.json"


def refusal(status: int, line: str, **headers: str) -> HTTPException:
    """To raise where a request is refused: its status, and why in one line; `retry_after` is Retry-After."""
    return HTTPException(status, line, {name.replace("_", "-"): value for name, value in headers.items()})


def answer(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A value as JSON, in ASCII, since the name of a file may be none in UTF-8. Nobody keeps it."""
    body = json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")
    return Response(body, status, {"cache-control": "no-store", **(headers or {})}, "application/json")


def say_refused(request: Request, error: Exception) -> Response:
    """Every status of 400 and more, the framework's own among them."""
    assert isinstance(error, HTTPException)
    line = NOT_FOUND if error.detail == "Not Found" else error.detail
    if error.status_code == 405:
        line = f"{request.method} is not for this address: the API is described at /api/openapi.json"
    return answer({"error": line}, error.status_code, dict(error.headers or {}))


def say_gone(request: Request, error: Exception) -> Response:
    """To a client that left before it had sent all; nobody reads it."""
    return answer({"error": "the request ended before its body did"}, 400)


def say_fault(request: Request, error: Exception) -> Response:
    """A fault of ours. The reason goes on to the server, which prints it, and is not for the client."""
    return answer({"error": "something went wrong here: the terminal of `erclap serve` says what"}, 500)


HANDLERS: dict[Any, Any] = {HTTPException: say_refused, ClientDisconnect: say_gone, Exception: say_fault}
