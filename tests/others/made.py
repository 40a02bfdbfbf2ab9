"""Embeddings as other people hand them in: seeded noise of length one, whole until a test breaks it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.captions.prompts import ordinality_plan
from pipeline.sentences import WordedPrompt

CLIPS, PROBED, LISTS, SIZE = 20, 15, 2, 6

PROMPTS = [
    WordedPrompt(p.test, p.list, p.position, p.valence, p.arousal, f"{p.test} {p.list} {p.position}")
    for p in ordinality_plan(LISTS)
]


def unit(count: int, seed: int, size: int = SIZE) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, size))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def whole() -> dict[str, Any]:
    """Every array of the layout."""
    rng = np.random.default_rng(0)
    return {
        "speech": unit(CLIPS, 1),
        "captions": unit(CLIPS, 2),
        "prompts": unit(len(PROMPTS), 3),
        "valence": rng.uniform(1, 7, CLIPS),
        "arousal": rng.uniform(1, 7, CLIPS),
        "utterance_id": np.array([f"clip {i}" for i in range(CLIPS)]),
        "text": np.array([prompt.text for prompt in PROMPTS]),
        "title": np.array("Their model"),
        "probe_speech": unit(PROBED, 4),
        "probe_captions": unit(PROBED, 5),
        "probe_valence": rng.uniform(1, 7, PROBED),
        "probe_arousal": rng.uniform(1, 7, PROBED),
        "probe_utterance_id": np.array([f"probe {i}" for i in range(PROBED)]),
    }


def as_rows(arrays: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of the parquet layout that say the same."""
    rows = [
        {"kind": kind, "title": str(arrays["title"])}
        | {name: arrays[prefix + name][row].tolist() for name in names}
        for kind, prefix, names in (
            ("clip", "", ("speech", "captions", "valence", "arousal", "utterance_id")),
            ("probe", "probe_", ("speech", "captions", "valence", "arousal", "utterance_id")),
            ("prompt", "", ("prompts", "text")),
        )
        for row in range(len(arrays[prefix + names[0]]))
    ]
    every = dict.fromkeys(name for row in rows for name in row)
    return [{name: row.get(name) for name in every} for row in rows]


def write_npz(path: Path, arrays: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)
    return path


def write_parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path
