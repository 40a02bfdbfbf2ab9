"""What a run would send and what that would cost, before anything is sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.captions.llm.answers import Answers
from pipeline.captions.llm.parameters import is_reasoning
from pipeline.captions.llm.requests import CAPTIONS_PER_ANSWER, Question, Request
from pipeline.config import LlmRuntime

CHARACTERS_PER_TOKEN = 4
TOKENS_PER_CAPTION = 40
"""A sentence of about thirty words."""
TOKENS_OF_REASONING = 600
"""A guess: models that reason differ by ten times and more."""

RULE = (
    f"a token for every {CHARACTERS_PER_TOKEN} characters of a prompt, {TOKENS_PER_CAPTION} a caption, and "
    f"{TOKENS_OF_REASONING} an answer where the model reasons"
)


@dataclass(frozen=True)
class Estimate:
    """Requests and tokens that are still to be paid."""

    requests: dict[str, tuple[int, int, int]]
    """Kind → requests that have their answer, that are to be sent, and that were answered in vain too often."""
    input_tokens: int
    output_tokens: int
    rule: str
    cost: float | None
    """In the currency of the prices that were given."""

    @property
    def to_send(self) -> int:
        """Requests of all kinds."""
        return sum(missing for _, missing, _ in self.requests.values())

    def lines(self) -> list[str]:
        """The estimate for people to read."""
        shown = [
            f"{kind}: {there + missing + given_up} requests, {there} answered, {missing} to send"
            + (f", {given_up} given up" if given_up else "")
            for kind, (there, missing, given_up) in self.requests.items()
        ]
        tokens = f"{self.input_tokens} in, {self.output_tokens} out"
        cost = (
            "unknown: set runtime.llm.price_per_million_input_tokens and price_per_million_output_tokens to "
            "what you pay"
            if self.cost is None
            else f"about {self.cost:.2f}, by the prices in runtime.llm, without answers that must be asked again"
        )
        return [*shown, f"to send: {self.to_send}", f"tokens: {tokens} ({self.rule})", f"cost: {cost}"]


def estimate(
    requests: Sequence[Request], answers: Answers, runtime: LlmRuntime, *, attempts: int
) -> Estimate:
    """Count what is missing. The model's own answers, where there are any, say how long the others will be."""
    unwritten = [request for request in requests if answers.written(request) is None]
    missing = [form for request in unwritten if (form := answers.to_ask(request, attempts))]
    all_of, unwritten_of, missing_of = (
        Counter(r.key.kind for r in some) for some in (requests, unwritten, missing)
    )
    counts = {
        kind: (all_of[kind] - unwritten_of[kind], missing_of[kind], unwritten_of[kind] - missing_of[kind])
        for kind in sorted(all_of)
    }
    means = _measured(requests, missing, answers)
    tokens = [means.get(r.key.question) or _guess(r) for r in missing]
    tokens_in, tokens_out = sum(i for i, _ in tokens), sum(o for _, o in tokens)
    input_price, output_price = (
        runtime.price_per_million_input_tokens,
        runtime.price_per_million_output_tokens,
    )
    cost = None
    if input_price is not None and output_price is not None:
        cost = (tokens_in * input_price + tokens_out * output_price) / 1e6
    kinds = dict.fromkeys(question.kind for question in means)
    rule = f"as in the answers so far for {', '.join(kinds)}; elsewhere {RULE}" if means else RULE
    return Estimate(counts, round(tokens_in), round(tokens_out), rule, cost)


def _guess(request: Request) -> tuple[float, float]:
    reasoning = TOKENS_OF_REASONING if is_reasoning(request.key.model) else 0
    output = TOKENS_PER_CAPTION * CAPTIONS_PER_ANSWER[request.key.kind] + reasoning
    return len(request.text) / CHARACTERS_PER_TOKEN, output


def _measured(
    requests: Sequence[Request], missing: Sequence[Request], answers: Answers
) -> dict[Question, tuple[float, float]]:
    """Question → mean tokens in and out of the answers that it has had."""
    asked = {r.key.question for some in (requests, missing) for r in some}
    found: dict[Question, list[tuple[int, int]]] = {}
    for row in answers:
        if row.key.question in asked and row.input_tokens and row.output_tokens:
            found.setdefault(row.key.question, []).append((row.input_tokens, row.output_tokens))
    return {
        question: (sum(i for i, _ in used) / len(used), sum(o for _, o in used) / len(used))
        for question, used in sorted(found.items(), key=lambda item: item[0].kind)
    }
