"""Captions of labels all over the plane that belong to no clip: what a rank loss can learn from without audio."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from pipeline.captions.captioning import MOST_DRAWS, describe_apart
from pipeline.captions.scales import GRADES
from pipeline.config import Plane
from pipeline.sentences import PLANE_SCHEMA


class Spot(NamedTuple):
    """One caption of the plane to write."""

    valence: float
    arousal: float
    draw: int

    @property
    def cell(self) -> str:
        """Valence and arousal as `4.25 3.5`."""
        return f"{self.valence:g} {self.arousal:g}"


def plane_spots(settings: Plane) -> list[Spot]:
    """Every cell of the grid over the ordinality test's range, 0.5 to 7, and each of its draws.

    The grid goes from end to end in equal steps, of the size nearest to the one asked for.

    >>> len(plane_spots(Plane(step=0.5, draws=2)))
    392
    """
    steps = np.linspace(GRADES[0], GRADES[-1], settings.side).round(2).tolist()
    return [
        Spot(valence, arousal, draw)
        for valence in steps
        for arousal in steps
        for draw in range(settings.draws)
    ]


def caption_plane(settings: Plane, seed: int, exclude: Set[str]) -> pa.Table:
    """Describe every spot by the lexicon: a table of PLANE_SCHEMA.

    No sentence is in `exclude`, where the captions of clips and the test's prompts belong, and none is twice in a
    cell. Raises RuntimeError where 1000 draws find none that is allowed.
    """
    spots = plane_spots(settings)
    texts: list[str] = []
    of_cell: dict[str, set[str]] = {}
    for spot in spots:
        taken = of_cell.setdefault(spot.cell, set())
        name = (seed, "plane", spot.cell, spot.draw)
        text = describe_apart(spot.valence, spot.arousal, name, exclude, taken)
        if text is None:
            raise RuntimeError(
                f"a caption of the plane must be no clip's and no prompt, found none in {MOST_DRAWS} draws for "
                f"valence {spot.valence:g}, arousal {spot.arousal:g}: change caption.seed"
            )
        taken.add(text)
        texts.append(text)
    return plane_table(spots, texts)


def plane_table(spots: Sequence[Spot], texts: Sequence[str]) -> pa.Table:
    """The captions of the plane as the table that is written."""
    columns = [[spot.valence for spot in spots], [spot.arousal for spot in spots], list(texts)]
    return pa.table(columns, schema=PLANE_SCHEMA)
