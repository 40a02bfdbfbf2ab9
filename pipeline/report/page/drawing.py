"""Inline SVG: a drawing with a title and a description, scales with round ticks, and marks that stay small."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from xml.etree import ElementTree

from markupsafe import Markup

Point = tuple[float, float]


@dataclass(frozen=True)
class Scale:
    """A linear map from values to pixels."""

    lowest: float
    highest: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.lowest) / (self.highest - self.lowest)
        return self.start + share * (self.end - self.start)

    def ticks(self, count: int = 5) -> list[float]:
        """About `count` round values within the scale.

        >>> Scale(0, 1.17, 0, 100).ticks()
        [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
        """
        step = round_step((self.highest - self.lowest) / count)
        first, last = math.ceil(self.lowest / step - 1e-9), math.floor(self.highest / step + 1e-9)
        return [round(i * step, 10) for i in range(first, last + 1)]


def round_step(step: float) -> float:
    """The nearest of 1, 2 and 5 times a power of ten that is not much below a step above 0.

    >>> round_step(0.234), round_step(7), round_step(1)
    (0.2, 10.0, 1.0)
    """
    power = 10.0 ** math.floor(math.log10(step))
    return next(round(factor * power, 12) for factor in (1, 2, 5, 10) if step / power <= 1.25 * factor)


def plain(value: float) -> str:
    """A coordinate or a tick in as few characters as it needs.

    >>> plain(1.25), plain(3.0), plain(-0.04)
    ('1.2', '3', '0')
    """
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def figure(value: float) -> str:
    """A number as it is printed, with a minus that is as wide as a digit.

    >>> figure(-0.5)
    '−0.5'
    """
    return f"{value:g}".replace("-", "\N{MINUS SIGN}")


class Drawing:
    """An SVG of `width` by `height` pixels that scales with the page.

    Every text goes through an XML writer, so that none can become markup. Colours come from the page's style by
    class, so that they follow its theme.
    """

    def __init__(self, name: str, width: int, height: int, title: str, description: str) -> None:
        """`name` is unique on the page; `title` and `description` are what a screen reader says."""
        about = {"aria-labelledby": f"{name}-title {name}-description", "role": "img"}
        self._root = ElementTree.Element("svg", {"viewBox": f"0 0 {width} {height}", **about})
        ElementTree.SubElement(self._root, "title", {"id": f"{name}-title"}).text = title
        ElementTree.SubElement(self._root, "desc", {"id": f"{name}-description"}).text = description

    def text(
        self, at: Point, text: str, look: str = "label", anchor: str = "start", turned: bool = False
    ) -> None:
        """Write text that starts, ends or is centred at a point (`start`, `end`, `middle`)."""
        x, y = map(plain, at)
        place = {"x": x, "y": y, "class": look, "text-anchor": anchor}
        if turned:
            place["transform"] = f"rotate(-90 {x} {y})"
        ElementTree.SubElement(self._root, "text", place).text = text

    def path(self, steps: str, look: str) -> None:
        """Draw a path of SVG's steps; nothing for none."""
        if steps:
            ElementTree.SubElement(self._root, "path", {"d": steps, "class": look})

    def line(self, points: Iterable[Point], look: str) -> None:
        """Join points by a line."""
        self.path(polyline(points), look)

    def box(self, left: float, top: float, right: float, bottom: float, look: str) -> None:
        """Draw a rectangle."""
        sides = f"H{plain(right)}V{plain(bottom)}H{plain(left)}Z"
        self.path(f"M{plain(left)} {plain(top)}{sides}", look)

    def axis_below(
        self, scale: Scale, top: float, bottom: float, title: str, ticks: list[float] | None = None
    ) -> None:
        """Grid lines from `top` to `bottom`, figures under them, and what they measure."""
        for tick in scale.ticks() if ticks is None else ticks:
            self.line([(scale(tick), top), (scale(tick), bottom)], "zero" if tick == 0 else "grid")
            self.text((scale(tick), bottom + 14), figure(tick), "tick", "middle")
        self.text(((scale.start + scale.end) / 2, bottom + 31), title, "axis", "middle")

    def axis_left(self, scale: Scale, left: float, right: float, title: str) -> None:
        """Grid lines from `left` to `right`, figures before them, and what they measure."""
        for tick in scale.ticks():
            self.line([(left, scale(tick)), (right, scale(tick))], "grid")
            self.text((left - 6, scale(tick) + 4), figure(tick), "tick", "end")
        self.text((12, (scale.start + scale.end) / 2), title, "axis", "middle", turned=True)

    def markup(self) -> Markup:
        """The SVG, to be put into a page as it is."""
        return Markup(ElementTree.tostring(self._root, encoding="unicode"))


def polyline(points: Iterable[Point]) -> str:
    """A path through points."""
    return "".join(f"{'L' if i else 'M'}{plain(x)} {plain(y)}" for i, (x, y) in enumerate(points))


def dots(points: Iterable[Point]) -> str:
    """A path with a line of no length at every point: with round ends, a dot in ten characters."""
    return "".join(f"M{plain(x)} {plain(y)}h0" for x, y in points)


def triangles(points: Iterable[Point], size: float = 3.0) -> str:
    """A path with a triangle around every point."""
    sides = f"l{plain(size)} {plain(1.7 * size)}h{plain(-2 * size)}z"
    return "".join(f"M{plain(x)} {plain(y - size)}{sides}" for x, y in points)


def diamonds(points: Iterable[Point], size: float = 5.0) -> str:
    """A path with a diamond around every point."""
    s = plain(size)
    return "".join(f"M{plain(x)} {plain(y - size)}l{s} {s}l-{s} {s}l-{s}-{s}z" for x, y in points)
