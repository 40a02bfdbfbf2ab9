"""The linear probe: what it recovers, and Lin's concordance against its definition."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.measures.probe import RIDGE, concordance, probe_concordance


def test_concordance_is_lins_definition():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 2)), rng.normal(1, 2, size=(50, 2))
    for column, found in enumerate(concordance(x, y)):
        a, b = x[:, column], y[:, column]
        covariance = sum((p - a.mean()) * (q - b.mean()) for p, q in zip(a, b, strict=True)) / 50
        assert found == pytest.approx(2 * covariance / (a.var() + b.var() + (a.mean() - b.mean()) ** 2))
    assert concordance(x, x) == pytest.approx([1, 1])
    assert concordance(np.ones((4, 1)), np.ones((4, 1))).tolist() == [0.0]
    with pytest.raises(ValueError, match=r"must both be \(N, K\) and not empty, found \(2, 1\) and \(3, 1\)"):
        concordance(np.ones((2, 1)), np.ones((3, 1)))


def test_a_linear_label_is_read_and_an_unrelated_one_is_not():
    rng = np.random.default_rng(1)
    fitted, tested = rng.normal(size=(400, 8)), rng.normal(size=(200, 8))
    linear = lambda x: 4 + x @ np.arange(8)  # noqa: E731
    labels = np.stack([linear(fitted), rng.normal(size=400)], axis=1)
    wanted = np.stack([linear(tested), rng.normal(size=200)], axis=1)
    read, unrelated = probe_concordance(fitted, labels, tested, wanted)
    assert read > 0.999
    assert abs(unrelated) < 0.15


def test_the_probe_is_the_ridge_that_gradient_steps_come_to():
    rng = np.random.default_rng(2)
    fitted, labels = rng.normal(size=(60, 3)), rng.normal(size=(60, 1))
    x, y = fitted - fitted.mean(axis=0), labels - labels.mean(axis=0)
    penalty = RIDGE * np.square(x).mean(axis=0).sum() / 3
    weights = np.zeros((3, 1))
    for _ in range(3000):
        weights -= 0.1 * (x.T @ (x @ weights - y) / 60 + penalty * weights)
    expected = concordance(x @ weights + labels.mean(axis=0), labels)
    assert probe_concordance(fitted, labels, fitted, labels) == pytest.approx(expected, abs=1e-9)


def test_embeddings_of_no_rank_give_no_concordance_and_no_error():
    labels = np.random.default_rng(3).normal(size=(20, 2))
    for same in (np.ones((20, 5)), np.zeros((20, 5)), np.full((20, 5), 1e-160)):
        assert probe_concordance(same, labels, same, labels) == pytest.approx([0, 0], abs=1e-12)


def test_rows_without_labels_are_refused():
    with pytest.raises(ValueError, match=r"found \(3, 2\) with \(4, 2\)"):
        probe_concordance(np.ones((3, 2)), np.ones((4, 2)), np.ones((3, 2)), np.ones((3, 2)))
