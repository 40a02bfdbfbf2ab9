"""The page's own files: a fixed list, read once and served from memory."""

from __future__ import annotations

import hashlib
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response

TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}

NAMES = (
    "page.html",
    "page.css",
    "page.js",
    "plane.js",
    "results.js",
    "recording.js",
    "recorder.js",
    "asking.js",
    "icon.svg",
)


class PageFile:
    """One of them."""

    def __init__(self, name: str) -> None:
        self._body = files("pipeline.use.page").joinpath("static", name).read_bytes()
        self._type = TYPES[name.rpartition(".")[2]]
        self._tag = f'"{hashlib.sha256(self._body).hexdigest()[:16]}"'

    async def send(self, request: Request) -> Response:
        """The file, or that it is as the browser has it."""
        headers = {"etag": self._tag, "cache-control": "no-cache"}
        if request.headers.get("if-none-match") == self._tag:
            return Response(status_code=304, headers=headers)
        return Response(self._body, 200, headers, self._type)


FILES = {"/" if name == "page.html" else f"/{name}": PageFile(name) for name in NAMES}
"""Address → file."""
