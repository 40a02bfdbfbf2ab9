"""Every trial, list and retrieval of an evaluation, kept as parquet for whoever wants to look closer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.ordinality import OrdinalConsistency

Values = npt.NDArray[np.float64]


def trial_records(readings: Mapping[str, Mapping[str, Values]]) -> pa.Table:
    """Table 1's values: a row for each method and trial, a column for each reading."""
    return pa.Table.from_pylist(
        [
            {"method": name, "trial": trial} | {reading: float(v[trial]) for reading, v in found.items()}
            for name, found in readings.items()
            for trial in range(len(next(iter(found.values()))))
        ]
    )


def list_records(ordinality: Mapping[str, Mapping[str, OrdinalConsistency]]) -> pa.Table:
    """Table 2's values: Kendall's tau of each method, test and list."""
    return pa.Table.from_pylist(
        [
            {"method": name, "test": test, "list": number, "tau": float(tau)}
            for name, tests in ordinality.items()
            for test, found in tests.items()
            for number, tau in enumerate(found.tau)
        ]
    )


def retrieval_records(
    ordinality: Mapping[str, Mapping[str, OrdinalConsistency]], ids: Sequence[str], labels: Values
) -> pa.Table:
    """Which clip each prompt retrieved, with the clip's valence and arousal; `labels` is (N, 2)."""
    return pa.Table.from_pylist(
        [
            {
                "method": name,
                "test": test,
                "list": number,
                "position": position,
                "utterance_id": ids[clip],
                "valence": float(labels[clip, 0]),
                "arousal": float(labels[clip, 1]),
            }
            for name, tests in ordinality.items()
            for test, found in tests.items()
            for number, clips in enumerate(found.retrieved)
            for position, clip in enumerate(clips)
        ]
    )
