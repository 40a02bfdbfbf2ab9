"""A small project that captions by a model, and nothing of the outside world's keys and addresses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.captions.llm import endpoint
from pipeline.manifest import SCHEMA, Manifest
from tests import quick_yaml

ROOT = Path(__file__).parents[3]

KEY = "sk-recognisable-4711-secret"


def write_manifest(folder: Path, rows: int, seed: int = 0) -> None:
    """Labels in steps of a fifth, so that cells repeat, and an emotion class each."""
    rng = np.random.default_rng(seed)
    labels = np.clip(np.round(rng.normal(4.2, 0.9, (rows, 3)) * 5) / 5, 1, 7)
    splits = ("train", "train", "development", "test1")
    table = pa.Table.from_pylist(
        [
            {
                "id": f"clip-{i}",
                "path": f"{i}.wav",
                "sha256": f"{i:064x}",
                "duration": 1.0,
                "sampling_rate": 16_000,
                "channels": 1,
                "split": splits[i % 4],
                "valence": v,
                "arousal": a,
                "dominance": d,
                "emotion": "ASHN"[i // 4 % 4],
            }
            for i, (v, a, d) in enumerate(labels.tolist())
        ],
        schema=SCHEMA,
    )
    Manifest(table).write(folder / "data/manifest.parquet")


def write_params(folder: Path, llm: dict[str, Any], runtime: dict[str, Any]) -> None:
    """The sample's params with a model for a captioner and the smallest ordinality test."""
    params = quick_yaml.load((ROOT / "params.yaml").read_text())
    params["caption"] = {"captioner": "llm", "seed": 0, "prompt_lists": 1, "llm": {"model": "m"} | llm}
    params["train"]["methods"] = ["clap4emo", "emotionrankclap"]
    params["runtime"]["llm"] = {"max_retries": 12, "timeout_seconds": 5.0} | runtime
    (folder / "params.yaml").write_text(quick_yaml.dump(params))


@pytest.fixture(autouse=True)
def no_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test depends on, or reaches, what the environment names; pauses are short."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "ERCLAP_ANSWERS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(endpoint, "FIRST_DELAY", 0.005)


@pytest.fixture
def make_project(tmp_path: Path) -> Callable[..., Path]:
    """A project whose endpoint is at `url`, or where the environment says."""

    def make(url: str | None, rows: int = 24, runtime: dict[str, Any] | None = None, **llm: Any) -> Path:
        write_manifest(tmp_path, rows)
        write_params(tmp_path, llm, {"base_url": url} | (runtime or {}))
        return tmp_path

    return make
