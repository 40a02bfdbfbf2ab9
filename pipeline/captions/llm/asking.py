"""Sends what has no answer yet, several requests at once, and keeps every answer as it arrives."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline.captions.llm.answers import AnswersWriter
from pipeline.captions.llm.endpoint import Declined, Endpoint, NoAnswer, Stopped
from pipeline.captions.llm.patience import Patience
from pipeline.captions.llm.replies import Reply
from pipeline.captions.llm.requests import Request
from pipeline.captions.llm.table import Answer
from pipeline.captions.llm.validation import MOST_CHARACTERS, check_answer
from pipeline.support import Progress, shown


@dataclass(frozen=True)
class Failure:
    """A request without a usable answer, and why."""

    model: str
    kind: str
    cell: str
    draw: int
    answers: int
    """Answers that were paid for and are no captions, and refusals of a filter."""
    reason: str
    last_answer: str

    @classmethod
    def of(cls, request: Request, answers: AnswersWriter, reason: str | None = None) -> Failure:
        """That of a request, with what came last."""
        problems = answers.known.problems(request.key)
        last = problems[-1] if problems else None
        why = reason or (last.problem if last else None) or "not asked"
        key = request.key
        return cls(
            key.model, key.kind, key.cell, key.draw, len(problems), shown(why), last.raw if last else ""
        )


def keep(request: Request, reply: Reply, answers: AnswersWriter, date: datetime | None = None) -> bool:
    """Judge an answer and keep it; returns whether it is good. `date` is when it came, now where it is None."""
    text, problem = check_answer(reply.text, request.key.kind)
    if reply.fault:
        text, problem = None, reply.fault
    written = (date or datetime.now(UTC)).isoformat(timespec="microseconds")
    raw = reply.text[:MOST_CHARACTERS]
    answers.add(Answer(*request.key, text, problem, raw, written, reply.input_tokens, reply.output_tokens))
    return text is not None


def ask_all(
    requests: Sequence[Request],
    endpoint: Endpoint,
    answers: AnswersWriter,
    *,
    attempts: int,
    concurrency: int,
) -> list[Failure]:
    """Ask what is not answered, up to `attempts` answers for each request, and return what failed.

    On Ctrl-C nothing more is sent, and what is under way is waited for and kept, as it is paid; a second one drops
    it. Raises what the endpoint raises when no retry mends it, after the same wait.
    """
    open_requests = [r for r in requests if answers.known.text(r.key) is None]
    tired = [r for r in open_requests if len(answers.known.problems(r.key)) >= attempts]
    failures = [Failure.of(r, answers) for r in tired]
    exhausted = set(tired)
    work = [r for r in open_requests if r not in exhausted]
    if not work:
        return failures
    asker = _Asker(endpoint, answers, attempts)
    threads = asker.start(work, min(concurrency, len(work)))
    with Progress("captions", len(work), "answers") as progress:
        try:
            failures += asker.collect(len(work), progress)
        except BaseException as error:
            endpoint.stop.set()
            if isinstance(error, KeyboardInterrupt):
                print(
                    "stopping: waiting for the answers that are under way (Ctrl-C again drops them)",
                    file=sys.stderr,
                    flush=True,
                )
            for thread in threads:
                thread.join()
            raise
    return failures


class _Asker:
    """Threads that take requests and report what came of each."""

    def __init__(self, endpoint: Endpoint, answers: AnswersWriter, attempts: int) -> None:
        self.endpoint, self.answers, self.attempts = endpoint, answers, attempts
        self.patience = Patience(endpoint.url, answers)
        self.todo: queue.SimpleQueue[Request] = queue.SimpleQueue()
        self.done: queue.SimpleQueue[Failure | BaseException | None] = queue.SimpleQueue()

    def start(self, work: Sequence[Request], count: int) -> list[threading.Thread]:
        for request in work:
            self.todo.put(request)
        # Daemons, so that a second Ctrl-C need not wait for what is under way.
        threads = [threading.Thread(target=self._work, name=f"ask-{i}", daemon=True) for i in range(count)]
        for thread in threads:
            thread.start()
        return threads

    def collect(self, count: int, progress: Progress) -> list[Failure]:
        """What failed of so many requests; raises what ended a thread."""
        failures: list[Failure] = []
        for _ in range(count):
            outcome = self.done.get()
            if isinstance(outcome, BaseException):
                raise outcome
            if outcome is None:
                progress.advance()
            else:
                failures.append(outcome)
        return failures

    def _work(self) -> None:
        while not self.endpoint.stop.is_set():
            try:
                request = self.todo.get_nowait()
            except queue.Empty:
                return
            try:
                self.done.put(self._answer(request))
            except Stopped:
                return
            except BaseException as error:
                self.endpoint.stop.set()  # or the others would ask, and pay, until it is read
                self.done.put(error)
                return

    def _answer(self, request: Request) -> Failure | None:
        for attempt in range(len(self.answers.known.problems(request.key)), self.attempts):
            try:
                reply = self.endpoint.ask(request, attempt)
            except Declined as error:
                self.patience.in_vain(request, "declined", str(error))
                return Failure.of(request, self.answers, f"declined: {error}")
            except NoAnswer as error:
                self.patience.unanswered(str(error))
                return Failure.of(request, self.answers, f"no answer: {error}")
            if keep(request, reply, self.answers):
                self.patience.captioned(request, reply.text)
                return None
            self.patience.in_vain(request, Failure.of(request, self.answers).reason, reply.text)
        return Failure.of(request, self.answers)
