"""What a run would send and what that would cost, before anything is sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.captions.llm.answers import Answers
from pipeline.captions.llm.parameters import is_reasoning
from pipeline.captions.llm.requests import CAPTIONS_PER_ANSWER, Request
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

    requests: dict[str, tuple[int, int]]
    """Kind → requests that have their answer, and that are to be sent."""
    input_tokens: int
    output_tokens: int
    rule: str
    cost: float | None
    """In the currency of the prices that were given."""

    @property
    def to_send(self) -> int:
        """Requests of all kinds."""
        return sum(missing for _, missing in self.requests.values())

    def lines(self) -> list[str]:
        """The estimate for people to read."""
        shown = [
            f"{kind}: {there + missing} requests, {there} answered, {missing} to send"
            for kind, (there, missing) in self.requests.items()
        ]
        tokens = f"{self.input_tokens} in, {self.output_tokens} out"
        cost = (
            "unknown: set runtime.llm.price_per_million_input_tokens and price_per_million_output_tokens to "
            "what you pay"
            if self.cost is None
            else f"about {self.cost:.2f}, by the prices in runtime.llm, without answers that must be asked again"
        )
        return [*shown, f"to send: {self.to_send}", f"tokens: {tokens} ({self.rule})", f"cost: {cost}"]


def estimate(requests: Sequence[Request], answers: Answers, runtime: LlmRuntime) -> Estimate:
    """Count what is missing. The model's own answers, where there are any, say how long the others will be."""
    missing = [request for request in requests if answers.text(request.key) is None]
    all_of, missing_of = (Counter(r.key.kind for r in some) for some in (requests, missing))
    counts = {kind: (all_of[kind] - missing_of[kind], missing_of[kind]) for kind in sorted(all_of)}
    means = _measured(requests, answers)
    tokens_in = sum(means[r.key.kind][0] if r.key.kind in means else _guess(r)[0] for r in missing)
    tokens_out = sum(means[r.key.kind][1] if r.key.kind in means else _guess(r)[1] for r in missing)
    input_price, output_price = (
        runtime.price_per_million_input_tokens,
        runtime.price_per_million_output_tokens,
    )
    cost = None
    if input_price is not None and output_price is not None:
        cost = (tokens_in * input_price + tokens_out * output_price) / 1e6
    rule = RULE if not means else f"as in the answers so far for {', '.join(means)}; elsewhere {RULE}"
    return Estimate(counts, round(tokens_in), round(tokens_out), rule, cost)


def _guess(request: Request) -> tuple[float, float]:
    reasoning = TOKENS_OF_REASONING if is_reasoning(request.key.model) else 0
    output = TOKENS_PER_CAPTION * CAPTIONS_PER_ANSWER[request.key.kind] + reasoning
    return len(request.text) / CHARACTERS_PER_TOKEN, output


def _measured(requests: Sequence[Request], answers: Answers) -> dict[str, tuple[float, float]]:
    """Kind → mean tokens in and out of the answers that this model gave to this prompt."""
    asked = {(r.key.model, r.key.prompt_hash, r.key.kind) for r in requests}
    found: dict[str, list[tuple[int, int]]] = {}
    for row in answers:
        if (row.model, row.prompt_hash, row.kind) in asked and row.input_tokens and row.output_tokens:
            found.setdefault(row.kind, []).append((row.input_tokens, row.output_tokens))
    return {
        kind: (sum(i for i, _ in used) / len(used), sum(o for _, o in used) / len(used))
        for kind, used in sorted(found.items())
    }
