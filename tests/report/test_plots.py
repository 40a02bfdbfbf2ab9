"""The plots: they are drawn from the figures, and the same figures give the same file."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.measures.evaluation import Embedded
from pipeline.report.results.plots import plot_embeddings, plot_tau, plot_training, principal_plane

PNG = b"\x89PNG"


def test_the_plane_keeps_the_two_largest_directions():
    rng = np.random.default_rng(0)
    points = rng.standard_normal((500, 6)) * [0.1, 5.0, 0.1, 2.0, 0.1, 0.1]
    plane, shares = principal_plane(points)
    assert plane.shape == (500, 2)
    assert abs(np.corrcoef(plane[:, 0], points[:, 1])[0, 1]) > 0.99
    assert abs(np.corrcoef(plane[:, 1], points[:, 3])[0, 1]) > 0.99
    assert shares[0] == pytest.approx(25 / 29.04, abs=0.03)


def test_points_that_all_coincide_have_a_plane_too():
    plane, shares = principal_plane(np.ones((5, 3)))
    assert np.allclose(plane, 0)
    assert shares == (0.0, 0.0)


def test_all_plots_are_drawn_and_alike_twice(tmp_path):
    rng = np.random.default_rng(0)
    rows = [rng.standard_normal((50, 8)).astype(np.float32) for _ in range(3)]
    labels = rng.uniform(1, 7, (50, 2))
    taus = {"clap-sce": {t: rng.uniform(-1, 1, 20) for t in ("aoc", "voc")}}
    history = [{"epoch": e, "train_loss": 1 / e, "validation_loss": 1.1 / e} for e in (1.0, 2.0, 3.0)]
    for folder in (tmp_path / "one", tmp_path / "two"):
        plot_embeddings(Embedded(*rows), labels, "title", folder / "embeddings.png")
        plot_tau(taus, "title", folder / "tau.png")
        plot_training({"clap-sce": history, "emotionrankclap": history}, folder / "training.png")
    for name in ("embeddings.png", "tau.png", "training.png"):
        one = (tmp_path / "one" / name).read_bytes()
        assert one.startswith(PNG)
        assert one == (tmp_path / "two" / name).read_bytes()
