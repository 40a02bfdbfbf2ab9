"""benchmarks/measures.py: its peers and this project measure the same on embeddings of trained heads."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from pipeline.measures.evaluation import draw_trials, measure_alignment
from tests.imports import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))

import measures


def test_the_peers_come_to_the_same_values(monkeypatch):
    simulate = measures.simulate
    monkeypatch.setattr(measures, "simulate", lambda clips, seed: simulate(min(clips, 128), seed))
    embedded = measures.trained_embeddings("emotionrankclap", 128, epochs=1, seed=0)
    trials = draw_trials(128, 40, 2, 0)
    ours = measure_alignment({"x": embedded}, trials)["x"]
    theirs = measures.emd2_loop(embedded, trials)
    for reading in ("w1", "w2"):
        assert ours[reading] == pytest.approx([one[reading] for one in theirs], abs=1e-9)
    sides = [[side[rows].astype(np.float64) for side in (embedded.speech, embedded.text)] for rows in trials]
    assert ours["mmd"] == pytest.approx([measures.cdist_mmd(*pair) for pair in sides], abs=1e-9)
    assert measures.spread_mmd(sides, 2) == pytest.approx(list(ours["mmd"]), abs=1e-9)
