"""The marks of Tables 1 and 2, and what is said of them below the tables."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.methods import METHODS, Contender
from pipeline.report.results.comparisons import TESTED_AS, Comparison

UNSAID = {
    "trials": "It takes trials for independent, which share pairs: it cannot say what other pairs, or another "
    "training, would come to.",
    "lists": "It takes lists for independent, which find the same few clips: like the interval, it cannot say "
    "what other clips, or another training, would come to, nor whether τ is chance (Table 2b).",
}
"""Units of the paper's test → what it cannot say."""

DRAWN = {"trials": "seeds and pairs", "lists": "seeds, lists and clips"}
"""Units → what `†` draws again."""

NEEDED = {
    "trials": "two seeds of training at least (train.seeds)",
    "lists": "two seeds of training at least (train.seeds), and two clips for each prompt of a list",
}
"""Units → without which there is no `†`."""


def mark(comparisons: list[Comparison], method: str, measure: str, alpha: float) -> str:
    """`*` where a method beats all that it is compared to by the paper's test, `†` where by that of draws."""
    measure = TESTED_AS.get(measure, measure)
    own = [one for one in comparisons if (one.method, one.measure) == (method, measure)]
    if not own or not all(one.better for one in own):
        return ""
    return "*" * all(one.p < alpha for one in own) + "†" * all(one.p_again_holm < alpha for one in own)


def mark_notes(
    comparisons: list[Comparison],
    alpha: float,
    units: str,
    *,
    seeds: int,
    contenders: Mapping[str, Contender] = METHODS,
) -> list[str]:
    """What the marks mean; `units` are the trials or lists compared. Nothing where no test was made."""
    if not any(one.p == one.p for one in comparisons):
        return []
    averaged = f"{units}, each averaged over the seeds" if seeds > 1 else units
    tests = sum(one.p_again == one.p_again for one in comparisons)
    if tests:
        again = f"p < {alpha:g} after Holm's correction for the {tests} tests of this table."
    else:
        again = f"not tested, which needs {NEEDED[units]}."
    compared = _compared(comparisons, contenders)
    return [
        f"* better than all that it is compared to ({compared}): two-tailed paired t over "
        f"{averaged}, p < {alpha:g}, as in the paper. {UNSAID[units]}",
        f"† better than them where {DRAWN[units]} are drawn again: {again}",
    ]


def _compared(comparisons: list[Comparison], contenders: Mapping[str, Contender]) -> str:
    """Who is compared to whom, in words."""
    against: dict[str, dict[str, None]] = {}
    for one in comparisons:
        against.setdefault(one.method, {})[one.other] = None
    words, before = [], set[str]()
    for method, others in against.items():
        these = bool(before) and before <= others.keys()
        named = ", ".join(contenders[other].title for other in others if not (these and other in before))
        words.append(f"{contenders[method].title} than {'these and ' * these}{named}")
        before = before or set(others)
    return "; ".join(words)
