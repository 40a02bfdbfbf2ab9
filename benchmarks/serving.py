"""A page under load: many clients at once, then many hostile requests, against a server of its own on loopback.

    python benchmarks/serving.py [--model results/model] [--index results/index] [--clients 200] [--seconds 30] \
        [--hostile 10000] [--seed 0]

Each client asks again as soon as it has its answer, by a connection of its own: six in ten times for a sentence
that nobody asked for before, twice for a mood, once for a waveform, once for the first 64 KiB of a recording. So a
latency is that of a server that is never idle, and clients and server share the machine. Hostile requests are
those of benchmarks/hostile.py, and bodies that never end.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import click
import numpy as np
import psutil

from benchmarks.hostile import Sent, requests

WORDS = "calm bitter bright weary tense gentle furious sad joyful flat hurried slow warm cold".split()  # noqa: SIM905

HOSTILE_AT_ONCE = 16


@dataclass
class Answers:
    """What came back."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


class Connection:
    """HTTP/1.1 as plainly as can be, so that a client costs little."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def __aenter__(self) -> Connection:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *raised: object) -> None:
        self.writer.close()

    async def ask(self, sent: Sent) -> tuple[int, bytes]:
        """A request's status and body."""
        named = {"host": f"127.0.0.1:{self._port}", "content-length": str(len(sent.body)), **sent.headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in named.items())
        self.writer.write(f"{sent.method} {sent.path} HTTP/1.1\r\n{head}\r\n".encode() + sent.body)
        return await self.answer()

    async def answer(self) -> tuple[int, bytes]:
        """The status and body of what comes next; a body that no length tells goes to the end."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        length = headers.get("content-length")
        body = await (self.reader.readexactly(int(length)) if length else self.reader.read())
        return int(head.split(" ", 2)[1]), body


def honest(rng: random.Random, windows: list[str]) -> tuple[str, Sent]:
    """A request as the page makes them, and of which kind it is."""
    kind = rng.choices(("sentence", "mood", "waveform", "recording"), (6, 2, 1, 1))[0]
    window = rng.choice(windows)
    asked: dict[str, object] = {"text": f"The person is {', '.join(rng.choices(WORDS, k=6))}."}
    if kind == "mood":
        asked = {"valence": rng.uniform(1, 7), "arousal": rng.uniform(1, 7)}
    if kind == "waveform":
        return kind, Sent("GET", f"/api/waveform/{window}")
    if kind == "recording":
        return kind, Sent("GET", f"/api/audio/{window.split('-')[0]}", {"range": "bytes=0-65535"})
    return kind, Sent("POST", "/api/search", {"content-type": "application/json"}, json.dumps(asked).encode())


async def client(port: int, seed: int, windows: list[str], until: float, found: Answers) -> None:
    """One that asks until the time is over."""
    rng = random.Random(seed)
    async with Connection(port) as connection:
        while time.monotonic() < until:
            kind, sent = honest(rng, windows)
            begun = time.monotonic()
            try:
                status, body = await connection.ask(sent)
            except (OSError, EOFError, ValueError) as error:
                found.faults.append(repr(error))
                return
            found.seconds.setdefault(kind, []).append(time.monotonic() - begun)
            found.statuses[status] += 1
            if status not in (200, 206):
                found.faults.append(f"{status} {body[:200]!r}")


async def load(port: int, clients: int, seconds: float, seed: int) -> Answers:
    """So many clients for so long."""
    async with Connection(port) as connection:
        search = Sent(
            "POST", "/api/search", {"content-type": "application/json"}, b'{"text": "calm", "k": 100}'
        )
        told = json.loads((await connection.ask(search))[1])
    windows, found = [one["id"] for one in told["results"]], Answers()
    until = time.monotonic() + seconds
    await asyncio.gather(*(client(port, seed + number, windows, until, found) for number in range(clients)))
    return found


async def attack(port: int, count: int, seed: int, files: list[str]) -> Answers:
    """So many hostile requests, each by a connection of its own, and some that never end."""
    found, left = Answers(), iter(requests(count, seed, files))

    async def work() -> None:
        for sent in left:
            async with Connection(port) as connection:
                note(sent, *await connection.ask(sent))

    def note(sent: object, status: int, body: bytes) -> None:
        found.statuses[status] += 1
        if not 400 <= status < 500:
            found.faults.append(f"{status} {body[:200]!r} to {sent!r:.300}")

    async def dawdle(path: str) -> None:
        async with Connection(port) as connection:
            begun = time.monotonic()
            named = "Host: localhost\r\nContent-Type: application/json\r\nContent-Length: 900"
            connection.writer.write(f"POST {path} HTTP/1.1\r\n{named}\r\n\r\n".encode())
            answered = asyncio.ensure_future(connection.answer())
            while not answered.done() and time.monotonic() - begun < 100:
                connection.writer.write(b" ")
                await asyncio.sleep(0.5)
            note(f"a slow body to {path}", *await answered)

    slow = [dawdle(path) for path in ["/api/search"] * 40 + ["/api/hear"] * 8 + ["/nothing"] * 8]
    workers: list[Coroutine[Any, Any, None]] = [work() for _ in range(HOSTILE_AT_ONCE)]
    await asyncio.gather(*workers, *slow)
    return found


def memory_of(process: psutil.Process) -> float:
    """MB that a server and its processes hold."""
    return float(sum(one.memory_info().rss for one in [process, *process.children(recursive=True)])) / 1e6


def table(found: Answers) -> None:
    """Print a line a kind of request."""
    click.echo("| kind | requests | p50 ms | p99 ms | longest ms |\n| --- | --- | --- | --- | --- |")
    for kind, seconds in [*sorted(found.seconds.items()), ("all", [*chain(*found.seconds.values())])]:
        p50, p99, longest = 1000 * np.percentile(seconds, [50, 99, 100])
        click.echo(f"| {kind} | {len(seconds):,} | {p50:.0f} | {p99:.0f} | {longest:.0f} |")


@click.command()
@click.option("--model", default="results/model", show_default=True)
@click.option("--index", default="results/index", show_default=True)
@click.option("--clients", default=200, show_default=True)
@click.option("--seconds", default=30.0, show_default=True)
@click.option("--hostile", default=10_000, show_default=True)
@click.option("--seed", default=0, show_default=True)
def main(model: str, index: str, clients: int, seconds: float, hostile: int, seed: int) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "from stages.cli import main; main()",
                "serve",
                "--model",
                model,
                "--index",
                index,
                "--port",
                "0",
            ],
            env={**os.environ, "TMPDIR": temporary},
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            if process.stdout is None or not (line := process.stdout.readline()):
                raise click.ClickException("the server did not start")
            port = int(line.split("://")[1].split("/")[0].rpartition(":")[2])
            measure(psutil.Process(process.pid), port, clients, seconds, hostile, seed)
            left = [path for path in Path(temporary).rglob("*") if path.is_file()]
            click.echo(f"files left in its temporary folder: {len(left)}")
        finally:
            process.terminate()
            begun = time.monotonic()
            click.echo(f"SIGTERM: exit code {process.wait(60)} after {time.monotonic() - begun:.1f} s")
        left = list(Path(temporary).glob("erclap*"))
        click.echo(f"folders left there afterwards: {len(left)}")


def measure(
    process: psutil.Process, port: int, clients: int, seconds: float, hostile: int, seed: int
) -> None:
    """Load it and attack it, and print what came of it."""
    asyncio.run(load(port, clients, min(3.0, seconds), seed + 1_000_000))  # so that all has been touched once
    before, busy = memory_of(process), sum(process.cpu_times()[:2])
    found = asyncio.run(load(port, clients, seconds, seed))
    busy = sum(process.cpu_times()[:2]) - busy
    after = memory_of(process)
    table(found)
    count = sum(found.statuses.values())
    click.echo(
        f"{clients} clients, {seconds:g} s: {count / seconds:.0f} answers a second, {len(found.faults)} errors, "
        f"{1000 * busy / count:.1f} ms of processor each, memory {before:.0f} MB before, {after:.0f} MB after"
    )
    for line in found.faults[:5]:
        click.echo(f"  {line}")
    if hostile:
        files = asyncio.run(files_of(port))
        asyncio.run(attack(port, min(hostile, 200), seed + 1, files))
        before = memory_of(process)
        found = asyncio.run(attack(port, hostile, seed, files))
        told = ", ".join(f"{status}: {count:,}" for status, count in sorted(found.statuses.items()))
        click.echo(
            f"hostile requests: {told}; not refused {len(found.faults)}; memory {before:.0f} MB before, "
            f"{memory_of(process):.0f} MB after"
        )
        for line in found.faults[:5]:
            click.echo(f"  {line}")


async def files_of(port: int) -> list[str]:
    """Ids of files of the index."""
    async with Connection(port) as connection:
        search = Sent(
            "POST", "/api/search", {"content-type": "application/json"}, b'{"text": "calm", "k": 20}'
        )
        return [one["file"] for one in json.loads((await connection.ask(search))[1])["results"]]


if __name__ == "__main__":
    main()
