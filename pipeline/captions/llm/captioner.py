"""The captions of a corpus and the ordinality test's prompts, by a model: planned, asked for, and worded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path

import pyarrow as pa

from pipeline.captions.captioning import VARIANTS, Captioner, caption_utterances, prompts_table
from pipeline.captions.llm.answers import (
    Answers,
    AnswersWriter,
    answers_folder,
    read_answers,
    writing_answers,
)
from pipeline.captions.llm.asking import Failure, ask_all
from pipeline.captions.llm.batches import ask_by_batch, fetch_pending, pending_batches
from pipeline.captions.llm.endpoint import Endpoint
from pipeline.captions.llm.estimate import Estimate, estimate
from pipeline.captions.llm.planning import Planner, word_plane, word_prompts
from pipeline.captions.llm.requests import Question, Request
from pipeline.captions.plane import plane_spots, plane_table
from pipeline.captions.prompts import ordinality_plan
from pipeline.config import Caption, LlmCaptions, LlmRuntime
from pipeline.manifest import Utterance
from pipeline.support import write_csv

FAILURES_FILE = Path("cache/caption_failures.csv")

WRITTEN_BY_A_MODEL = ("va", "clap4emo")
"""The variants that the model writes; the others are what they are offline."""


class LlmCaptioner:
    """A model that captions a corpus, by answers that are kept.

    Raises ValueError for a template or a word list that is not right, and for an utterance that lacks what a
    variant needs.
    """

    def __init__(
        self,
        utterances: Sequence[Utterance],
        variants: Sequence[str],
        settings: Caption,
        runtime: LlmRuntime,
        offline: Mapping[str, Captioner] = VARIANTS,
        *,
        plane: bool = False,
    ) -> None:
        """`offline` writes the variants that no model does; `plane` asks for captions of no clip as well."""
        self.utterances, self.variants, self.offline = utterances, variants, offline
        self.settings, self.llm, self.runtime = settings, _llm(settings), runtime
        self.planner = Planner.of(self.llm, settings.seed, settings.prompt_lists)
        self.plan = ordinality_plan(settings.prompt_lists)
        self.spots = plane_spots(settings.plane) if plane else []
        self.folder = answers_folder()
        self.left_out = 0
        """Captions of the plane that the last `write` could not word."""
        self.written: Counter[Question] = Counter()
        """Who wrote the captions and prompts of the last `write`, in requests."""

    def requests(self) -> list[Request]:
        """Every distinct request of the captions, and the first of each of the test's prompts and of the plane."""
        picked = {
            self.planner.pick(utterance, variant).request: None
            for variant in self.variants
            if variant in WRITTEN_BY_A_MODEL
            for utterance in self.utterances
        }
        prompts = {self.planner.request_of_prompt(prompt): None for prompt in self.plan}
        draws = self.settings.plane.draws
        spots = {self.planner.request_of_spot(spot, draws): None for spot in self.spots}
        return list(picked | prompts | spots)

    def estimate(self) -> Estimate:
        """What a run would send, and what it would cost."""
        answers = read_answers(self.folder)
        return estimate(self.requests(), answers, self.runtime, attempts=self.llm.attempts)

    def write(self) -> tuple[pa.Table, pa.Table, pa.Table]:
        """Ask for what is missing and return the captions, the prompts and the captions of the plane.

        A spot of the plane of which every draw is another sentence's is left out. Raises RuntimeError where
        requests stay without a usable answer, after listing them in `FAILURES_FILE`; what was answered is kept
        all the same.
        """
        FAILURES_FILE.unlink(missing_ok=True)
        with writing_answers(self.folder) as answers:
            answers.say_what_was_asked(self.planner.prompts())
            requests = self.requests()
            self._fill(requests, answers)
            captions = self._captions(answers.known)
            texts = set(captions.column("text").to_pylist())
            while True:
                wording = word_prompts(self.plan, self.planner, answers.known.text_of, texts)
                if not wording.missing:
                    break
                self._fill(wording.missing, answers)
            if wording.hopeless:
                first = wording.hopeless[0]
                raise RuntimeError(
                    f"a prompt of the ordinality test must be no caption and no other prompt of its list, found "
                    f"none in all draws for {len(wording.hopeless)} of {len(self.plan)} (the first: valence "
                    f"{first.valence:g}, arousal {first.arousal:g}): the model says the same again and again, "
                    f"raise caption.llm.temperature"
                )
            plane = self._plane(answers, texts | {prompt.text for prompt in wording.worded})
            written = (answers.known.written(request) for request in requests)
            self.written = Counter(found[0].question for found in written if found)
        return captions, prompts_table(wording.worded), plane

    def _plane(self, answers: AnswersWriter, exclude: set[str]) -> pa.Table:
        while True:
            wording = word_plane(
                self.spots, self.settings.plane.draws, self.planner, answers.known.text_of, exclude
            )
            if not wording.missing:
                break
            self._fill(wording.missing, answers)
        self.left_out = len(wording.hopeless)
        return plane_table([spot for spot, _ in wording.worded], [text for _, text in wording.worded])

    def _captions(self, known: Answers) -> pa.Table:
        captioners = {**self.offline} | {
            variant: self._by_model(variant, known) for variant in WRITTEN_BY_A_MODEL
        }
        return pa.concat_tables(
            caption_utterances(self.utterances, variant, self.settings.seed, captioners)
            for variant in self.variants
        )

    def _by_model(self, variant: str, known: Answers) -> Captioner:
        def caption(utterances: Sequence[Utterance], seed: int) -> list[str]:
            captions = []
            for utterance in utterances:
                request, line = self.planner.pick(utterance, variant)
                text = known.text_of(request)
                if text is None:
                    raise RuntimeError(f"a caption must be answered, found no answer for {request}")
                captions.append(text.split("\n")[line])
            return captions

        return caption

    def _fill(self, requests: Sequence[Request], answers: AnswersWriter) -> None:
        """Ask for what has no answer, and otherwise for what is left; where there is nothing, nobody."""
        known, left, failures = answers.known, list(requests), []
        for form in self.llm.forms():
            left = [request for request in left if known.written(request) is None]
            if left:
                failures += self._ask(left, form, answers)
            left = [r.otherwise for r in left if known.text(r.key) is None and r.otherwise]
        unwritten = {request.key[2:] for request in requests if known.written(request) is None}
        failures = [f for f in failures if (f.kind, f.cell, f.draw) in unwritten]
        _report(failures, len(unwritten), len(requests))

    def _ask(self, requests: Sequence[Request], form: LlmCaptions, answers: AnswersWriter) -> list[Failure]:
        """Ask one model in one way, and return what failed."""
        attempts, concurrency = form.attempts, self.runtime.concurrency
        with Endpoint(form, self.runtime) as endpoint:
            endpoint.takes_requests = any(answers.known.has_good(r.key.question) for r in requests)
            if pending_batches(answers.folder, endpoint.url):
                fetch_pending(endpoint, answers)
            if self.runtime.batch:
                return ask_by_batch(requests, endpoint, answers, attempts=attempts)
            return ask_all(requests, endpoint, answers, attempts=attempts, concurrency=concurrency)


def _llm(settings: Caption) -> LlmCaptions:
    if settings.llm is None:
        raise ValueError("caption.llm must be there for the captioner llm, found none")
    return settings.llm


def _report(failures: Sequence[Failure], unwritten: int, requests: int) -> None:
    """List what failed and raise RuntimeError where anything did."""
    if not unwritten:
        return
    write_csv([asdict(f) for f in failures], FAILURES_FILE, [field.name for field in fields(Failure)])
    first = failures[0]
    raise RuntimeError(
        f"every caption must have a usable answer, {unwritten} of {requests} requests have none: see "
        f"{FAILURES_FILE} (the first: {first.kind} {first.cell}, draw {first.draw}: {first.reason}); the others "
        f"are kept; run the command again, raise caption.llm.attempts where answers were no captions, or name "
        f"another template or model in caption.llm.otherwise"
    )


def templates_in_use(settings: LlmCaptions) -> Mapping[str, str]:
    """Each prompt's heading, with its file, → its text."""
    from pipeline.captions.llm.templates import Templates

    found = Templates.read(settings)
    shown = {"captions and the ordinality test": found.test, "CLAP4emo's pools": found.classes}
    if settings.dominance:
        shown = {
            "captions": found.labels,
            "the ordinality test": found.test,
            "CLAP4emo's pools": found.classes,
        }
    return {f"{name} ({template.path})": template.text for name, template in shown.items()}
