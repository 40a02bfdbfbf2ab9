"""Ridge regression in closed form, from moments that are gathered a block of rows at a time, in float64."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.measures.arguments import floats, number

Embeddings = NDArray[np.floating[Any]]
Doubles = NDArray[np.float64]

BLOCK_ROWS = 4096
"""Rows that are predicted at once."""

LEAST_VARIANCE = 1e-300
"""Below it all rows are one: there is nothing to read, and a penalty as small would divide nothing by nothing."""


@dataclass(frozen=True)
class LinearMap:
    """(x − centre) · weights + offset"""

    centre: Doubles
    """(E,)"""
    weights: Doubles
    """(E, K)"""
    offset: Doubles
    """(K,)"""

    def __call__(self, rows: Embeddings) -> Doubles:
        """(N, E) to (N, K), few of them in float64 at a time."""
        values = np.empty((len(rows), len(self.offset)))
        for start in range(0, len(rows), BLOCK_ROWS):
            block = slice(start, start + BLOCK_ROWS)
            values[block] = (rows[block] - self.centre) @ self.weights + self.offset
        return values


@dataclass(frozen=True)
class Moments:
    """What a ridge regression must know of N rows and their labels: means, variances and covariances, over N."""

    count: int
    row_mean: Doubles
    """(E,)"""
    label_mean: Doubles
    """(K,)"""
    covariance: Doubles
    """(E, E), of the rows."""
    shared: Doubles
    """(E, K), of the rows with their labels."""
    label_variance: Doubles
    """(K,)"""

    @classmethod
    def of(cls, rows: Embeddings, labels: Doubles) -> Moments:
        """Those of rows (N, E) with labels (N, K). Raises ValueError for shapes that do not fit, or no row."""
        rows, labels = floats("rows", rows), floats("labels", labels).astype(np.float64)
        if rows.ndim != 2 or labels.ndim != 2 or len(rows) != len(labels) or not (rows.size and labels.size):
            raise ValueError(
                f"rows and labels must be (N, E) and (N, K), none empty, found {rows.shape} and {labels.shape}"
            )
        x = rows.astype(np.float64)
        row_mean, label_mean = x.mean(axis=0), labels.mean(axis=0)
        x -= row_mean
        y = labels - label_mean
        return cls(
            len(x), row_mean, label_mean, x.T @ x / len(x), x.T @ y / len(x), np.square(y).mean(axis=0)
        )

    def __add__(self, other: Moments) -> Moments:
        """Those of both sets of rows together. Raises ValueError where their sizes differ."""
        if self.shared.shape != other.shared.shape:
            raise ValueError(
                f"both must have as many features and labels, found {self.shared.shape} and {other.shared.shape}"
            )
        count = self.count + other.count
        mine, theirs = self.count / count, other.count / count
        row_shift, label_shift = other.row_mean - self.row_mean, other.label_mean - self.label_mean
        between = mine * theirs
        return Moments(
            count,
            self.row_mean + theirs * row_shift,
            self.label_mean + theirs * label_shift,
            mine * self.covariance + theirs * other.covariance + between * np.outer(row_shift, row_shift),
            mine * self.shared + theirs * other.shared + between * np.outer(row_shift, label_shift),
            mine * self.label_variance + theirs * other.label_variance + between * np.square(label_shift),
        )

    def ridge(self, penalty: float) -> LinearMap:
        """The ridge regression from the rows to their labels.

        `penalty` is a share of the rows' mean variance, above 0, so that it means the same on any scale.
        """
        variance = float(self.covariance.trace()) / len(self.covariance)
        added = number("penalty", penalty, positive=True) * variance if variance > LEAST_VARIANCE else 1.0
        penalised = self.covariance + added * np.eye(len(self.covariance))
        weights = np.asarray(np.linalg.solve(penalised, self.shared), dtype=np.float64)
        return LinearMap(self.row_mean, weights, self.label_mean)

    def spread_out(self, line: LinearMap) -> LinearMap:
        """A regression of these rows with its values stretched to the labels' variance, each label by itself.

        A penalty and whatever the rows do not tell shrink values towards the labels' mean. Values of no variance
        stay as they are.
        """
        variance = ((self.covariance @ line.weights) * line.weights).sum(axis=0)
        stretch = np.ones(len(variance))
        np.divide(self.label_variance, variance, out=stretch, where=variance > LEAST_VARIANCE)
        return replace(line, weights=line.weights * np.sqrt(stretch))
