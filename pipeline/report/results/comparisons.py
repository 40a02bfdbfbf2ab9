"""EmotionRankCLAP against every baseline, and EmotionRankCLAP+ against all: the tests behind the marks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.measures import Estimate, drawn_again, holm, paired_test
from pipeline.methods import METHODS, OURS, PLUS, Contender

Values = npt.NDArray[np.float64]
Scores = Mapping[str, Mapping[str, Values]]
"""Method → measure → (S, K): K trials or lists, or one value, under each of S seeds of training."""
Halves = Mapping[str, Mapping[str, Values]]
"""Method → measure → (S, H, 2): the mean over lists in both halves of the pool, for H halvings."""

MARKED = (OURS, PLUS)

TESTED_AS = {"w2_squared_half": "w2_squared"}
"""Half of a reading is better where the whole is: one test, not two."""


@dataclass(frozen=True)
class Comparison:
    """A method against another by one measure."""

    method: str
    other: str
    measure: str
    mean_difference: float
    better: bool
    p: float
    """Of the paper's test: two-tailed paired t over trials or lists, each averaged over the seeds."""
    p_again: float
    """Seeds, trials or lists, and the pool drawn again; nan where one of them has nothing to be drawn from."""
    p_again_holm: float
    """Corrected for all the comparisons of a table."""


def others_of(method: str, contenders: Mapping[str, Contender] = METHODS) -> list[str]:
    """Whom a method is marked against: EmotionRankCLAP the baselines, EmotionRankCLAP+ all that are trained.

    >>> others_of("emotionrankclap-plus")[-2:], others_of("clap-sce")
    (['supconclap', 'emotionrankclap'], [])
    """
    if method == PLUS:
        return [name for name, other in contenders.items() if other.trained and name != PLUS]
    return [name for name, other in contenders.items() if other.baseline] if method == OURS else []


def compare(
    values: Scores,
    *,
    higher_is_better: bool,
    overlap: float | None = None,
    halves: Halves | None = None,
    contenders: Mapping[str, Contender] = METHODS,
) -> list[Comparison]:
    """Every comparison of one table, of the methods that are in it.

    `overlap` is what `drawn_again` takes for trials; None where there is no other pair to draw. Of lists it is
    `halves` that tell of another pool, where they are known.
    """
    found: list[tuple[str, str, str, float, float, float]] = []
    for method in MARKED:
        for measure, scores in values.get(method, {}).items():
            for other in others_of(method, contenders):
                if other not in values:
                    continue
                theirs = values[other][measure]
                p = paired_test(scores.mean(axis=0), theirs.mean(axis=0))
                again = float("nan")
                if len(scores) > 1 and (overlap is not None or halves):
                    again = _difference(scores - theirs, method, other, measure, overlap, halves).p
                found.append((method, other, measure, float((scores - theirs).mean()), p, again))
    corrected = holm([again for *_, again in found])
    sign = 1 if higher_is_better else -1
    return [
        Comparison(method, other, measure, difference, sign * difference > 0, p, again, p_holm)
        for (method, other, measure, difference, p, again), p_holm in zip(found, corrected, strict=True)
    ]


def _difference(
    scores: Values, method: str, other: str, measure: str, overlap: float | None, halves: Halves | None
) -> Estimate:
    apart = halves[method][measure] - halves[other][measure] if halves else None
    return drawn_again(scores, overlap=overlap or 0.0, halves=apart)


def compare_alignment(
    values: Scores, *, pairs: int, available: int, contenders: Mapping[str, Contender] = METHODS
) -> list[Comparison]:
    """The comparisons of Table 1; each trial has `pairs` of so many as are available."""
    left = available - pairs
    tested = {
        name: {reading: scores for reading, scores in found.items() if reading not in TESTED_AS}
        for name, found in values.items()
    }
    overlap = pairs / left if left > 0 else None
    return compare(tested, higher_is_better=False, overlap=overlap, contenders=contenders)
