"""How a figure of a table is written: means, their spread and interval, and the notes that say what they are."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from pipeline.config import Evaluate
from pipeline.measures import bootstrap_interval
from pipeline.methods import Contender
from pipeline.report.results.comparisons import Scores

Values = npt.NDArray[np.float64]
Contenders = Mapping[str, Contender]


def figures_of(values: Mapping[str, Values], settings: Evaluate) -> dict[str, object]:
    figures: dict[str, object] = {}
    for measure, scores in values.items():
        low, high = bootstrap_interval(scores, resamples=settings.resamples)
        mean, spread = moments(scores)
        figures |= {
            f"{measure}_mean": mean,
            f"{measure}_std": spread,
            f"{measure}_low": low,
            f"{measure}_high": high,
        }
    return figures


def moments(scores: Values) -> tuple[float, float]:
    """Mean, and standard deviation over seeds, or over trials or lists where there is one seed."""
    varied = scores.mean(axis=1) if len(scores) > 1 else scores[0]
    return float(scores.mean()), float(np.std(varied, ddof=1)) if len(varied) > 1 else float("nan")


def mean_and_spread(scores: Values) -> str:
    mean, spread = moments(scores)
    return f"{mean:.3f}" + (f" ± {spread:.3f}" if scores.size > 1 else "")


def spread_note(seeds: int, units: str) -> str:
    if seeds == 1:
        return f"mean ± std over {units}"
    return f"mean ± std over {seeds} seeds of training (of each seed's mean over {units})"


def single_note(values: Scores, contenders: Contenders, units: str) -> list[str]:
    """Of which there is one set of embeddings, where others have several seeds."""
    rows = {name: len(next(iter(found.values()))) for name, found in values.items()}
    single = [contenders[name].title for name, count in rows.items() if count < max(rows.values())]
    return [f"{', '.join(single)}: one set of embeddings, ± over {units}."] if single else []


def interval(scores: Values, settings: Evaluate) -> str:
    low, high = bootstrap_interval(scores, resamples=settings.resamples)
    return f"[{low:.3f}, {high:.3f}]" if scores.size > 1 else "–"


def interval_note(seeds: int, count: int, units: str, settings: Evaluate) -> list[str]:
    drawn = [*(["seeds"] if seeds > 1 else []), *([units] if count > 1 else [])]
    if not drawn:
        return []
    return [
        f"95 %: percentile bootstrap interval of the mean, {' and '.join(drawn)} drawn again "
        f"{settings.resamples} times."
    ]
