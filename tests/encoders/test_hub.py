"""Loading by a hub name, from a server on loopback that answers as the hub does."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

COMMIT, OLDER_COMMIT = "a" * 40, "b" * 40
REVISIONS = {"main": COMMIT, COMMIT: COMMIT, "v1": OLDER_COMMIT, OLDER_COMMIT: OLDER_COMMIT}

LOADED = [
    ("speech", "3loi/small", ""),
    ("text", "j-hartmann/small", ""),
    ("text", "j-hartmann/small", "v1"),
    ("speech", "nobody/nothing", ""),
    ("speech", "3loi/small", "v9"),
]
"""Kind, name and revision of all that these tests load, by one process: each takes seconds to start."""

PROGRAM = """
import json, sys, traceback
from pipeline.encoders import SpeechEncoder, TextEncoder
for kind, name, revision in json.loads(sys.argv[1]):
    try:
        if kind == "speech":
            encoder = SpeechEncoder.from_pretrained(name, revision=revision or None)
        else:
            encoder = TextEncoder.from_pretrained(name, revision=revision or None, max_tokens=64)
    except Exception:
        print(json.dumps(traceback.format_exc()))
    else:
        print(json.dumps([encoder.recipe.model, encoder.recipe.revision, encoder.recipe.feature_size]))
"""


class Hub:
    """The two kinds of request that fetching a snapshot makes: what is in it, and a file of it."""

    def __init__(self, models: dict[str, Path]) -> None:
        self.models, self.fetched = models, []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                hub.answer(self, send_body=True)

            def do_HEAD(self) -> None:
                hub.answer(self, send_body=False)

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, request: BaseHTTPRequestHandler, *, send_body: bool) -> None:
        parts = request.path.split("?")[0].strip("/").split("/")
        if parts[:2] == ["api", "models"] and "/".join(parts[2:4]) in self.models:
            self._list(request, "/".join(parts[2:4]), parts[4:])
        elif parts[2:3] == ["resolve"] and "/".join(parts[:2]) in self.models:
            self._file(request, self.models["/".join(parts[:2])] / "/".join(parts[4:]), parts[3], send_body)
        else:
            self._send(request, 404, b"{}", {"X-Error-Code": "RepoNotFound"})

    def _list(self, request: BaseHTTPRequestHandler, name: str, rest: list[str]) -> None:
        revision = rest[1] if len(rest) > 1 else "main"
        if revision not in REVISIONS:
            self._send(request, 404, b"{}", {"X-Error-Code": "RevisionNotFound"})
            return
        files = sorted(path.name for path in self.models[name].iterdir())
        if rest[:1] == ["tree"]:
            body: object = [
                {"type": "file", "path": f, "size": (self.models[name] / f).stat().st_size, "oid": "0" * 40}
                for f in files
            ]
        else:
            body = {"id": name, "sha": REVISIONS[revision], "siblings": [{"rfilename": f} for f in files]}
        self._send(request, 200, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def _file(self, request: BaseHTTPRequestHandler, path: Path, revision: str, send_body: bool) -> None:
        if not path.is_file():
            self._send(request, 404, b"", {"X-Error-Code": "EntryNotFound"})
            return
        data = path.read_bytes()
        if send_body:
            self.fetched.append(path.name)
        headers = {"ETag": f'"{hashlib.sha256(data).hexdigest()}"', "X-Repo-Commit": REVISIONS[revision]}
        self._send(request, 200, data, headers, send_body=send_body)

    def _send(
        self,
        request: BaseHTTPRequestHandler,
        status: int,
        body: bytes,
        headers: dict[str, str],
        *,
        send_body: bool = True,
    ) -> None:
        request.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(body))}).items():
            request.send_header(name, value)
        request.end_headers()
        if send_body and request.command != "HEAD":
            request.wfile.write(body)


@pytest.fixture(scope="module")
def hub(speech_checkpoint, text_checkpoint, tmp_path_factory) -> Iterator[Hub]:
    speech = shutil.copytree(speech_checkpoint, tmp_path_factory.mktemp("hub") / "speech")
    (speech / "modeling.py").write_text("raise SystemExit('remote code ran')")
    (speech / "pytorch_model.bin").write_bytes(b"a pickle")
    served = Hub({"3loi/small": speech, "j-hartmann/small": text_checkpoint})
    yield served
    served.server.shutdown()
    served.server.server_close()


def load(
    hub: Hub, home: Path, wanted: list[tuple[str, str, str]], **environment: str
) -> dict[tuple, list | str]:
    """What each came to: model, revision and size, or the traceback of its error."""
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(wanted)],
        env=os.environ
        | {"HF_ENDPOINT": hub.url, "HF_HOME": str(home), "NO_PROXY": "127.0.0.1"}
        | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    lines = [json.loads(line) for line in answer.stdout.splitlines() if line.startswith(("[", '"'))]
    return dict(zip(wanted, lines, strict=True))


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def loaded(hub, home) -> dict[tuple, list | str]:
    """All, loaded once from the server."""
    return load(hub, home, LOADED)


@pytest.fixture(scope="module")
def fetched(hub, loaded) -> list[str]:
    """What was fetched by then."""
    return list(hub.fetched)


@pytest.fixture(scope="module")
def loaded_offline(hub, home, fetched) -> dict[tuple, list | str]:
    """The main revisions once more, by another process that may not ask the server."""
    return load(hub, home, LOADED[:2], HF_HUB_OFFLINE="1")


@pytest.mark.parametrize(
    ("kind", "name", "size"), [("speech", "3loi/small", 48), ("text", "j-hartmann/small", 32)]
)
def test_a_hub_name_is_fetched_once_and_known_by_its_commit(
    hub, loaded, fetched, loaded_offline, kind, name, size
):
    assert loaded[kind, name, ""] == [name, COMMIT, size]
    assert not {"modeling.py", "pytorch_model.bin"} & set(fetched)
    assert loaded_offline[kind, name, ""] == [name, COMMIT, size]
    assert hub.fetched == fetched


def test_a_revision_is_part_of_what_identifies_it(loaded):
    assert loaded["text", "j-hartmann/small", "v1"][1] == OLDER_COMMIT


@pytest.mark.parametrize(("name", "revision"), [("nobody/nothing", ""), ("3loi/small", "v9")])
def test_an_unknown_name_or_revision_is_one_line(loaded, name, revision):
    last = loaded["speech", name, revision].strip().splitlines()[-1]
    assert last.startswith(f"ValueError: '{name}' must be a folder or a hub name")
