"""The gap, the distance of pairs and uniformity, against plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipeline.measures import geometry
from pipeline.measures.geometry import modality_gap, pair_distance, spread, uniformity


def on_sphere(rows: int, seed: int) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(size=(rows, 6))
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


def test_uniformity_is_its_definition():
    rows = on_sphere(40, 0)
    kernels = [
        math.exp(-2 * float(np.square(rows[i].astype(float) - rows[j]).sum()))
        for i in range(40)
        for j in range(40)
        if i != j
    ]
    assert uniformity(rows) == pytest.approx(math.log(sum(kernels) / len(kernels)), abs=1e-9)


def test_the_spread_is_its_definition_over_several_blocks(monkeypatch):
    monkeypatch.setattr(geometry, "BLOCK_ROWS", 16)
    rows = on_sphere(40, 0)
    apart = [
        float(np.linalg.norm(rows[i].astype(float) - rows[j])) for i in range(40) for j in range(40) if i != j
    ]
    assert spread(rows) == pytest.approx(sum(apart) / len(apart), rel=1e-12)
    assert spread(np.ones((5, 3))) == 0
    with pytest.raises(ValueError, match=r"at least two rows, found \(1, 3\)"):
        spread(np.ones((1, 3)))


def test_uniformity_falls_as_points_spread():
    spread, bunched = on_sphere(60, 1), on_sphere(60, 1) * 0.1 + np.eye(6, dtype=np.float32)[0]
    bunched /= np.linalg.norm(bunched, axis=1, keepdims=True)
    assert uniformity(spread) < uniformity(bunched) < 0
    assert uniformity(np.ones((5, 3))) == pytest.approx(0, abs=1e-12)
    with pytest.raises(ValueError, match=r"at least two rows, found \(1, 3\)"):
        uniformity(np.ones((1, 3)))


def test_pairs_and_gap_agree_with_loops():
    speech, text = on_sphere(30, 2), on_sphere(30, 3)
    distances = [float(((a.astype(float) - b) ** 2).sum()) for a, b in zip(speech, text, strict=True)]
    assert pair_distance(speech, text) == pytest.approx(np.mean(distances), abs=1e-12)
    assert pair_distance(speech, speech) == 0.0
    shift = np.array([0.3, 0, 0.4, 0, 0, 0])
    assert modality_gap(speech, speech + shift) == pytest.approx(0.5, abs=1e-7)


def test_samples_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"\(M, E\), neither empty, found \(2, 3\) and \(2, 4\)"):
        modality_gap(np.zeros((2, 3)), np.zeros((2, 4)))
    with pytest.raises(ValueError, match=r"must both be \(N, E\) and not empty, found \(2, 3\) and \(1, 3\)"):
        pair_distance(np.zeros((2, 3)), np.zeros((1, 3)))
