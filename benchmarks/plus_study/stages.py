"""At what size, and which of the candidates, each stage of the study compares.

A part of it, no command.
"""

from __future__ import annotations

from dataclasses import dataclass

from worlds.kinds import KINDS, STEEPER
from worlds.labels import TEST1
from worlds.world import MSP_ROWS, Sizes

from pipeline.manifest import DEVELOPMENT, TRAIN
from plus_study.candidates import BASELINES, CANDIDATES, FIRST_WINNER, WINNER


@dataclass(frozen=True)
class Stage:
    """At what size candidates are compared."""

    worlds: tuple[int, ...]
    seeds: tuple[int, ...]
    sizes: Sizes
    embedding: int
    epochs: int
    learning_rate: float
    split: str = DEVELOPMENT
    kinds: tuple[str, ...] = ()
    """Of the worlds, in their order; all plain where there is none."""

    def kind_of(self, world: int) -> str:
        """The kind of one of the worlds, by its seed."""
        return self.kinds[self.worlds.index(world)] if self.kinds else "plain"


SMALL = Sizes({TRAIN: 8_000, DEVELOPMENT: 3_000, TEST1: 3_000}, speech=256, text=192, prompt_lists=56)
LARGE = Sizes({TRAIN: 8_000, DEVELOPMENT: 4_000, TEST1: 4_000})
MSP = Sizes(MSP_ROWS)
STAGES = {
    "screen": Stage((0, 1, 2), (0, 1), SMALL, 128, 12, 0.001),
    "compare": Stage((0, 1, 2), (0, 1, 2, 3, 4), SMALL, 128, 12, 0.001),
    "confirm": Stage((100, 101, 102), tuple(range(100, 110)), SMALL, 128, 12, 0.001, TEST1),
    "again": Stage((10, 11, 12, 13), (0, 1, 2, 3, 4), SMALL, 128, 12, 0.001),
    "confirm again": Stage((120, 121, 122, 123), tuple(range(120, 130)), SMALL, 128, 12, 0.001, TEST1),
    "large": Stage((110, 111, 112), (110, 111, 112, 113, 114), LARGE, 512, 8, 0.001, TEST1),
    "full": Stage((200, 201, 202), (200, 201, 202, 203, 204), MSP, 512, 15, 0.0001, TEST1),
    "steeper": Stage(
        tuple(range(40, 50)), (0, 1, 2), SMALL, 128, 12, 0.001, kinds=("plain", "periodic", *STEEPER) * 2
    ),
    "plane": Stage((20, 21, 22, 23, 24, 25), (0, 1, 2, 3, 4), SMALL, 128, 12, 0.001, kinds=tuple(KINDS)),
}

PLAN = {
    "compare": (
        *BASELINES,
        "both directions",
        FIRST_WINNER,
        WINNER,
        "linear, density 0.5, regression 1, gap 1",
        "both, density 1, temperature 1 fixed",
        "both, density 1, gap 1",
        "both, density 1, equal",
        "both, density 1, regression 1",
    ),
    "confirm": (*BASELINES, FIRST_WINNER),
    "again": (
        *BASELINES,
        FIRST_WINNER,
        WINNER,
        "linear, regression 1",
        "linear, density 0.5",
        "linear, density 0.5, regression 1, gap 1",
        "linear, density 1, regression 1, temperature 1 fixed",
        "one direction, linear",
        "one direction, density 1",
        "one direction, linear, density 0.5",
        "one direction, linear, density 1",
    ),
    "confirm again": (*BASELINES, WINNER),
    "large": (*BASELINES, WINNER),
    "full": (*BASELINES, WINNER),
    "steeper": BASELINES,
    "plane": (
        *BASELINES,
        WINNER,
        *(name for name in CANDIDATES if name.startswith(("plane", "fixed")) or "rate x4" in name),
    ),
}
