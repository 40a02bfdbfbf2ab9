"""The page's figures: how values spread, where both modalities lie, how training went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from pipeline.manifest import LABEL_MAX, LABEL_MIN
from pipeline.report.page.drawing import Drawing, Scale, diamonds, dots, polyline, triangles
from pipeline.report.results import Row

GOLDEN = 0.618033988749895
"""Its multiples spread evenly: dots that lie beside each other without chance."""

WIDTH = 420
"""Pixels; a phone shows a figure nearly at this size, so its text stays legible."""

COLOURS = 12
"""Steps of the labels' colour scale, half a point each."""

THIRDS = (("low", 1.0, 3.0), ("mid", 3.0, 5.0), ("high", 5.0, 7.01))
"""Parts of the labels' scale whose means a map joins, so that order shows without colour."""

FEWEST_IN_THIRD = 3


@dataclass(frozen=True)
class Spread:
    """The values of one method in a figure."""

    title: str
    ours: bool
    seeds: Mapping[int, Sequence[float]]
    published: tuple[float, float] | None
    """The paper's mean and standard deviation, where it has them."""

    @property
    def values(self) -> list[float]:
        """Those of all seeds."""
        return [value for values in self.seeds.values() for value in values]

    @property
    def means(self) -> list[float]:
        """Of each seed."""
        return [float(np.mean(values)) for values in self.seeds.values()]

    @property
    def mean_and_std(self) -> str:
        """As the tables have it: the deviation of the seeds' means, or of the only seed's values."""
        return mean_and_std(self.means if len(self.seeds) > 1 else self.values)


def draw_spreads(
    name: str, title: str, unit: str, spreads: Sequence[Spread], lowest: float, highest: float
) -> Markup:
    """A row a method: a dot a value, a box around the middle half, the mean, and the paper's mean ± deviation."""
    row, top = 58, 8
    bottom = top + row * len(spreads)
    scale = Scale(lowest, highest, 14, WIDTH - 14)
    said = "; ".join(f"{s.title}: {in_words(s)}" for s in spreads)
    drawing = Drawing(name, WIDTH, bottom + 38, title, f"{unit}. {said}.")
    drawing.axis_below(scale, top, bottom, unit)
    for i, spread in enumerate(spreads):
        _draw_spread(drawing, scale, top + i * row, spread)
    return drawing.markup()


def _draw_spread(drawing: Drawing, scale: Scale, top: float, spread: Spread) -> None:
    values = np.array(spread.values)
    middle = top + 33
    drawing.text((14, top + 15), spread.title, "label ours" if spread.ours else "label")
    drawing.text((WIDTH - 14, top + 15), spread.mean_and_std, "number", "end")
    heights = middle + 14 * ((np.arange(len(values)) * GOLDEN) % 1 - 0.5)
    drawing.path(dots(zip(map(scale, values), heights, strict=True)), "dots ours" if spread.ours else "dots")
    lower, median, upper = np.percentile(values, [25, 50, 75])
    if len(values) > 1:
        drawing.box(scale(lower), middle - 9, scale(upper), middle + 9, "quartiles")
        drawing.line([(scale(median), middle - 9), (scale(median), middle + 9)], "median")
    if spread.published:
        mean, std = spread.published
        ends = [scale(max(mean - std, scale.lowest)), scale(min(mean + std, scale.highest))]
        drawing.line([(ends[0], middle + 14), (ends[1], middle + 14)], "published")
        drawing.path(diamonds([(scale(mean), middle + 14)], 4.5), "published")
    if len(spread.seeds) > 1:
        drawing.path(diamonds([(scale(mean), middle) for mean in spread.means], 3), "mean")
    drawing.path(diamonds([(scale(float(values.mean())), middle)]), "mean")


def draw_map(name: str, title: str, points: Sequence[Row], attribute: str) -> Markup:
    """Speech as dots and captions as triangles in one plane, coloured by a label.

    Both axes have one scale. Lines join the means of the low, the middle and the high third of the label.
    """
    size, left, top = 340, 34, 6
    horizontal, vertical = _equal_scales(points, left, top, size)
    first = points[0]
    counts = f"{sum(p['modality'] == 'speech' for p in points)} clips and their captions"
    joined = {m: _third_means(points, m, attribute) for m in ("speech", "captions")}
    drawing = Drawing(
        name, WIDTH - 40, size + 52, title, f"{counts}, coloured by {attribute}. {_apart(joined)}"
    )
    drawing.box(left, top, left + size, top + size, "frame")
    for modality, mark, look in (("captions", triangles, "triangle"), ("speech", dots, "dot")):
        by_colour: dict[int, list[tuple[float, float]]] = {}
        for p in points:
            if p["modality"] == modality:
                by_colour.setdefault(colour_of(p[attribute]), []).append(
                    (horizontal(p["x"]), vertical(p["y"]))
                )
        for colour, places in sorted(by_colour.items()):
            drawing.path(mark(places), f"{look} {look[0]}{colour}")
    for modality, means in joined.items():
        places = [(horizontal(x), vertical(y)) for _, x, y in means]
        for look in ("halo", f"order {modality}"):
            drawing.line(places, look)
        # Above for one modality and below for the other: where the spaces agree, the lines lie on each other.
        beside = -6 if modality == "speech" else 15
        for (third, _, _), (x, y) in zip(means, places, strict=True):
            if third != "mid":
                drawing.text((x, y + beside), third, "third", "middle")
    drawing.text(
        (left + size / 2, top + size + 18), f"first principal component ({first['x_share']:.0%} of the variance)",
        "axis", "middle",
    )  # fmt: skip
    drawing.text((18, top + size / 2), f"second ({first['y_share']:.0%})", "axis", "middle", turned=True)
    return drawing.markup()


def _equal_scales(points: Sequence[Row], left: float, top: float, size: float) -> tuple[Scale, Scale]:
    """Scales of the same pixels a unit, with all points inside."""
    lowest = [min(p[axis] for p in points) for axis in "xy"]
    highest = [max(p[axis] for p in points) for axis in "xy"]
    half = 0.54 * max(max(h - low for h, low in zip(highest, lowest, strict=True)), 1e-9)
    x, y = ((h + low) / 2 for h, low in zip(highest, lowest, strict=True))
    return Scale(x - half, x + half, left, left + size), Scale(y - half, y + half, top + size, top)


def _third_means(points: Sequence[Row], modality: str, attribute: str) -> list[tuple[str, float, float]]:
    """The mean place of the points of each third of the label's scale that has enough of them."""
    means = []
    for third, lowest, below in THIRDS:
        inside = [p for p in points if p["modality"] == modality and lowest <= p[attribute] < below]
        if len(inside) >= FEWEST_IN_THIRD:
            x, y = (float(np.mean([p[axis] for p in inside])) for axis in "xy")
            means.append((third, x, y))
    return means


def _apart(joined: Mapping[str, list[tuple[str, float, float]]]) -> str:
    """The means of the thirds in words, for who cannot see them."""
    said = [
        f"{modality}: " + ", ".join(f"{third} at ({x:.2f}, {y:.2f})" for third, x, y in means)
        for modality, means in joined.items()
    ]
    return f"Mean places of the thirds of the label's scale: {'; '.join(said)}."


def colour_of(label: float) -> int:
    """The step of the colour scale that a label on 1..7 has, 0..11."""
    share = (label - LABEL_MIN) / (LABEL_MAX - LABEL_MIN)
    return min(max(int(share * COLOURS), 0), COLOURS - 1)


def draw_training(name: str, title: str, epochs: Mapping[int, Sequence[Row]]) -> Markup:
    """Training and validation loss by epoch for each seed, and the epochs whose heads were kept."""
    left, right, top, bottom = 48, WIDTH - 10, 10, 200
    everything = [row for rows in epochs.values() for row in rows]
    losses = [row[key] for row in everything for key in ("train_loss", "validation_loss")]
    margin = 0.05 * (max(losses) - min(losses)) or 0.5
    across = Scale(1, max(max(row["epoch"] for row in everything), 2), left, right)
    up = Scale(min(losses) - margin, max(losses) + margin, bottom, top)
    kept = [min(rows, key=lambda row: row["validation_loss"]) for rows in epochs.values()]
    said = [f"epoch {row['epoch']} with a validation loss of {row['validation_loss']:.4f}" for row in kept]
    drawing = Drawing(name, WIDTH, bottom + 38, title, f"Loss in nats by epoch. Kept: {'; '.join(said)}.")
    drawing.axis_below(across, top, bottom, "epoch", [tick for tick in across.ticks() if tick % 1 == 0])
    drawing.axis_left(up, left, right, "loss (nats)")
    for rows in epochs.values():
        for key, look in (("train_loss", "loss training"), ("validation_loss", "loss validation")):
            drawing.line([(across(row["epoch"]), up(row[key])) for row in rows], look)
    for row in kept:
        drawing.line([(across(row["epoch"]), top), (across(row["epoch"]), bottom)], "kept")
    drawing.path(diamonds([(across(row["epoch"]), up(row["validation_loss"])) for row in kept]), "mean")
    return drawing.markup()


def mean_and_std(values: Sequence[float]) -> str:
    """The mean and, of several values, their sample standard deviation."""
    spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{spread}".replace("-", "\N{MINUS SIGN}")


def in_words(spread: Spread) -> str:
    """Where values lie, for who cannot see them."""
    values = spread.values
    return f"mean {spread.mean_and_std}, from {min(values):.3f} to {max(values):.3f}, {len(values)} values"


def draw_mark(look: str) -> Markup:
    """One mark of the figures, for a legend beside text."""
    drawings = {
        "dots": dots([(11, 8)]),
        "quartiles": "M3 2H19V14H3Z",
        "median": "M11 1V15",
        "mean": diamonds([(11, 8)]),
        "published": f"M1 8H21{diamonds([(11, 8)], 4.5)}",
        "dot d6": dots([(11, 8)]),
        "triangle t6": triangles([(11, 7.5)]),
        "order speech": polyline([(1, 8), (21, 8)]),
        "order captions": polyline([(1, 8), (21, 8)]),
        "loss training": polyline([(1, 8), (21, 8)]),
        "loss validation": polyline([(1, 8), (21, 8)]),
        "kept": "M11 1V15",
    }
    return Markup(
        '<svg viewBox="0 0 22 16" class="mark" aria-hidden="true"><path d="{}" class="{}"/></svg>'
    ).format(drawings[look], look)
