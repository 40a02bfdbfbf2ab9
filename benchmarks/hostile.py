"""Requests that nobody honest sends, seeded; each with the statuses that it may be refused with."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

TRAVELS = (
    "../../etc/passwd",
    "..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/etc/passwd",
    "....//....//etc/passwd",
    "..\\..\\x",
    "%00",
    "a/anger.wav",
    "%c0%ae%c0%ae/",
    "0123456789abcdef/../0123456789abcdef",
    "~root",
    "C:\\Windows",
    "file:///etc",
    "\u202e",
    "%F0%9F%92%A9",
    "0" * 16,
    "f" * 16 + "-0",
    "f" * 16 + "-99999999999999",
    "-",
    "'; DROP TABLE files; --",
    "<script>alert(1)</script>",
    "{{7*7}}",
    "${jndi:ldap://x}",
    "a" * 4000,
)

RANGES = (
    "bytes=9-3",
    "bytes=-0",
    "bytes=99999999-",
    "bytes=" + "0-," * 500 + "0-",
    "bytes=--1",
    "lines=1-2",
    "bytes=a-b",
    "bytes=" + "9" * 300 + "-",
    "bytes=0-1,0-1",
    "bytes 0-1",
    "bytes=0 - 1",
    "bytes=0x0-",
    "bytes=-",
    "bytes=1.5-",
)

NO_VALUES = (
    None,
    True,
    [],
    {},
    "",
    " ",
    -1,
    0,
    1e308,
    "7",
    [1],
    {"a": {}},
    "\u0000" * 1001,
    2**70,
    "x" * 5000,
)

REFUSED = range(400, 500)


@dataclass
class Sent:
    """A request, of which nothing good can come."""

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def requests(count: int, seed: int, files: list[str]) -> Iterator[Sent]:
    """So many of all kinds; `files` are ids of the index, for what is wrong with a request and not with its id."""
    rng = random.Random(seed)
    for number in range(count):
        yield KINDS[number % len(KINDS)](rng, files)


def _travel(rng: random.Random, files: list[str]) -> Sent:
    place = rng.choice(("/api/audio/", "/api/waveform/", "/", "/static/", "/api/"))
    far = rng.choice(TRAVELS)
    return Sent(
        "GET",
        place + "".join(c if c.isascii() and c.isprintable() and c not in " #?" else "%ff" for c in far),
    )


def _range(rng: random.Random, files: list[str]) -> Sent:
    return Sent("GET", f"/api/audio/{rng.choice(files)}", {"range": rng.choice(RANGES)})


def _type(rng: random.Random, files: list[str]) -> Sent:
    asked: object = {"text": "a"}
    while _may_be_right(asked):
        key = rng.choice(("text", "valence", "arousal", "like", "k", "more"))
        asked = {"valence": 3, "arousal": 3} if key in ("valence", "arousal", "k") else {}
        asked[key] = rng.choice(NO_VALUES)
        if rng.random() < 0.2:
            asked = rng.choice((None, 3, "a", [asked], [], True))
    return _asking(json.dumps(asked).encode())


def _may_be_right(asked: object) -> bool:
    if not isinstance(asked, dict):
        return False
    text = asked.get("text")
    return "more" not in asked and isinstance(text, str) and 0 < len(text.strip()) <= 1000


def _malformed(rng: random.Random, files: list[str]) -> Sent:
    whole = bytearray(b'{"text": "The person is speaking calmly.", "k": 3}')
    for _ in range(rng.randint(1, 6)):
        whole[rng.randrange(len(whole))] = rng.choice(b'\x00\xff{}[]",:\\')
    bodies = (
        bytes(whole[:-1]),
        b"[" * rng.randint(1, 16_000),
        b"{" * 9000,
        rng.randbytes(rng.randint(0, 9000)),
        b'{"valence": NaN, "arousal": Infinity}',
        b'{"text": "\\ud800"}',
        b'{"k": ' + b"9" * 9000 + b"}",
        b"\xef\xbb\xbf{}",
    )
    return _asking(rng.choice(bodies))


def _huge(rng: random.Random, files: list[str]) -> Sent:
    return _asking(json.dumps({"text": "x" * rng.randint(17_000, 200_000)}).encode())


def _sound(rng: random.Random, files: list[str]) -> Sent:
    size = rng.choice((0xFFFFFFFF, 0, 16, rng.getrandbits(32)))
    form = rng.randbytes(16) if rng.random() < 0.7 else b"\1\0" + rng.randbytes(14)
    heads = (
        b"RIFF"
        + rng.randbytes(4)
        + b"WAVEfmt "
        + size.to_bytes(4, "little")
        + form
        + b"data"
        + rng.randbytes(4),
        b"fLaC\x00\x00\x00\x22" + rng.randbytes(34),
        b"OggS" + rng.randbytes(40),
        b"ID3" + rng.randbytes(30),
        b"FORM" + rng.randbytes(4) + b"AIFF",
        b".snd" + rng.randbytes(20),
        b"caff" + rng.randbytes(20),
        b"<!DOCTYPE html>",
        b"",
        b"\xff\xfb" + rng.randbytes(2),
        b"PK\3\4",
    )
    return Sent("POST", "/api/hear", body=rng.choice(heads) + rng.randbytes(rng.randint(0, 300)))


def _stranger(rng: random.Random, files: list[str]) -> Sent:
    wrong = rng.choice(
        (
            {"origin": "http://evil.example"},
            {"origin": "null"},
            {"sec-fetch-site": "cross-site"},
            {"host": "evil.example"},
            {"host": "127.0.0.1@evil"},
            {"host": ""},
            {"content-type": "text/plain"},
            {"content-type": "application/xml"},
        )
    )
    return _asking(b'{"text": "a"}', **wrong)


def _method(rng: random.Random, files: list[str]) -> Sent:
    method = rng.choice(("PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "PROPFIND", "X" * 300))
    return Sent(
        method, rng.choice(("/", "/api/search", "/api/about", "/page.js", f"/api/audio/{rng.choice(files)}"))
    )


def _asking(body: bytes, **headers: str) -> Sent:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Sent("POST", "/api/search", {"content-type": "application/json", **named}, body)


KINDS: tuple[Callable[[random.Random, list[str]], Sent], ...] = (
    _travel,
    _range,
    _type,
    _malformed,
    _huge,
    _sound,
    _stranger,
    _method,
)
