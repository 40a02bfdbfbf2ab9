"""The body of a request: read within limits of size and time, and what it asks for, checked."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, NoReturn

from starlette.requests import Request

from pipeline.use.page.answers import refusal
from pipeline.use.page.limits import (
    HIGHEST,
    JSON_SECONDS,
    LOWEST,
    MAX_JSON_BYTES,
    MAX_RESULTS,
    MAX_SENTENCE,
)

KINDS = ({"text"}, {"valence", "arousal"}, {"like"})


@dataclass(frozen=True, slots=True)
class Question:
    """A search: one of a sentence, a point and a window."""

    k: int
    text: str | None = None
    point: tuple[float, float] | None = None
    like: str | None = None


async def body_of(request: Request, at_most: int, seconds: float) -> AsyncIterator[bytes]:
    """A request's body in pieces. Refused where it is longer, before it is read if it says so, or takes longer."""
    promised = request.headers.get("content-length", "0")
    if int(promised if promised.isascii() and promised.isdigit() else 0) > at_most:
        _too_large(at_most)
    clock, pieces, got = asyncio.get_running_loop(), request.stream(), 0
    deadline = clock.time() + seconds
    while True:
        try:
            piece = await asyncio.wait_for(anext(pieces, None), deadline - clock.time())
        except TimeoutError:
            raise refusal(408, f"a body must arrive within {seconds:g} s") from None
        if piece is None:
            return
        if (got := got + len(piece)) > at_most:
            _too_large(at_most)
        yield piece


def _too_large(at_most: int) -> NoReturn:
    size = f"{at_most >> 20} MiB" if at_most >= 1 << 20 else f"{at_most >> 10} KiB"
    raise refusal(413, f"a body must have at most {size}, found more")


async def read_question(request: Request) -> Question:
    """The search that a request asks for. Refused with 400, 408, 413 or 415."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/json":
        raise refusal(415, f"a search must be application/json, found {kind[:60] or 'no content type'}")
    body = b"".join([piece async for piece in body_of(request, MAX_JSON_BYTES, JSON_SECONDS)])
    try:
        asked = json.loads(body.decode("utf-8"), parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise refusal(400, "a search must be JSON in UTF-8, found something else") from None
    return parse_question(asked)


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def parse_question(asked: Any) -> Question:
    """A search as JSON has it. Refused with 400."""
    if not isinstance(asked, dict):
        raise refusal(400, "a search must be an object, found something else")
    k = asked.pop("k", 10)
    if isinstance(k, float) and k.is_integer():  # as JSON Schema counts
        k = int(k)
    if not isinstance(k, int) or isinstance(k, bool) or not 1 <= k <= MAX_RESULTS:
        raise refusal(400, f"k must be a whole number from 1 to {MAX_RESULTS}")
    if set(asked) not in KINDS:
        raise refusal(
            400, 'a search must have "text", or "valence" and "arousal", or "like", and no more than "k"'
        )
    if "text" in asked:
        return Question(k, text=_sentence(asked["text"]))
    if "like" in asked:
        if not isinstance(asked["like"], str):
            raise refusal(400, "like must be the id of a window")
        return Question(k, like=asked["like"])
    return Question(k, point=(_place("valence", asked["valence"]), _place("arousal", asked["arousal"])))


def _sentence(text: object) -> str:
    if not isinstance(text, str) or not text.strip():
        raise refusal(400, "text must be a sentence, found none")
    if len(text) > MAX_SENTENCE:
        raise refusal(400, f"text must have at most {MAX_SENTENCE} characters, found {len(text)}")
    if any("\ud800" <= c <= "\udfff" for c in text):
        raise refusal(400, "text must be Unicode, found half of a surrogate pair")
    return text


def _place(name: str, value: object) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and LOWEST <= value <= HIGHEST:
        return float(value)
    shown = f"{value:.4g}" if isinstance(value, float) and math.isfinite(value) else "something else"
    raise refusal(400, f"{name} must be a number from {LOWEST:g} to {HIGHEST:g}, found {shown}")
