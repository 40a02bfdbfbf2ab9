"""Every trial, list and retrieval of an evaluation, kept as parquet for whoever wants to look closer."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from pipeline.measures import Evaluation

Evaluations = Mapping[int, Evaluation]
"""Training seed → what it came to."""


def trial_records(evaluations: Evaluations) -> pa.Table:
    """Table 1's values: a row for each method, seed and trial, a column for each reading."""
    return pa.Table.from_pylist(
        [
            {"method": name, "seed": seed, "trial": trial}
            | {reading: float(v[trial]) for reading, v in found.items()}
            for seed, evaluation in evaluations.items()
            for name, found in evaluation.readings.items()
            for trial in range(len(next(iter(found.values()))))
        ]
    )


def list_records(evaluations: Evaluations) -> pa.Table:
    """Table 2's values: Kendall's tau of each method, seed, test and list."""
    return pa.Table.from_pylist(
        [
            {"method": name, "seed": seed, "test": test, "list": number, "tau": float(tau)}
            for seed, evaluation in evaluations.items()
            for name, tests in evaluation.ordinality.items()
            for test, found in tests.items()
            for number, tau in enumerate(found.tau)
        ]
    )


def retrieval_records(evaluations: Evaluations) -> pa.Table:
    """Which clip each prompt retrieved, with the clip's valence and arousal."""
    return pa.Table.from_pylist(
        [
            {
                "method": name,
                "seed": seed,
                "test": test,
                "list": number,
                "position": position,
                "utterance_id": evaluation.pairs.ids[clip],
                "valence": float(evaluation.pairs.labels[clip, 0]),
                "arousal": float(evaluation.pairs.labels[clip, 1]),
            }
            for seed, evaluation in evaluations.items()
            for name, tests in evaluation.ordinality.items()
            for test, found in tests.items()
            for number, clips in enumerate(found.retrieved)
            for position, clip in enumerate(clips)
        ]
    )
