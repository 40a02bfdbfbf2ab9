"""Ridge regression from moments: against least squares, however the rows are cut."""

from __future__ import annotations

from functools import reduce
from operator import add

import numpy as np
import pytest

from pipeline.measures.ridge import Moments


def rows_and_labels(count: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    rows = rng.normal(3, 1, (count, 5)) @ rng.normal(size=(5, 5))
    labels = rows @ rng.normal(size=(5, 2)) + rng.normal(4, 2, (count, 2))
    return rows.astype(np.float32), labels


def test_the_ridge_is_least_squares_with_a_row_for_each_penalised_weight():
    rows, labels = rows_and_labels()
    x, y = rows - rows.mean(axis=0, dtype=np.float64), labels - labels.mean(axis=0)
    added = 0.3 * x.var(axis=0).mean() * len(x)
    stacked = np.concatenate([x, np.sqrt(added) * np.eye(5)]), np.concatenate([y, np.zeros((5, 2))])
    weights = np.linalg.lstsq(*stacked, rcond=None)[0]
    line = Moments.of(rows, labels).ridge(0.3)
    assert line(rows) == pytest.approx(x @ weights + labels.mean(axis=0), abs=1e-9)


@pytest.mark.parametrize("cuts", [[100], [1, 2, 3], [7, 50, 199]])
def test_moments_of_blocks_add_up_to_those_of_all_rows_in_any_order(cuts):
    rows, labels = rows_and_labels()
    whole = Moments.of(rows, labels)
    order = np.random.default_rng(1).permutation(len(rows))
    blocks = zip(np.split(rows[order], cuts), np.split(labels[order], cuts), strict=True)
    added = reduce(add, (Moments.of(*block) for block in blocks))
    for name, value in vars(whole).items():
        assert getattr(added, name) == pytest.approx(value, abs=1e-10), name
    assert added.ridge(1e-3)(rows) == pytest.approx(whole.ridge(1e-3)(rows), abs=1e-9)


@pytest.mark.parametrize("penalty", [1e-6, 0.1, 1000.0])
def test_values_that_are_spread_out_have_the_labels_mean_and_variance(penalty):
    rows, labels = rows_and_labels()
    moments = Moments.of(rows, labels)
    line = moments.ridge(penalty)
    values = moments.spread_out(line)(rows)
    assert values.mean(axis=0) == pytest.approx(labels.mean(axis=0))
    assert values.var(axis=0) == pytest.approx(labels.var(axis=0))
    for shrunk, spread in zip(line(rows).T, values.T, strict=True):
        assert np.corrcoef(shrunk, spread)[0, 1] == pytest.approx(1)


def test_rows_that_say_nothing_are_read_as_the_labels_mean():
    labels = rows_and_labels()[1]
    for same in (np.zeros((200, 3)), np.full((200, 3), 7.0)):
        moments = Moments.of(same, labels)
        line = moments.spread_out(moments.ridge(1e-3))
        assert line(same[:2]) == pytest.approx(np.tile(labels.mean(axis=0), (2, 1)))


def test_what_does_not_fit_is_refused():
    rows, labels = rows_and_labels()
    with pytest.raises(ValueError, match=r"\(N, E\) and \(N, K\), none empty, found \(200, 5\) and \(3, 2\)"):
        Moments.of(rows, labels[:3])
    with pytest.raises(ValueError, match=r"none empty, found \(0, 5\) and \(0, 2\)"):
        Moments.of(rows[:0], labels[:0])
    with pytest.raises(ValueError, match=r"as many features and labels, found \(5, 2\) and \(4, 2\)"):
        Moments.of(rows, labels) + Moments.of(rows[:, :4], labels)
    with pytest.raises(ValueError, match="penalty must be positive and finite, found 0"):
        Moments.of(rows, labels).ridge(0)
