"""Weights by the density of labels, against a sum over all labels in plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pipeline.training.density import LabelDensity
from tests.tensors import assert_close

STEPS = 24
"""Quarters of a unit between the ends of the scale."""


def plain_density(labels: np.ndarray, at: np.ndarray) -> float:
    """The smoothed count at a label: every label's Gaussian, and those of its mirror images beyond the ends."""

    def kernel(distance: int) -> float:
        return math.exp(-(distance**2) / (2 * 2.0**2)) if abs(distance) <= 8 else 0.0

    norm = sum(kernel(d) for d in range(-8, 9))
    period = 2 * (STEPS + 1)

    def along(cell: int, other: int) -> float:
        # Mirrored about the outer edge of the last cell: cell -1 is cell 0.
        images = [other + period * k for k in (-1, 0, 1)] + [-1 - other + period * k for k in (-1, 0, 1)]
        return sum(kernel(cell - image) for image in images) / norm

    cells = [[round((value - 1) * 4) for value in row] for row in labels.tolist()]
    v, a = (round((value - 1) * 4) for value in at.tolist())
    return sum(along(v, cell[0]) * along(a, cell[1]) for cell in cells)


def quarters(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, STEPS + 1, (count, 2)) / 4 + 1


@pytest.mark.parametrize("seed", range(3))
def test_weights_are_one_over_a_plainly_summed_density(seed):
    known = quarters(50, seed)
    batch = known[:12]
    expected = np.array([1 / plain_density(known, label) for label in batch])
    weights = LabelDensity(known).weights(torch.from_numpy(batch)).numpy()
    np.testing.assert_allclose(weights, expected / expected.mean(), rtol=1e-9)


def test_weights_have_mean_one_in_every_batch_and_the_rare_weigh_more():
    rng = np.random.default_rng(0)
    labels = np.clip(rng.normal(4, 0.8, (2000, 2)), 1, 7)
    batches = torch.from_numpy(labels[: 5 * 64].reshape(5, 64, 2))
    weights = LabelDensity(labels).weights(batches)
    assert weights.shape == (5, 64)
    assert_close(weights.mean(-1), torch.ones(5, dtype=torch.float64))
    away = (batches - 4).norm(dim=-1)
    assert weights[away > 2].min() > weights[away < 0.5].max()


def test_a_label_far_from_all_weighs_as_much_as_the_loneliest_that_was_counted():
    density = LabelDensity(np.array([[4.0, 4.0]] * 9 + [[4.0, 6.0]]))
    weights = density.weights(torch.tensor([[1.0, 1.0], [4.0, 6.0], [4.0, 4.0]]))
    assert weights[0] == weights[1] > weights[2] > 0


@pytest.mark.parametrize("shape", [(0, 2), (5, 3), (5,)])
def test_labels_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"labels must be \(N, 2\), N at least 1, found"):
        LabelDensity(np.full(shape, 4.0))
