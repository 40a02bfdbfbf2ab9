"""Every trial, list and retrieval of an evaluation, a row each: for whoever looks closer, and for the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pipeline.measures import Evaluation
from pipeline.report.results.detail_files import Row

Evaluations = Mapping[int, Evaluation]
"""Training seed → what it came to."""


def trial_rows(evaluations: Evaluations) -> Iterator[Row]:
    """Table 1's values: a row for each method, seed and trial, a column for each reading."""
    for seed, evaluation in evaluations.items():
        for name, found in evaluation.readings.items():
            for trial in range(len(next(iter(found.values())))):
                values = {reading: float(v[trial]) for reading, v in found.items()}
                yield {"method": name, "seed": seed, "trial": trial} | values


def list_rows(evaluations: Evaluations) -> Iterator[Row]:
    """Table 2's values: Kendall's tau of each method, seed, test and list."""
    for seed, evaluation in evaluations.items():
        for name, tests in evaluation.ordinality.items():
            for test, found in tests.items():
                for number, tau in enumerate(found.tau.tolist()):
                    yield {"method": name, "seed": seed, "test": test, "list": number, "tau": tau}


def retrieval_rows(evaluations: Evaluations) -> Iterator[Row]:
    """Which clip each prompt retrieved, with the clip's valence and arousal."""
    for seed, evaluation in evaluations.items():
        ids, labels = evaluation.pairs.ids, evaluation.pairs.labels.tolist()
        for name, tests in evaluation.ordinality.items():
            for test, found in tests.items():
                for number, clips in enumerate(found.retrieved.tolist()):
                    for position, clip in enumerate(clips):
                        yield {
                            "method": name,
                            "seed": seed,
                            "test": test,
                            "list": number,
                            "position": position,
                            "utterance_id": ids[clip],
                            "valence": labels[clip][0],
                            "arousal": labels[clip][1],
                        }
