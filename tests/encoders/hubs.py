"""A server on loopback that answers as the model hub does, and can also fail as hubs do."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from collections import OrderedDict
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import torch
from safetensors.torch import load_file, save_file


class Hub:
    """The requests that fetching a model makes: what is in a revision, and a file of it.

    `models` is name → revision → (commit, folder). What was asked for whole is in `fetched`. `hang` says of a
    request, its method and path, whether it is never answered; `cut` how many bytes of a file are sent before the
    connection breaks, or None for all; `token` is what a user must show.
    """

    def __init__(self, models: dict[str, dict[str, tuple[str, Path]]]) -> None:
        self.models = models
        self.fetched: list[str] = []
        self.tokens: set[str | None] = set()
        self.hang: Callable[[str], bool] = lambda path: False
        self.cut: Callable[[str, int], int | None] = lambda name, start: None
        self.token: str | None = None
        self._closed = threading.Event()
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                hub.answer(self)

            def do_HEAD(self) -> None:
                hub.answer(self)

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.block_on_close = False
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._closed.set()
        self.server.shutdown()
        self.server.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path = request.path.split("?")[0]
        while self.hang(f"{request.command} {path}"):
            if self._closed.wait(0.1):
                request.close_connection = True
                return
        self.tokens.add(request.headers.get("Authorization"))
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            self._send(request, 401, b"{}", {"X-Error-Code": "RepoNotFound"})
            return
        parts = [unquote(part) for part in path.strip("/").split("/")]
        if parts[:2] == ["api", "models"] and "/".join(parts[2:4]) in self.models:
            self._list(request, "/".join(parts[2:4]), parts[4:])
        elif parts[2:3] == ["resolve"] and "/".join(parts[:2]) in self.models:
            self._file(request, "/".join(parts[:2]), parts[3], "/".join(parts[4:]))
        else:
            self._send(request, 404, b"{}", {"X-Error-Code": "RepoNotFound"})

    def _list(self, request: BaseHTTPRequestHandler, model: str, rest: list[str]) -> None:
        revision = rest[1] if len(rest) > 1 else "main"
        if revision not in self.models[model]:
            self._send(request, 404, b"{}", {"X-Error-Code": "RevisionNotFound"})
            return
        commit, folder = self.models[model][revision]
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        siblings = [{"rfilename": str(f.relative_to(folder)), "size": f.stat().st_size} for f in files]
        body = {"id": model, "sha": commit, "siblings": siblings}
        self._send(request, 200, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def _file(self, request: BaseHTTPRequestHandler, model: str, revision: str, name: str) -> None:
        if revision not in self.models[model]:
            self._send(request, 404, b"", {"X-Error-Code": "RevisionNotFound"})
            return
        commit, folder = self.models[model][revision]
        if not (folder / name).is_file():
            self._send(request, 404, b"", {"X-Error-Code": "EntryNotFound"})
            return
        data = (folder / name).read_bytes()
        headers = {"ETag": f'"{hashlib.sha256(data).hexdigest()}"', "X-Repo-Commit": commit}
        start = int(request.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        if request.command == "GET":
            self.fetched.append(name)
        self._send(request, 206 if start else 200, data[start:], headers, cut=self.cut(name, start))

    def _send(
        self,
        request: BaseHTTPRequestHandler,
        status: int,
        body: bytes,
        headers: dict[str, str],
        *,
        cut: int | None = None,
    ) -> None:
        request.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(body))}).items():
            request.send_header(name, value)
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(body[:cut])
            if cut is not None:
                request.close_connection = True


SPEECH = "3loi/SER-Odyssey-Baseline-WavLM-Multi-Attributes"
TEXT = "j-hartmann/emotion-english-distilroberta-base"
SPEECH_COMMIT = "00d0e12ba9bf957f5aeea36e8663c8c61cb50ac9"
TEXT_COMMIT = "0e1cd914e3d46199ed785853e12b57304e04178b"
REFERENCE, REFERENCE_COMMIT = "refs/pr/3017", "7e9d7fe536a4d2bb472f9e883cc6cbbe81f68961"

SPEECH_FILES = {
    ".gitattributes",
    "README.md",
    "config.json",
    "model.safetensors",
    "pipeline_utils.py",
    "pytorch_model.bin",
}
TEXT_FILES = {
    ".gitattributes",
    "README.md",
    "config.json",
    "merges.txt",
    "pytorch_model.bin",
    "special_tokens_map.json",
    "tf_model.h5",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
}


def published(speech: Path, text: Path, folder: Path) -> dict[str, dict[str, tuple[str, Path]]]:
    """Both repositories with the files that they really have, of small checkpoints: what a Hub serves.

    The text encoder's main has pickled weights alone, and a pull request's reference safetensors too.
    """
    of_speech, main, pull = folder / "speech", folder / "text", folder / "text-pull"
    _files(speech, of_speech, SPEECH_FILES)
    _files(_of_512_tokens(text, folder / "text-512"), main, TEXT_FILES)
    _files(folder / "text-512", pull, TEXT_FILES | {"model.safetensors"})
    return {
        SPEECH: dict.fromkeys(("main", SPEECH_COMMIT), (SPEECH_COMMIT, of_speech)),
        TEXT: dict.fromkeys(("main", TEXT_COMMIT), (TEXT_COMMIT, main))
        | dict.fromkeys((REFERENCE, REFERENCE_COMMIT), (REFERENCE_COMMIT, pull)),
    }


def _files(checkpoint: Path, folder: Path, names: set[str]) -> None:
    folder.mkdir()
    tensors = load_file(checkpoint / "model.safetensors")
    for name in names:
        if name == "pytorch_model.bin":
            torch.save(OrderedDict(tensors), folder / name)
        elif name in ("vocab.json", "merges.txt"):
            model = json.loads((checkpoint / "tokenizer.json").read_text())["model"]
            merges = "".join(f"{' '.join(pair)}\n" for pair in model["merges"])
            (folder / name).write_text(
                json.dumps(model["vocab"]) if name == "vocab.json" else "#version: 0.2\n" + merges
            )
        elif (checkpoint / name).is_file():
            shutil.copy(checkpoint / name, folder)
        elif name == "special_tokens_map.json":
            (folder / name).write_text(json.dumps({"cls_token": "<s>", "sep_token": "</s>"}))
        else:
            (folder / name).write_text("raise SystemExit('remote code ran')")


def _of_512_tokens(text: Path, folder: Path) -> Path:
    shutil.copytree(text, folder)
    config = json.loads((folder / "config.json").read_text()) | {"max_position_embeddings": 514}
    (folder / "config.json").write_text(json.dumps(config))
    tensors = load_file(folder / "model.safetensors")
    torch.manual_seed(0)
    tensors["roberta.embeddings.position_embeddings.weight"] = 0.02 * torch.randn(514, config["hidden_size"])
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder
