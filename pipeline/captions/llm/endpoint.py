"""An endpoint that speaks the OpenAI protocol: where it is, what it says, and what its errors mean."""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self, TypeVar

from pipeline.captions.llm.parameters import first_parameters, without_unsupported
from pipeline.captions.llm.replies import (
    FILTERED,
    Malformed,
    NotAnApi,
    Reply,
    filters_code,
    read_json,
    retry_after,
)
from pipeline.captions.llm.requests import Request
from pipeline.captions.llm.told import Made
from pipeline.config import LlmCaptions, LlmRuntime, check_base_url
from pipeline.support import shown

if TYPE_CHECKING:
    from openai import OpenAI

KEY_VARIABLE, URL_VARIABLE = "OPENAI_API_KEY", "OPENAI_BASE_URL"
OPENAI_URL = "https://api.openai.com/v1"

FIRST_DELAY, LONGEST_DELAY = 1.0, 60.0
"""Seconds before the first retry, doubled for each next one."""

LONGEST_RETRY_AFTER = 600.0
"""Seconds; a server that asks for more has to be asked another day."""

LEAST_SAID, SECONDS_BETWEEN_WORDS = 1.0, 60.0
"""Seconds of a pause that is worth a word, and between two such words, however many requests wait."""

MOST_ADAPTATIONS = 4

MOST_SAID = 300
"""Characters of a complaint in a message."""

SHORTEST_KEY = 16
"""Characters; what is shorter, as the `x` that a local server takes, is no secret and stands in many a word."""

Result = TypeVar("Result")


class Stopped(Exception):
    """The run was told to stop while this request waited."""


class NoAnswer(Exception):
    """A request got no answer in all its retries; the message says what came last."""


class Declined(NoAnswer):
    """The endpoint answers others and will not take this request, as often as it is sent."""


class Endpoint:
    """One model at one endpoint; any number of threads may ask, within a `with` that closes its connections.

    Raises ValueError for an address that is none, and where the key is missing. The key is read from the
    environment, and struck out of whatever the server says, once that was read.
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
        self.named_in = "runtime.llm.base_url" if runtime.base_url else URL_VARIABLE
        self.client = self._connect()
        self.stop = threading.Event()
        self.parameters = first_parameters(settings)
        self.takes_requests = False
        """It has taken such a request, in this run or before: one that it will not take is a matter of its own."""
        self._adaptations = 0
        self._reached = False
        self._last_word = -SECONDS_BETWEEN_WORDS
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *args: object) -> None:
        self.client.close()

    def _connect(self) -> OpenAI:
        try:
            from openai import OpenAI

            from pipeline.captions.llm.bounded import BoundedClient
        except ImportError:
            raise ValueError(
                "caption.captioner llm needs the package openai, which is not installed: "
                "in the clone, pip install -e '.[llm]' -c constraints.txt"
            ) from None
        # Without a key there is nothing to send: a server of one's own takes any word.
        return OpenAI(
            api_key=self._key or "none",
            base_url=self.url,
            max_retries=0,
            timeout=self.runtime.timeout_seconds,
            http_client=BoundedClient(),
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
                    if filters_code(error):
                        return self.filtered(self._said(error))
                    refused = getattr(error, "status_code", None) in {400, 422}
                    if refused and self.adapt(sent, self._said(error)):
                        continue
                    raise
                response = raw.http_response
                return self.reply(read_json(response.headers.get("content-type", ""), response.text))

        return self.persistently(send)

    def reply(self, body: object) -> Reply:
        """Read a completion, and strike the key out of what was read. Raises Malformed where it is none."""
        reply = Reply.of(body)
        return replace(reply, text=self.redacted(reply.text))

    def filtered(self, said: str) -> Reply:
        """What counts for an answer where a filter let none through."""
        return Reply(said, FILTERED, None, None)

    def models(self, seconds: float) -> list[str] | None:
        """The models that it lists, asked once; None where it has no such list. Raises as `ask` does."""
        from openai import OpenAIError

        try:
            listed = self.client.with_options(timeout=seconds).models.list()
            return [Made.of(model).id for model in listed.data]
        except OpenAIError as error:
            if getattr(error, "status_code", None) in {404, 405}:
                return None
            self._judge(error)
            raise RuntimeError(
                f"the endpoint {self.url} must answer within {seconds:g} s: {self._said(error)}"
            ) from None
        except (AttributeError, TypeError, ValueError, RecursionError, Malformed):
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
                delay, why = self._judge(error), self._said(error)
                if turn == self.runtime.max_retries:
                    raise NoAnswer(why) from None
            else:
                self._reached = self.takes_requests = True
                return result
            if not delay:  # also where a server asks for none, or for a time that is over
                delay = min(LONGEST_DELAY, FIRST_DELAY * 2**turn) * random.uniform(0.5, 1)
            self._say_why(delay, why)
            if self.stop.wait(delay):
                raise Stopped
        raise NoAnswer("no retry was allowed")

    def _say_why(self, seconds: float, why: str) -> None:
        """Say why nothing goes on, once for all requests that wait."""
        with self._lock:
            soon = time.monotonic() - self._last_word < SECONDS_BETWEEN_WORDS
            if soon or seconds < LEAST_SAID:
                return
            self._last_word = time.monotonic()
        print(f"{self.url}: retrying in {seconds:.0f} s: {why}", file=sys.stderr, flush=True)

    def redacted(self, text: str) -> str:
        """The text without the key, where that is long enough to be one."""
        return text.replace(self._key, "[key]") if len(self._key) >= SHORTEST_KEY else text

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

        if isinstance(error, NotAnApi) and not self._reached:
            raise RuntimeError(
                f"{self.url} answers with {error}, not JSON: is {self.named_in} right?"
            ) from None
        if isinstance(error, APIStatusError):
            self._raise_if_final(error)
            return retry_after(error.response.headers)
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
        if status in {400, 413, 422} and self.takes_requests:  # this request alone
            raise Declined(said) from None
        if status not in {408, 409, 425, 429} and status < 500:
            raise RuntimeError(
                f"{self.url} must take the request, found that it refuses it: {said}"
            ) from None
        wait = retry_after(error.response.headers)
        if wait is not None and wait > LONGEST_RETRY_AFTER:
            raise RuntimeError(
                f"{self.url} asks to wait for {wait:.0f} s ({said}): run the command again after that; what was "
                f"answered is kept"
            ) from None

    def _said(self, error: Exception) -> str:
        """An error in a few words, without the key."""
        status = getattr(error, "status_code", None)
        # Of a connection the client says that it had an error, and its cause says which.
        told = (status is None and str(error.__cause__ or "")) or str(getattr(error, "message", error))
        text = shown(" ".join(self.redacted(told).split()), MOST_SAID)
        return f"{status}: {text}" if status and str(status) not in text else text
