"""EmotionRankCLAP+: its own settings, and its loss against plain loops; the paper's method stays as it is."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pipeline.config import load_params
from pipeline.methods import METHODS, settings_of, training_settings
from pipeline.training.density import LabelDensity
from pipeline.training.objectives import RankNContrast, objective_of
from tests.imports import ROOT

PARAMS = load_params(ROOT / "stages/profiles/paper.yaml")
PLUS = "emotionrankclap-plus"


def test_every_method_but_plus_trains_as_params_say():
    for name in METHODS:
        written = PARAMS.train.model_dump(exclude={"methods", "seed", "seeds"})
        own = (
            {"relu": False, "directions": "both", "anchor_weights": "inverse-density"} if name == PLUS else {}
        )
        assert training_settings(PARAMS.train, name) == written | own


def test_the_papers_method_is_one_way_and_weighs_anchors_alike():
    settings = training_settings(PARAMS.train, "emotionrankclap")
    assert (settings["directions"], settings["candidates"]) == ("speech-to-text", "farther")
    assert (settings["anchor_weights"], settings["relu"]) == ("equal", True)


def plain_loss(similarity: np.ndarray, labels: np.ndarray, weight: np.ndarray) -> float:
    """The mean over both directions and all i, j of w_i times equation 3's term."""
    count = len(labels)
    steps = np.rint(labels * 2520).astype(int)
    total = 0.0
    for matrix in (similarity, similarity.T):
        for i in range(count):
            distance = [sum((steps[i] - steps[k]) ** 2) for k in range(count)]
            for j in range(count):
                farther = [matrix[i, k] for k in range(count) if distance[k] > distance[j]]
                if farther:
                    total -= weight[i] * (matrix[i, j] - math.log(sum(math.exp(s) for s in farther)))
    return total / (2 * count**2)


@pytest.mark.parametrize("ranked_ahead", [512, 4])
@pytest.mark.parametrize("seed", range(3))
def test_the_loss_of_plus_is_the_weighted_one_in_both_directions(seed, ranked_ahead, monkeypatch):
    monkeypatch.setattr(RankNContrast, "RANKED_AHEAD", ranked_ahead)
    rng = np.random.default_rng(seed)
    labels = rng.integers(2, 13, (3, 9, 2)) / 2  # (K, N, 2), with ties
    similarity = rng.standard_normal((3, 9, 9)) * 3
    density = LabelDensity(labels.reshape(-1, 2))
    objective = objective_of("rank-n-contrast", settings_of(PARAMS.train, PLUS), density)
    targets = objective.targets(torch.from_numpy(labels), torch.zeros(3, 9, dtype=torch.long))
    found = objective.loss(torch.from_numpy(similarity), targets)
    weights = density.weights(torch.from_numpy(labels)).numpy()
    expected = [plain_loss(*of) for of in zip(similarity, labels, weights, strict=True)]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9)


def test_the_gradient_of_plus_is_that_of_its_loss():
    rng = np.random.default_rng(0)
    labels = torch.from_numpy(rng.integers(2, 13, (6, 2)) / 2)
    objective = objective_of("rank-n-contrast", settings_of(PARAMS.train, PLUS), LabelDensity(labels.numpy()))
    targets = objective.targets(labels, torch.zeros(6, dtype=torch.long))
    similarity = torch.from_numpy(rng.standard_normal((6, 6))).requires_grad_()
    assert torch.autograd.gradcheck(lambda s: objective.loss(s, targets), similarity)


def test_a_method_that_is_none_has_no_settings():
    with pytest.raises(ValueError, match="a method must be one of .* found 'emotionrankclip'"):
        settings_of(PARAMS.train, "emotionrankclip")
