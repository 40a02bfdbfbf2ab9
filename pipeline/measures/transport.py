"""Exact optimal transport between two samples whose points all weigh the same, by few of the pairs.

The network simplex over all N·M pairs spends its time on pairs that no plan would use. Here it gets few of them
(column generation): those that a smaller problem makes likely, and then, round by round, those that would make its
plan cheaper: whose cost is below the sum of their two points' potentials. When there are none, the potentials
prove that no plan over all pairs is cheaper. That is linear programming's duality, and no heuristic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ot.lp.emd_wrap import emd_c_sparse

Doubles = NDArray[np.float64]
Pairs = NDArray[np.intp]
"""Places of some pairs among all N·M, row by row, ascending: few, where a mask of all would cost every round."""

SMALL = 500
"""Points on either side up to which all pairs are taken at once."""

GROUPS = 12
"""Of rows and of columns: a point offers its best pair in each group, so that distant ones are among them."""

ROWS_AT_ONCE = 64
"""Of the costs, where all columns are looked at."""

TOLERANCE = 1e-11
"""How far the cost may be proven above the least one, as a share of the largest cost.

The simplex's rounding leaves 1e-12, as it begins with costs of thousands for what no pair serves yet.
"""

MAX_ITERATIONS = 10_000_000
"""Of the network simplex. POT's own limit stops 5000 points early, up to 4 % off."""

OPTIMAL = 1
STOPPED = {0: "infeasible", 2: "unbounded", 3: "numItermax reached before optimality"}
"""POT's codes for what became of a problem."""


def least_transport_cost(cost: Doubles) -> float:
    """The least mean cost of moving one sample onto the other: min over couplings of Σ π_ij c_ij.

    Each row sends 1/N and each column receives 1/M; N and M may differ.

    Args:
        cost: (N, M), finite and not negative.

    Returns: at least 0, at most 1e-11 of the largest cost above the optimum.

    Raises ValueError for a cost that is empty, negative or not finite, RuntimeError where the solver stopped
    before the optimum.

    >>> import numpy as np
    >>> least_transport_cost(np.array([[7.0, 1.0], [3.0, 3.0]]))
    2.0
    """
    if cost.ndim != 2 or not cost.size or not (cost.min() >= 0 and np.isfinite(cost.max())):
        raise ValueError(f"cost must be (N, M), finite and not negative, found {cost.shape}, or other values")
    # The simplex's tolerance is absolute: below costs of 1e-15 it takes any plan for the best one.
    scale = float(cost.max())
    if scale == 0:
        return 0.0
    return max(_solve(Costs(cost, scale))[0], 0.0) * scale


@dataclass(frozen=True)
class Costs:
    """Costs as shares of the largest, divided where they are asked for: a copy of 5000 by 5000 takes 200 MB."""

    raw: Doubles
    largest: float

    @property
    def shape(self) -> tuple[int, int]:
        """(N, M)"""
        return self.raw.shape[0], self.raw.shape[1]

    def __getitem__(self, where: Any) -> Doubles:
        """Those of some rows, or of some rows and columns."""
        some: Doubles = self.raw[where] / self.largest
        return some

    def at(self, places: Pairs) -> Doubles:
        """Those of some pairs, (K,)."""
        some: Doubles = self.raw.ravel()[places] / self.largest
        return some

    def between(self, rows: Pairs, columns: Pairs) -> Costs:
        """Those of a smaller problem."""
        return Costs(self.raw[np.ix_(rows, columns)], self.largest)


def _solve(cost: Costs) -> tuple[float, Doubles, Doubles]:
    """The least cost, and the potentials of the rows and of the columns that prove it."""
    if min(cost.shape) <= SMALL:
        return _solve_pairs(cost, np.arange(cost.raw.size))
    row, column = _first_potentials(cost)
    cheaper, _ = _cheapest_pairs(cost, row, column, np.inf)
    chosen = np.union1d(_some_plan(*cost.shape), cheaper)
    while True:
        total, row, column = _solve_pairs(cost, chosen, row, column)
        cheaper, bound = _cheapest_pairs(cost, row, column, 0.0)
        if total - bound <= TOLERANCE:
            return total, row, column
        more = np.union1d(chosen, cheaper)
        if len(more) == len(chosen):  # the simplex's plan should have used them
            raise RuntimeError(_stopped(cost, f"its potentials prove {bound} and its plan costs {total}"))
        chosen = more


def _solve_pairs(cost: Costs, chosen: Pairs, *begin: Doubles) -> tuple[float, Doubles, Doubles]:
    """The least cost by the chosen pairs alone, and potentials; those to begin with make the simplex quick."""
    rows, columns = cost.shape
    source, target = np.divmod(chosen, columns)
    solved: tuple[Any, ...] = emd_c_sparse(
        np.full(rows, 1 / rows),
        np.full(columns, 1 / columns),
        source.astype(np.uint64),
        target.astype(np.uint64),
        cost.at(chosen),
        MAX_ITERATIONS,
        *begin,
    )
    *_, total, row, column, code = solved
    if code != OPTIMAL:
        reason = STOPPED.get(code, f"code {code}")
        raise RuntimeError(_stopped(cost, f"POT: {reason}"))
    # What is added to all rows and taken from all columns proves as much: near 0 it loses the fewest digits.
    return float(total), row - row[0], column + row[0]


def _first_potentials(cost: Costs) -> tuple[Doubles, Doubles]:
    """Those of the problem between a quarter of the rows and one of the columns, carried over to all of them.

    A column's is the highest at which no sampled row undercuts it, and then a row's likewise.
    """
    draw = np.random.default_rng(0)
    rows, columns = (draw.choice(count, count // 4, replace=False) for count in cost.shape)
    _, row, _ = _solve(cost.between(rows, columns))
    column = np.full(cost.shape[1], np.inf)
    for start in range(0, len(rows), ROWS_AT_ONCE):
        some = slice(start, start + ROWS_AT_ONCE)
        np.minimum(column, (cost[rows[some]] - row[some, None]).min(axis=0), out=column)
    return np.array([(cost[one] - column).min() for one in range(cost.shape[0])]), column


def _some_plan(rows: int, columns: int) -> Pairs:
    """The pairs of one plan, whatever it costs: one wherever the next point of either sample begins."""
    begins = np.union1d(np.arange(rows) * columns, np.arange(columns) * rows)
    return np.unique(begins // columns * columns + begins // rows)


def _cheapest_pairs(cost: Costs, row: Doubles, column: Doubles, below: float) -> tuple[Pairs, float]:
    """Each row's and each column's pair of the least reduced cost in each group of the other, if it is `below`.

    The reduced cost is the cost less both potentials. Returns the pairs, and what the potentials prove: no plan
    costs less than their means, once each row's is moved so far that its least reduced cost is 0.
    """
    rows, columns = cost.shape
    found, least = [], np.full(rows, np.inf)
    for group in range(GROUPS):
        own = slice(group, None, GROUPS)  # neighbours in different groups, where the samples come sorted
        places = np.arange(rows)[own] * columns
        for part in range(GROUPS):
            theirs = slice(columns * part // GROUPS, columns * (part + 1) // GROUPS)
            reduced = cost[own, theirs]
            reduced -= row[own, None]
            reduced -= column[theirs]
            best_of_row = np.arange(len(reduced)), reduced.argmin(axis=1)
            best_of_column = reduced.argmin(axis=0), np.arange(reduced.shape[1])
            least[own] = np.minimum(least[own], reduced[best_of_row])
            for best in (best_of_row, best_of_column):
                worthy = reduced[best] < below
                found.append(places[best[0][worthy]] + theirs.start + best[1][worthy])
    return np.unique(np.concatenate(found)), float(row.mean() + column.mean() + least.mean())


def _stopped(cost: Costs, reason: str) -> str:
    return f"transport between {cost.shape[0]} and {cost.shape[1]} points must reach the optimum, {reason}"
