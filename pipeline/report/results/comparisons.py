"""Ours against every baseline: the tests behind the marks of Tables 1 and 2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.measures import holm, paired_test
from pipeline.methods import METHODS, OURS, Contender

Values = npt.NDArray[np.float64]
Scores = Mapping[str, Mapping[str, Values]]
"""Method → measure → (S, K): K trials or lists, or one value, under each of S seeds of training."""


@dataclass(frozen=True)
class Comparison:
    """Ours against one baseline by one measure, over trials or lists, each averaged over the seeds."""

    measure: str
    baseline: str
    mean_difference: float
    better: bool
    p: float
    """Of the paper's test, a two-tailed paired t-test on its own."""
    p_holm: float
    """Corrected for all the comparisons of a table."""


def compare_with_baselines(
    values: Scores, *, higher_is_better: bool, contenders: Mapping[str, Contender] = METHODS
) -> list[Comparison]:
    """Every comparison of one table; none where ours or a baseline is not in it."""
    found = []
    for measure, scores in values.get(OURS, {}).items():
        ours = scores.mean(axis=0)
        for name in values:
            if contenders[name].baseline:
                theirs = values[name][measure].mean(axis=0)
                difference = float((ours - theirs).mean())
                found.append((measure, name, difference, paired_test(ours, theirs)))
    corrected = holm([p for *_, p in found])
    sign = 1 if higher_is_better else -1
    return [
        Comparison(measure, name, difference, sign * difference > 0, p, p_holm)
        for (measure, name, difference, p), p_holm in zip(found, corrected, strict=True)
    ]


def mark(comparisons: list[Comparison], measure: str, alpha: float) -> str:
    """`*` where ours beats every baseline by this measure, `*†` where it still does after the correction."""
    ours = [one for one in comparisons if one.measure == measure]
    if not ours or not all(one.better and one.p < alpha for one in ours):
        return ""
    return "*†" if all(one.p_holm < alpha for one in ours) else "*"


def mark_notes(
    comparisons: list[Comparison],
    alpha: float,
    units: str,
    contenders: Mapping[str, Contender] = METHODS,
) -> list[str]:
    """What the marks mean; `units` are the trials or lists that were compared. Nothing where no test was made."""
    if not any(one.p == one.p for one in comparisons):
        return []
    baselines = dict.fromkeys(contenders[one.baseline].title for one in comparisons)
    return [
        f"* better than every baseline here ({', '.join(baselines)}): two-tailed paired t over {units}, "
        f"p < {alpha:g}, as in the paper.",
        f"† still so after Holm's correction for the {len(comparisons)} tests of this table.",
    ]
