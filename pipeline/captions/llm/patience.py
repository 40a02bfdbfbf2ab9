"""When a run ends early: the endpoint is gone, or a question is answered again and again by no caption."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict

from pipeline.captions.llm.answers import AnswersWriter
from pipeline.captions.llm.requests import Question, Request
from pipeline.support import shown

MOST_WITHOUT_ANSWER = 8
"""Requests in a row, each with all its retries: then the endpoint is gone rather than busy."""

MOST_IN_VAIN = 20
"""Answers that are no captions where not one is: the next ones would be no better."""


class Patience:
    """Counts what comes of requests. Any number of threads may tell it."""

    def __init__(self, url: str, answers: AnswersWriter) -> None:
        self._url, self._answers = url, answers
        self._without_answer = 0
        self._in_vain: Counter[Question] = Counter()
        self._said: dict[Question, list[str]] = defaultdict(list)
        """The first good answers to each question."""
        self._lock = threading.Lock()

    def captioned(self, request: Request, text: str) -> None:
        """A request has its captions. Raises RuntimeError where the first twenty of a question are one text."""
        question = request.key.question
        with self._lock:
            self._without_answer = 0
            said = self._said[question]
            if len(said) == MOST_IN_VAIN:
                return
            said.append(text)
            if len(said) < MOST_IN_VAIN or len(set(said)) > 1:
                return
        raise RuntimeError(
            f"{question.model} must speak of the labels that it is given, found the same again and again in "
            f"{MOST_IN_VAIN} answers for {question.kind} ('{shown(text)}'): change the template or the model; "
            f"what was answered is kept"
        )

    def unanswered(self, why: str) -> None:
        """A request got no answer in all its retries. Raises RuntimeError after eight of them in a row."""
        with self._lock:
            self._without_answer += 1
            count = self._without_answer
        if count >= MOST_WITHOUT_ANSWER:
            raise RuntimeError(
                f"{self._url} must answer, found {count} requests in a row without an answer in all their retries "
                f"(the last: {why}); what was answered is kept"
            )

    def in_vain(self, request: Request, why: str, said: str) -> None:
        """A request was answered by what is no caption, or declined.

        Raises RuntimeError, with what was said, after twenty of them to one question that has no good answer, of
        this run or of any before.
        """
        question = request.key.question
        with self._lock:
            self._in_vain[question] += 1
            count = self._in_vain[question]
        if count < MOST_IN_VAIN or self._answers.known.has_good(question):
            return
        raise RuntimeError(
            f"{question.model} must answer with captions, found none among {count} answers for {question.kind} "
            f"(the last: {why}: '{shown(said)}'): see `erclap caption --show-prompt`, and change the template or "
            f"the model; what was answered is kept"
        )
