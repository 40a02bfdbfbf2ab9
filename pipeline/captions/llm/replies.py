"""What comes back for a request: a completion, a refusal, what a filter left, or nothing of the protocol's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

CUT_OFF, FILTERED = "length", "content_filter"
"""Finish reasons."""

FILTERS_CODES = {FILTERED, "content_policy_violation", "invalid_prompt"}
"""Of an error, where a filter of contents would not let the prompt, or its answer, through."""

PAGES = ("<!doctype", "<html", "<head", "<?xml")
"""How a web page begins."""

MOST_TOKENS = 2**31 - 1
"""Of one answer; a server that counts more miscounts."""


class Malformed(Exception):
    """An answer that is none of the protocol's."""


class NotAnApi(Malformed):
    """A web page, a stream that nobody asked for, or nothing at all: the message says which."""


@dataclass(frozen=True)
class Reply:
    """What the model said, and what that took."""

    text: str
    finish_reason: str | None
    input_tokens: int | None
    output_tokens: int | None
    refused: bool = False
    """The text says why the model will not answer."""

    @classmethod
    def of(cls, body: object) -> Reply:
        """Read a completion. Raises Malformed where it is none.

        An answer counts whatever is odd about its token counts, since it is paid for.
        """
        try:
            choice: Any = body["choices"][0]  # type: ignore[index]
            message, reason = choice["message"], choice.get("finish_reason")
            said, refusal = message.get("content"), message.get("refusal")
            usage = body.get("usage")  # type: ignore[attr-defined]
        except (KeyError, IndexError, TypeError, AttributeError):
            error = body.get("error") if isinstance(body, dict) else None
            told = error.get("message") if isinstance(error, dict) else error
            raise Malformed(f"an error: {told}" if isinstance(told, str) else "a malformed answer") from None
        refused = isinstance(refusal, str) and bool(refusal.strip()) and not said
        text = refusal if refused else said or ""
        answered = "content" in message or refused or reason == FILTERED
        if not answered or not isinstance(text, str):
            raise Malformed("a malformed answer")
        counts = usage if isinstance(usage, dict) else {}
        taken, given = (_tokens(counts.get(f"{side}_tokens")) for side in ("prompt", "completion"))
        text = text.encode(errors="replace").decode()  # half of a surrogate pair can be kept in no file
        return cls(text, reason, taken, given, refused)

    @property
    def fault(self) -> str | None:
        """What is wrong with it, however its text reads."""
        if self.finish_reason == FILTERED:
            return f"the endpoint filtered it ({FILTERED}): put it otherwise, or to another model"
        if self.refused:
            return "the model refused to answer: put it otherwise, or to another model"
        if self.finish_reason == CUT_OFF:
            return "the answer was cut off: raise caption.llm.max_tokens"
        return None


def read_json(content_type: str, body: str) -> object:
    """The JSON of a response. Raises NotAnApi for what no such endpoint answers, Malformed for the rest."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        pass
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "text/html" or body[:1000].lstrip().lower().startswith(PAGES):
        raise NotAnApi("text/html")
    if kind == "text/event-stream":
        raise NotAnApi("text/event-stream, though no stream was asked for")
    if not body.strip():
        raise NotAnApi("an empty body")
    raise Malformed("an answer that is not JSON")


def filters_code(error: object) -> str | None:
    """The code of an error that a filter of contents gave; None for any other error."""
    code = str(error.get("code") if isinstance(error, dict) else getattr(error, "code", None))
    return code if code in FILTERS_CODES else None


def _tokens(count: object) -> int | None:
    """A number of tokens; None for what cannot be one."""
    return int(count) if isinstance(count, int | float) and 0 <= count <= MOST_TOKENS else None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds by the header Retry-After, which may also be a date, or retry-after-ms."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers[name]) / unit)
        except (KeyError, ValueError):
            continue
    try:
        date = parsedate_to_datetime(headers["retry-after"])
    except (KeyError, ValueError, TypeError):
        return None
    return max(0.0, (date - datetime.now(UTC)).total_seconds())
