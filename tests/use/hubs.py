"""A hub on loopback that models can be put on: repositories, branches, uploads and commits."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import huggingface_hub
import pytest

from tests.encoders.conftest import use
from tests.encoders.hubs import Hub

LARGE = ".safetensors"
"""Files of which the hub wants the bytes apart, by the protocol of LFS."""


class WritableHub(Hub):
    """What is committed is served from the next request on.

    `token` is what a writer must show; `refused` maps the beginning of a request to the status that it gets.
    `commits` are the messages in order, each with its branch.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__({})
        self.folder = folder
        self.commits: list[tuple[str, str]] = []
        self.private: dict[str, bool | None] = {}
        self.uploaded: dict[str, bytes] = {}
        self.refused: dict[str, int] = {}
        self.asked: list[str] = []
        for method in ("POST", "PUT"):
            setattr(self.server.RequestHandlerClass, f"do_{method}", lambda request: self.answer(request))

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path = unquote(urlsplit(request.path).path)
        self.asked.append(f"{request.command} {path}")
        for beginning, status in self.refused.items():
            if self.asked[-1].startswith(beginning):
                self._body(request)
                self._send(request, status, b'{"error": "no, and a second line\\nwith more"}', {})
                return
        if request.command in ("GET", "HEAD"):
            super().answer(request)
            return
        while self.hang(self.asked[-1]):
            time.sleep(0.05)
        body = self._body(request)
        if request.command == "PUT":  # to an address that is a secret itself
            self.uploaded[path.rsplit("/", 1)[1]] = body
            self._send(request, 200, b"", {})
            return
        self.tokens.add(request.headers.get("Authorization"))
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            self._json(request, {"error": "Invalid username or password."}, 401)
            return
        self._post(request, path, body)

    def _post(self, request: BaseHTTPRequestHandler, path: str, body: bytes) -> None:
        if path == "/api/repos/create":
            self._create(request, json.loads(body))
        elif path == "/api/validate-yaml":
            self._json(request, {"errors": [], "warnings": []})
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/branch/(.+)", path):
            name, branch = found.groups()
            there = branch in self.models[name]
            self.models[name].setdefault(branch, self.models[name]["main"])
            self._json(request, {}, 409 if there else 200)
        elif re.fullmatch(r"/api/models/[^/]+/[^/]+/preupload/.+", path):
            files = [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["path"].endswith(LARGE) else "regular",
                    "shouldIgnore": False,
                    "oid": None,
                }
                for file in json.loads(body)["files"]
            ]
            self._json(request, {"files": files})
        elif path.endswith(".git/info/lfs/objects/batch"):
            objects = [
                one | {"actions": {"upload": {"href": f"{self.url}/lfs/{one['oid']}"}}}
                for one in json.loads(body)["objects"]
            ]
            self._json(request, {"objects": objects, "transfer": "basic"})
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/(.+)", path):
            proposed = "create_pr" in parse_qs(urlsplit(request.path).query)
            self._commit(request, *found.groups(), body, proposed=proposed)
        else:
            self._json(request, {"error": "not found"}, 404)

    def _create(self, request: BaseHTTPRequestHandler, asked: dict[str, Any]) -> None:
        name = f"{asked['organization']}/{asked['name']}"
        there = name in self.models
        if not there:
            empty = self.folder / "empty"
            empty.mkdir(exist_ok=True, parents=True)
            self.models[name] = {"main": ("0" * 40, empty)}
            self.private[name] = asked.get("visibility")
        self._json(
            request, {"url": f"{self.url}/{name}", "error": "You already created this"}, 409 if there else 200
        )

    def _commit(
        self, request: BaseHTTPRequestHandler, name: str, branch: str, body: bytes, *, proposed: bool
    ) -> None:
        _, before = self.models[name][branch]
        files = {path.name: path.read_bytes() for path in before.iterdir()}
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            match line["key"]:
                case "header":
                    self.commits.append((branch, value["summary"]))
                case "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                case "lfsFile":
                    files[value["path"]] = self.uploaded[value["oid"]]
                case "deletedFile":
                    del files[value["path"]]
        commit = hashlib.sha1(repr((len(self.commits), sorted(files.items()))).encode()).hexdigest()
        folder = self.folder / commit
        folder.mkdir(parents=True)
        for file, content in files.items():
            assert content is not None
            (folder / file).write_bytes(content)
        to = "refs/pr/1" if proposed else branch
        self.models[name] |= {to: (commit, folder), commit: (commit, folder)}
        address = f"{self.url}/{name}/commit/{commit}"
        proposal = f"{self.url}/{name}/discussions/1" if proposed else ""
        self._json(request, {"commitUrl": address, "commitOid": commit, "pullRequestUrl": proposal})

    def _body(self, request: BaseHTTPRequestHandler) -> bytes:
        if request.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(request.rfile.readline(), 16):
                parts.append(request.rfile.read(size))
                request.rfile.readline()
            request.rfile.readline()
            return b"".join(parts)
        return request.rfile.read(int(request.headers.get("Content-Length", 0)))

    def _json(self, request: BaseHTTPRequestHandler, body: object, status: int = 200) -> None:
        self._send(request, status, json.dumps(body).encode(), {"Content-Type": "application/json"})


@pytest.fixture
def writable_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WritableHub]:
    """It serves this process, whose cache is empty, and takes files by LFS alone: Xet has servers of its own."""
    served = WritableHub(tmp_path / "served")
    use(served, tmp_path / "home", monkeypatch)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
    yield served
    served.close()
