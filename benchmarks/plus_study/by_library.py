"""Candidates that the library can train itself, which is several times as fast.

A part of the study, no command.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace

from worlds.world import World

from pipeline.config import Train
from pipeline.features import PlaneTexts
from pipeline.manifest import DEVELOPMENT, TRAIN
from pipeline.measures import Embedded
from pipeline.measures.entries import embed
from pipeline.methods import Loss
from pipeline.training import train
from plus_study.candidates import PAPER, Candidate
from plus_study.stages import Stage

KNOWN = {
    "rank",
    "both",
    "equal",
    "cross_entropy",
    "density",
    "plane",
    "filling",
    "plane_weight",
    "lowest",
    "temperature",
    "fixed",
    "head",
    "rate",
    "batch",
    "calibrated",
    "gap",
}
"""Fields that the library has a setting for."""


def library_settings(candidate: Candidate, stage: Stage) -> tuple[Loss, Train] | None:
    """The loss and the settings that a candidate is; None for one that the library cannot train."""
    default, own = asdict(PAPER), asdict(candidate)
    others = [name for name in own if name not in KNOWN and own[name] != default[name]]
    ranks = (candidate.rank, candidate.cross_entropy) == (1, 0)
    if others or candidate.density not in (0, 1) or candidate.head not in ("relu", "linear"):
        return None
    if not ranks and replace(candidate, rate=1) != Candidate(rank=0, cross_entropy=1):
        return None
    low, high = (candidate.temperature,) * 2 if candidate.fixed else (max(candidate.lowest, 0.02), 100.0)
    return "rank-n-contrast" if ranks else "symmetric-cross-entropy", Train(
        methods=["emotionrankclap"],
        seed=stage.seeds[0],
        seeds=len(stage.seeds),
        epochs=stage.epochs,
        batch_size=candidate.batch,
        learning_rate=stage.learning_rate * candidate.rate,
        embedding_size=stage.embedding,
        temperature=candidate.temperature,
        temperature_bounds=[low, high],
        relu=candidate.head == "relu",
        candidates="farther-or-equal" if candidate.equal else "farther",
        directions="both" if candidate.both else "speech-to-text",
        anchor_weights="inverse-density" if candidate.density else "equal",
        plane_captions=candidate.plane,
        plane_drawn="filling" if candidate.filling else "evenly",
        plane_weight=candidate.plane_weight,
        calibration=candidate.calibrated,
        gap=candidate.gap,
    )


def train_by_library(
    loss: Loss, settings: Train, worlds: Sequence[World], stage: Stage
) -> Iterator[tuple[int, int, Embedded]]:
    """World index, seed and what the heads make of the stage's split."""
    for w, world in enumerate(worlds):
        training, development = (world.splits[name].pairs for name in (TRAIN, DEVELOPMENT))
        pairs = world.splits[stage.split].pairs
        for trained in train(loss, training, development, settings, plane=PlaneTexts(*world.plane)):
            yield w, trained.seed, embed(trained.heads, pairs.speech, pairs.text, world.prompt_features)
