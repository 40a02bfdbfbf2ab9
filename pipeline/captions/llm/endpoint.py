"""An endpoint that speaks the OpenAI protocol: where it is, what it says, and what its errors mean."""

from __future__ import annotations

import json
import os
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline.captions.llm.parameters import first_parameters, without_unsupported
from pipeline.captions.llm.requests import Request
from pipeline.config import LlmCaptions, LlmRuntime, check_base_url

if TYPE_CHECKING:
    from openai import OpenAI

KEY_VARIABLE, URL_VARIABLE = "OPENAI_API_KEY", "OPENAI_BASE_URL"
OPENAI_URL = "https://api.openai.com/v1"

FIRST_DELAY, LONGEST_DELAY = 1.0, 60.0
"""Seconds before the first retry, doubled for each next one."""

LONGEST_RETRY_AFTER = 600.0
"""Seconds; a server that asks for more has to be asked another day."""

MOST_ADAPTATIONS = 4

MOST_TOKENS = 2**31 - 1
"""Of one answer; a server that counts more miscounts."""

Result = TypeVar("Result")


class Stopped(Exception):
    """The run was told to stop while this request waited."""


class Malformed(Exception):
    """An answer that is none of the protocol's."""


class NoAnswer(Exception):
    """A request got no answer in all its retries; the message says what came last."""


@dataclass(frozen=True)
class Reply:
    """What the model said, and what that took."""

    text: str
    finish_reason: str | None
    input_tokens: int | None
    output_tokens: int | None

    @classmethod
    def of(cls, body: object) -> Reply:
        """Read a completion. Raises Malformed where it is none.

        An answer counts whatever is odd about its token counts, since it is paid for.
        """
        try:
            choice = body["choices"][0]  # type: ignore[index]
            text = choice["message"]["content"] or ""
            reason = choice.get("finish_reason")
            usage = body.get("usage")  # type: ignore[attr-defined]
        except (KeyError, IndexError, TypeError, AttributeError):
            raise Malformed("a malformed answer") from None
        if not isinstance(text, str):
            raise Malformed("a malformed answer")
        text = text.encode(errors="replace").decode()  # half of a surrogate pair can be kept in no file
        counts = usage if isinstance(usage, dict) else {}
        return cls(
            text, reason, *(_tokens(counts.get(f"{side}_tokens")) for side in ("prompt", "completion"))
        )


def _tokens(count: object) -> int | None:
    """A number of tokens; None for what cannot be one."""
    return int(count) if isinstance(count, int | float) and 0 <= count <= MOST_TOKENS else None


class Endpoint:
    """One model at one endpoint; any number of threads may ask.

    Raises ValueError for an address that is none, and where the key is missing. The key is read from the
    environment, and struck out of whatever the server says.
    """

    def __init__(self, settings: LlmCaptions, runtime: LlmRuntime) -> None:
        self.settings, self.runtime = settings, runtime
        written = runtime.base_url or os.environ.get(URL_VARIABLE)
        self.url = check_base_url(written, URL_VARIABLE).rstrip("/") if written else OPENAI_URL
        self._key = os.environ.get(KEY_VARIABLE, "").strip()
        if not self._key and self.url == OPENAI_URL:
            raise ValueError(
                f"the environment must hold {KEY_VARIABLE}, found none: set it, or name an endpoint that needs no "
                f"key in {URL_VARIABLE} or runtime.llm.base_url"
            )
        if not all("!" <= character <= "~" for character in self._key):
            raise ValueError(f"{KEY_VARIABLE} must be a key in plain characters, found others in it")
        self.client = self._connect()
        self.stop = threading.Event()
        self.parameters = first_parameters(settings)
        self._adaptations = 0
        self._reached = False
        self._lock = threading.Lock()

    def _connect(self) -> OpenAI:
        try:
            from openai import OpenAI
        except ImportError:
            raise ValueError(
                "caption.captioner llm needs the package openai, which is not installed: "
                "pip install 'emotionrankclap[llm]'"
            ) from None
        # Without a key there is nothing to send: a server of one's own takes any word.
        return OpenAI(
            api_key=self._key or "none",
            base_url=self.url,
            max_retries=0,
            timeout=self.runtime.timeout_seconds,
        )

    def ask(self, request: Request, attempt: int) -> Reply:
        """Send one request until it is answered.

        Raises NoAnswer after the last retry, Stopped where the run was told to stop, and ValueError or
        RuntimeError for what no retry mends.
        """
        headers = {"Idempotency-Key": request.id(attempt)}

        def send() -> Reply:
            while True:
                sent = self.parameters
                try:
                    raw = self.client.chat.completions.with_raw_response.create(
                        **self.body(request, sent), extra_headers=headers
                    )
                except Exception as error:
                    refused = getattr(error, "status_code", None) in {400, 422}
                    if refused and self.adapt(sent, self._said(error)):
                        continue
                    raise
                return Reply.of(json.loads(self.redacted(raw.http_response.text)))

        return self.persistently(send)

    def models(self, seconds: float) -> list[str] | None:
        """The models that it lists, asked once; None where it has no such list. Raises as `ask` does."""
        from openai import OpenAIError

        try:
            listed = self.client.with_options(timeout=seconds).models.list()
            return [model.id for model in listed.data]
        except OpenAIError as error:
            if getattr(error, "status_code", None) in {404, 405}:
                return None
            self._judge(error)
            raise RuntimeError(
                f"the endpoint {self.url} must answer within {seconds:g} s: {self._said(error)}"
            ) from None
        except (AttributeError, TypeError):
            raise RuntimeError(f"{self.url} must be the address of an API, found another answer") from None

    def body(self, request: Request, parameters: dict[str, Any] | None = None) -> dict[str, Any]:
        """What is sent."""
        messages = [{"role": "user", "content": request.text}]
        chosen = self.parameters if parameters is None else parameters
        return {"model": self.settings.model, "messages": messages, **chosen}

    def persistently(self, send: Callable[[], Result]) -> Result:
        """Send until it is answered, with pauses that grow, or that the server asks for."""
        from openai import OpenAIError

        for turn in range(self.runtime.max_retries + 1):
            if self.stop.is_set():
                raise Stopped
            try:
                result = send()
            except (OpenAIError, json.JSONDecodeError, Malformed) as error:
                delay = self._judge(error)
                if turn == self.runtime.max_retries:
                    raise NoAnswer(self._said(error)) from None
            else:
                self._reached = True
                return result
            if delay is None:
                delay = min(LONGEST_DELAY, FIRST_DELAY * 2**turn) * random.uniform(0.5, 1)
            if self.stop.wait(delay):
                raise Stopped
        raise NoAnswer("no retry was allowed")

    def redacted(self, text: str) -> str:
        """The text without the key."""
        return text.replace(self._key, "[key]") if self._key else text

    def adapt(self, sent: dict[str, Any], complaint: str) -> bool:
        """After the server refused one of the parameters sent: whether to send again, with others."""
        with self._lock:
            if self.parameters is not sent:  # another thread has met it and changed them
                return True
            changed = without_unsupported(sent, complaint)
            if changed is None or self._adaptations >= MOST_ADAPTATIONS:
                return False
            self.parameters, self._adaptations = changed, self._adaptations + 1
            return True

    def _judge(self, error: Exception) -> float | None:
        """The seconds that the server asks to wait, or None where it says nothing; raises what no retry mends."""
        from openai import APIConnectionError, APIStatusError, APITimeoutError

        if isinstance(error, APIStatusError):
            self._raise_if_final(error)
            return _retry_after(error)
        if isinstance(error, APIConnectionError) and not isinstance(error, APITimeoutError):
            never_there = type(error.__cause__).__name__ in {"ConnectError", "UnsupportedProtocol"}
            if never_there and not self._reached:
                raise RuntimeError(
                    f"the endpoint {self.url} must be within reach, found none there: set {URL_VARIABLE} or "
                    f"runtime.llm.base_url, and see that the server runs"
                ) from None
        return None

    def _raise_if_final(self, error: Any) -> None:
        status, said = error.status_code, self._said(error)
        if status == 401:
            raise ValueError(
                f"{KEY_VARIABLE} must be a key that {self.url} accepts, found "
                f"{'one that it does not' if self._key else 'none'} (401)"
            ) from None
        if status in {403, 404}:
            raise ValueError(
                f"caption.llm.model must be a model that {self.url} offers you, and the address that of the API, "
                f"which often ends in /v1; found {self.settings.model!r}: {said}"
            ) from None
        if error.code == "insufficient_quota" or status == 402:
            raise RuntimeError(
                f"the account at {self.url} must have credit left, found none: {said}"
            ) from None
        if status in {400, 413, 422} and self._reached:  # this request alone, such as by a filter of contents
            raise NoAnswer(said) from None
        if status not in {408, 409, 425, 429} and status < 500:
            raise RuntimeError(
                f"{self.url} must take the request, found that it refuses it: {said}"
            ) from None
        wait = _retry_after(error)
        if wait is not None and wait > LONGEST_RETRY_AFTER:
            raise RuntimeError(
                f"{self.url} asks to wait for {wait:.0f} s ({said}): run the command again after that; what was "
                f"answered is kept"
            ) from None

    def _said(self, error: Exception) -> str:
        """An error in a few words, without the key."""
        status = getattr(error, "status_code", None)
        text = " ".join(str(getattr(error, "message", error)).split())[:300]
        return self.redacted(f"{status}: {text}" if status and str(status) not in text else text)


def _retry_after(error: Any) -> float | None:
    """Seconds by the header Retry-After, which may also be a date, or retry-after-ms."""
    headers = error.response.headers
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers[name]) / unit)
        except (KeyError, ValueError):
            continue
    from datetime import UTC, datetime
    from email.utils import parsedate_to_datetime

    try:
        date = parsedate_to_datetime(headers["retry-after"])
    except (KeyError, ValueError, TypeError):
        return None
    return max(0.0, (date - datetime.now(UTC)).total_seconds())
