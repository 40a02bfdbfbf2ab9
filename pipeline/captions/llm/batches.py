"""The batch API: many requests in one file, answered within a day at a lower price.

A batch is written down before it is made and forgotten after its answers are kept, so that a run that was killed
at any moment finds it again and pays for none twice.
"""

from __future__ import annotations

import itertools
import json
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.captions.llm.answers import AnswersWriter
from pipeline.captions.llm.asking import Failure, keep
from pipeline.captions.llm.endpoint import MOST_SAID, Endpoint, NoAnswer, Result
from pipeline.captions.llm.patience import Patience
from pipeline.captions.llm.replies import Malformed, Reply, filters_code, read_json
from pipeline.captions.llm.requests import Key, Request
from pipeline.captions.llm.told import Made, ToldOfBatch
from pipeline.support import Progress, shown, sync_folder, write_text

MOST_REQUESTS = 50_000
"""OpenAI's limit for one batch."""

MOST_LISTED = 500
"""Batches that are looked through for one that a killed run may have made."""

MARK = "erclap"
"""The name in a batch's metadata under which our own token stands."""

PAID_AGAIN = "delete it to go on without, and what its batch holds is asked and paid for again"

ENDED = {"completed", "failed", "expired", "cancelled"}


@dataclass(frozen=True)
class Batch:
    """A batch as it is written down."""

    token: str
    url: str
    batch_id: str | None
    """None until the server has named it."""
    requests: dict[str, Request]
    """The server's name of each → the request."""

    def path(self, folder: Path) -> Path:
        """Where it is written down."""
        return folder / f"batch-{self.token}.json"

    def write(self, folder: Path) -> None:
        """Write it down for good."""
        requests = {name: {"key": r.key, "text": r.text} for name, r in self.requests.items()}
        record = {"token": self.token, "url": self.url, "batch_id": self.batch_id, "requests": requests}
        write_text(json.dumps(record), self.path(folder))
        sync_folder(folder)

    @classmethod
    def read(cls, path: Path) -> Batch:
        """Read back what `write` wrote. Raises RuntimeError for a damaged file."""
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            requests = {n: Request(Key(*r["key"]), r["text"]) for n, r in record["requests"].items()}
            return cls(record["token"], record["url"], record["batch_id"], requests)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise RuntimeError(
                f"{path} must say which batch is under way, found a damaged file: {PAID_AGAIN}"
            ) from None


def pending_batches(folder: Path, url: str) -> list[Batch]:
    """Batches of this endpoint whose answers were not fetched yet."""
    found = [Batch.read(path) for path in sorted(folder.glob("batch-*.json"))]
    return [batch for batch in found if batch.url == url]


def fetch_pending(endpoint: Endpoint, answers: AnswersWriter) -> dict[Key, str]:
    """Wait for the batches of earlier runs and keep their answers; returns what the server could not answer."""
    reasons: dict[Key, str] = {}
    for batch in pending_batches(answers.folder, endpoint.url):
        reasons |= _finish(batch, endpoint, answers)
    return reasons


def ask_by_batch(
    requests: Sequence[Request], endpoint: Endpoint, answers: AnswersWriter, *, attempts: int
) -> list[Failure]:
    """Ask what is not answered, a batch a round, up to `attempts` answers for each, and return what failed.

    Raises ValueError where the endpoint offers no batches, RuntimeError where it refuses one, or where all that
    it answers is no caption.
    """
    reasons: dict[Key, str] = {}
    patience = Patience(endpoint.url, answers)
    for _ in range(attempts + 1):  # once more than answers, for what got none at all
        work = [
            r
            for r in requests
            if answers.known.text(r.key) is None and len(answers.known.problems(r.key)) < attempts
        ]
        if not work:
            break
        for chunk in _chunks(work, MOST_REQUESTS):
            names = {r.id(len(answers.known.problems(r.key))): r for r in chunk}
            batch = Batch(uuid.uuid4().hex, endpoint.url, None, names)
            batch.write(answers.folder)
            before = {r.key: len(answers.known.problems(r.key)) for r in chunk}
            reasons |= _finish(batch, endpoint, answers)
            for request in chunk:
                if problems := answers.known.problems(request.key)[before[request.key] :]:
                    patience.in_vain(request, problems[-1].problem or "", problems[-1].raw)
    unanswered = [r for r in requests if answers.known.text(r.key) is None]
    return [Failure.of(r, answers, reasons.get(r.key)) for r in unanswered]


def _chunks(work: Sequence[Request], size: int) -> Iterator[Sequence[Request]]:
    return (work[start : start + size] for start in range(0, len(work), size))


def _finish(batch: Batch, endpoint: Endpoint, answers: AnswersWriter) -> dict[Key, str]:
    """Have a batch answered and its answers kept, from wherever it was; returns what got none, and why."""
    try:
        if batch.batch_id is None:
            batch = replace(batch, batch_id=_made(batch, endpoint, answers.folder))
            batch.write(answers.folder)
        ended = _wait(batch, endpoint, answers.folder)
        reasons = _keep_answers(batch, ended, endpoint, answers)
    except NoAnswer as error:
        raise RuntimeError(
            f"{endpoint.url} must answer about the batch {batch.batch_id or 'to be made'}, found: {error}; run "
            f"the command again to go on with it"
        ) from None
    batch.path(answers.folder).unlink()
    sync_folder(answers.folder)
    if ended.status == "failed":
        said = shown(endpoint.redacted(ended.reasons)) or "no reason given"
        raise RuntimeError(f"{endpoint.url} must take the batch, found that it refused it: {said}")
    return reasons


def _made(batch: Batch, endpoint: Endpoint, folder: Path) -> str:
    """The server's name of a batch, which is made where it is not there. Raises ValueError where none can be."""
    from openai import NotFoundError

    def make() -> str:
        try:
            return _find_or_make(batch, endpoint)
        except NotFoundError:
            batch.path(folder).unlink()
            raise ValueError(
                f"runtime.llm.batch needs an endpoint with batches, found that {endpoint.url} offers no batches: "
                f"set runtime.llm.batch to false"
            ) from None

    return endpoint.persistently(make)


def _find_or_make(batch: Batch, endpoint: Endpoint) -> str:
    """The server's name of a batch: of the one that an earlier try made, or else of a new one."""
    client = endpoint.client
    for made in _listed(client.batches.list(limit=100)):
        if (made.metadata or {}).get(MARK) == batch.token:
            return made.id
    lines = [
        {"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": endpoint.body(request)}
        for name, request in batch.requests.items()
    ]
    content = "\n".join(json.dumps(line) for line in lines).encode()
    uploaded = Made.of(client.files.create(file=(f"{batch.token}.jsonl", content), purpose="batch"))
    new = client.batches.create(
        input_file_id=uploaded.id,
        endpoint="/v1/chat/completions",
        completion_window="24h",
        metadata={MARK: batch.token},
    )
    return Made.of(new).id


def _listed(response: Any) -> list[ToldOfBatch]:
    """The latest batches that a server lists. Raises Malformed for what is no list of them."""
    if isinstance(response, str):  # as the client hands over what does not call itself JSON
        read_json("", response)
    try:
        found = list(itertools.islice(iter(response), MOST_LISTED))
    except (AttributeError, TypeError, ValueError):  # the client reads a page when it is asked for
        raise Malformed("a malformed list of batches") from None
    return [ToldOfBatch.of(one) for one in found]


def _fetch(batch: Batch, endpoint: Endpoint, folder: Path, get: Callable[[], Result]) -> Result:
    """What the server has of a batch that it has named. Raises RuntimeError where it has it no more."""
    from openai import NotFoundError

    def look() -> Result:
        try:
            return get()
        except NotFoundError:
            raise RuntimeError(
                f"{endpoint.url} must have the batch {batch.batch_id} of {batch.path(folder)}, found that it "
                f"knows it or its answers no more: {PAID_AGAIN}"
            ) from None

    return endpoint.persistently(look)


def _wait(batch: Batch, endpoint: Endpoint, folder: Path) -> ToldOfBatch:
    """Poll a batch until it has ended."""
    name = str(batch.batch_id)
    with Progress(f"batch {name}", len(batch.requests), "answers") as progress:
        while True:
            found = _fetch(
                batch, endpoint, folder, lambda: ToldOfBatch.of(endpoint.client.batches.retrieve(name))
            )
            progress.to(min(found.done, len(batch.requests)))
            if found.status in ENDED:
                return found
            time.sleep(endpoint.runtime.poll_seconds)


def _keep_answers(
    batch: Batch, ended: ToldOfBatch, endpoint: Endpoint, answers: AnswersWriter
) -> dict[Key, str]:
    """Keep every answer of a batch that has ended; returns the requests that got none, and why."""
    missing = dict(batch.requests)
    reasons: dict[Key, str] = {}
    sent, complaint = endpoint.parameters, ""
    for file_id in filter(None, (ended.output_file_id, ended.error_file_id)):
        name = str(file_id)
        content = _fetch(batch, endpoint, answers.folder, partial(_content, name, endpoint))
        for line in content.split("\n"):
            request, reply = _read_line(line, batch, endpoint)
            if request is None:
                continue
            missing.pop(request[0], None)
            if isinstance(reply, Reply):
                keep(request[1], reply, answers, ended.date)
            else:
                reasons[request[1].key] = f"no answer: {reply}"
                complaint = complaint or reply
    if complaint:
        endpoint.adapt(sent, complaint)
    return reasons | {r.key: f"no answer: the batch is {shown(ended.status)}" for r in missing.values()}


def _content(name: str, endpoint: Endpoint) -> str:
    return endpoint.client.files.content(name).text


def _read_line(line: str, batch: Batch, endpoint: Endpoint) -> tuple[tuple[str, Request] | None, Reply | str]:
    """The request of a line of a batch's answers, and its answer or else what the server says."""
    try:
        written = json.loads(line)
        name = written["custom_id"]
        request = batch.requests[name]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None, "a malformed line"
    response = written.get("response")
    response = response if isinstance(response, dict) else {}
    body = response.get("body")
    if response.get("status_code") == 200:
        try:
            return (name, request), endpoint.reply(body)
        except Malformed as error:
            return (name, request), str(error)
    told = body.get("error") if isinstance(body, dict) else None
    fault = written.get("error") or told or "no reason given"
    message = fault.get("message", fault) if isinstance(fault, dict) else fault
    said = shown(" ".join(endpoint.redacted(str(message)).split()), MOST_SAID)
    return (name, request), endpoint.filtered(said) if filters_code(fault) else said
