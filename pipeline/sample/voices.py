"""Who speaks: eSpeak NG's variants in two sets that share no voice, and a person's way of using one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.sample.espeak import ACCENTS

# Variants that are near copies of each other (klatt6 and adam, the RicishayMaxes, the stephs …) are all on
# the checkpoint's side. Left out: those without a pitch (whisper, whisperf, croak), those that stretch or
# break words (AnxiousAndy, Marco, Demonic, UniRobot), doubles (fast, anikaRobot, klatt, klatt2, Gene2,
# steph2), and the shrill caleb.
# fmt: off
CORPUS_VARIANTS = (
    "Alex", "Andrea", "Andy", "Annie", "Denis", "Diogo", "Henrique", "Hugo", "Jacky", "Lee", "Mario",
    "Michael", "Mike", "Nguyen", "Reed", "Storm", "anika", "announcer", "antonio", "belinda", "boris", "ed",
    "grandma", "gustave", "ian", "kaukovalta", "linda", "marcelo", "michel", "miguel", "pablo", "pedro",
    "quincy", "rob", "robert", "sandro", "shelby", "travis", "victor", "zac",
)
"""The voices of the sample corpus: one is one speaker."""

CHECKPOINT_VARIANTS = (
    "Mr serious", "Alicia", "Gene", "RicishayMax", "RicishayMax2", "Tweaky", "adam", "aunty", "benjamin",
    "david", "edward", "edward2", "f1", "f2", "f3", "f4", "f5", "grandpa", "iven", "iven2", "iven3",
    "iven4", "john", "klatt3", "klatt4", "klatt5", "klatt6", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8",
    "max", "mike2", "norbert", "paul", "robosoft", "robosoft2", "robosoft3", "robosoft4", "robosoft5",
    "robosoft6", "robosoft7", "robosoft8", "steph", "steph3",
)
"""The voices that train the sample's speech checkpoint."""
# fmt: on


@dataclass(frozen=True, slots=True)
class Speaker:
    """A person: a voice, and habits that have nothing to do with emotion."""

    name: str
    variant: str
    accent: str
    pitch: float
    """Factor on the variant's own pitch."""
    formants: float
    """Factor on the variant's formants: above 1 is a shorter vocal tract."""
    rate: float
    """Words a minute when calm and neutral."""


def draw_speaker(name: str, variant: str, rng: np.random.Generator, spread: float = 1.0) -> Speaker:
    """Draw the habits of a person who speaks with a variant. `spread` scales how far people differ."""
    return Speaker(
        name=name,
        variant=variant,
        accent=ACCENTS[rng.integers(len(ACCENTS))],
        pitch=float(2 ** (0.06 * spread * rng.standard_normal())),
        formants=float(1 + 0.02 * spread * np.clip(rng.standard_normal(), -2, 2)),
        rate=float(170 * (1 + 0.05 * spread * rng.standard_normal())),
    )
