"""Table 2b: the mean taus of Table 2 against chance and over draws of seeds, lists and clips, and who is found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.config import Evaluate
from pipeline.measures import (
    ATTRIBUTE_OF_TEST,
    COLUMN,
    Chance,
    Estimate,
    Evaluation,
    against_chance,
    drawn_again,
    holm,
)
from pipeline.report.results.comparisons import Halves
from pipeline.report.results.table import Table


@dataclass(frozen=True)
class Standing:
    """What one method's mean tau of one attribute is worth."""

    method: str
    test: str
    tau: Estimate
    """Over draws of seeds, lists and clips."""
    chance: Chance
    p_holm: float
    """Against chance, corrected for all methods and attributes."""


def halves_of_seeds(evaluations: Sequence[Evaluation]) -> Halves:
    """The taus in halves of the pool, the seeds stacked; nothing where the pool has too few clips to halve."""
    found = {
        name: {
            test: np.stack([one.halves[name][test] for one in evaluations if name in one.halves])
            for test in tests
        }
        for name, tests in evaluations[0].halves.items()
    }
    return found if all(halves.size for tests in found.values() for halves in tests.values()) else {}


def standings(evaluations: Sequence[Evaluation], settings: Evaluate) -> list[Standing]:
    """Every method's arousal, then every method's valence; each of the evaluations is a seed of training."""
    pairs = evaluations[0].pairs
    pool, halves = pairs.distinct(), halves_of_seeds(evaluations)
    found = []
    for test in ATTRIBUTE_OF_TEST:
        labels = pairs.labels[pool, COLUMN[ATTRIBUTE_OF_TEST[test]]]
        for name in evaluations[0].ordinality:
            of_seeds = [one.ordinality[name][test] for one in evaluations if name in one.ordinality]
            retrieved = np.searchsorted(pool, np.stack([one.retrieved for one in of_seeds]))
            chance = against_chance(
                retrieved, evaluations[0].intended[test], labels, permutations=settings.resamples
            )
            taus = np.stack([one.tau for one in of_seeds])
            again = drawn_again(taus, halves=halves[name][test] if halves else None)
            found.append((name, test, again, chance))
    corrected = holm([chance.p for *_, chance in found])
    return [Standing(*one, p_holm) for one, p_holm in zip(found, corrected, strict=True)]


TOO_FEW_SHUFFLES = " So few shuffles (evaluate.resamples) can show none: raise them."


def chance_table(
    evaluations: Sequence[Evaluation], *, corpus: str, settings: Evaluate, notes: Sequence[str] = ()
) -> Table:
    """Table 2b. `notes` stand below it, after its own."""
    found, seeds = standings(evaluations, settings), len(evaluations)
    halves, pool = halves_of_seeds(evaluations), len(evaluations[0].pairs.distinct())
    lists, prompts = evaluations[0].intended["aoc"].shape
    drawn = [*(["seeds"] if seeds > 1 else []), "lists", *(["clips"] if halves else [])]
    return Table(
        title="Table 2b. Ordinal consistency against chance and over other draws.",
        corpora=f"Ours: {corpus}.",
        header=["method", "test", "τ", f"95 % over {', '.join(drawn)}", "95 % by chance", "p", "clips"],
        rows=[
            [
                evaluations[0].contenders[one.method].title,
                one.test.upper(),
                f"{one.tau.mean:.3f}",
                _band(*_within(one.tau)),
                _band(one.chance.low, one.chance.high),
                _p(one.chance.p) + "‡" * (one.p_holm < settings.alpha),
                f"{one.chance.clips:.0f}",
            ]
            for one in found
        ],
        notes=[
            f"95 %: t interval; its variance is that over {' plus that over '.join(drawn)}"
            + (", the last from random halves of the pool, which share no clip." if halves else ".")
            + ("" if seeds > 1 else " One seed of training says nothing of another's.")
            + ("" if halves else f" {pool} clips are too few to halve."),
            f"By chance: the pool's labels shuffled among its clips {settings.resamples} times, retrieval kept; "
            "p: two-sided, of a τ at least as far from 0.",
            f"‡ not by chance, p < {settings.alpha:g} after Holm's correction for the {len(found)} tests of this "
            "table." + ("" if settings.alpha * (settings.resamples + 1) > len(found) else TOO_FEW_SHUFFLES),
            f"clips: how many distinct ones of {pool} the {lists * prompts} retrievals found"
            + (", the mean over seeds." if seeds > 1 else ".")
            + " Few are hubs: lists that find the same clips are not independent.",
            *notes,
        ],
        figures=[
            _figures(name, found, sum(name in one.ordinality for one in evaluations))
            for name in evaluations[0].ordinality
        ],
    )


def _within(tau: Estimate) -> tuple[float, float]:
    """The interval's ends, of which tau itself knows the outermost."""
    low, high = tau.interval()
    return max(low, -1.0), min(high, 1.0)


def _band(low: float, high: float) -> str:
    return f"[{low:.3f}, {high:.3f}]" if low == low else "–"


def _p(p: float) -> str:
    return f"{p:.3f}" if p >= 0.001 else "<0.001"


def _figures(name: str, found: Sequence[Standing], seeds: int) -> dict[str, object]:
    figures: dict[str, object] = {"method": name, "seeds": seeds}
    for one in found:
        if one.method == name:
            low, high = _within(one.tau)
            values = {
                "mean": one.tau.mean,
                "low": low,
                "high": high,
                "chance_low": one.chance.low,
                "chance_high": one.chance.high,
                "p": one.chance.p,
                "p_holm": one.p_holm,
                "clips": one.chance.clips,
            }
            figures |= {f"{one.test}_{key}": value for key, value in values.items()}
    return figures
