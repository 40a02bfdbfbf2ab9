"""A small evaluation for tests of the page, from seeded noise, with ids and sentences of one's choice."""

from __future__ import annotations

import numpy as np

from pipeline.captions.prompts import ordinality_plan
from pipeline.features.pairs import Pairs
from pipeline.measures.evaluation import (
    Embedded,
    Evaluation,
    mapped_rows,
    measure_halves,
    measure_ordinality,
    prompt_lists,
)
from pipeline.methods import METHODS
from pipeline.report.results.tables import ALIGNMENT_READINGS, DIRECTIONS, FURTHER
from pipeline.sentences import WordedPrompt

CLIPS, LISTS, TRIALS, EPOCHS = 40, 3, 5, 6
RETRIEVAL = [
    f"{way}_{kind}" for way in DIRECTIONS for kind in ("recall_1", "recall_5", "recall_10", "mean_rank")
]

ABOUT = {
    "corpus": "sample corpus (synthetic speech), test1",
    "synthetic": True,
    "split": "test1",
    "settings": {"train": {"seed": 0, "epochs": EPOCHS, "methods": ["a", "b"]}, "extract": {"revision": None}},
    "recipes": [{"modality": "speech", "model": "builtin:sample-speech", "max_length": 10.0}],
    "origins": [
        {"modality": "speech", "rows": 40, "first": "2026-01-01T00:00:00+00:00",
         "last": "2026-01-02T00:00:00+00:00",
         "device": "cpu", "torch": "2.11"},
    ],
}  # fmt: skip


def made_prompts(words: str = "The person is speaking calmly.") -> list[WordedPrompt]:
    """Prompts that differ in their numbers."""
    return [
        WordedPrompt(
            p.test, p.list, p.position, p.valence, p.arousal, f"{words} {p.test} {p.list} {p.position}"
        )
        for p in ordinality_plan(LISTS)
    ]


def made_evaluation(seed: int, prompts: list[WordedPrompt], ids: str = "clip") -> Evaluation:
    """Every method, on noise."""
    rng = np.random.default_rng(seed)

    def rows(count: int) -> np.ndarray:
        points = rng.standard_normal((count, 8)).astype(np.float32)
        return points / np.linalg.norm(points, axis=1, keepdims=True)

    labels = np.random.default_rng(0).uniform(1, 7, (CLIPS, 2))
    pairs = Pairs([f"{ids}{i}" for i in range(CLIPS)], rows(CLIPS), rows(CLIPS), labels, [None] * CLIPS)
    embedded = {name: Embedded(rows(CLIPS), rows(CLIPS), rows(len(prompts))) for name in METHODS}
    return Evaluation(
        pairs,
        {name: found.of(mapped_rows(CLIPS)) for name, found in embedded.items()},
        {
            name: {reading: rng.uniform(0.1, 0.9, TRIALS) for reading in ALIGNMENT_READINGS}
            for name in METHODS
            if METHODS[name].aligned
        },
        {name: measure_ordinality(found, prompts, labels) for name, found in embedded.items()},
        {name: {measure: rng.uniform() for measure in (*FURTHER, *RETRIEVAL)} for name in METHODS},
        {name: measure_halves(found, prompts, labels, halvings=20) for name, found in embedded.items()},
        {test: prompt_lists(prompts, test)[1] for test in ("aoc", "voc")},
    )


def made_history(seed: int) -> dict[str, list[dict[str, float]]]:
    """Epochs of every method that is trained."""
    rng = np.random.default_rng(seed)
    return {
        name: [
            {
                "epoch": float(epoch),
                "train_loss": 3 / epoch + rng.uniform(),
                "validation_loss": 3 / epoch + rng.uniform(),
                "temperature": 1.0,
            }
            for epoch in range(1, EPOCHS + 1)
        ]
        if METHODS[name].loss
        else []
        for name in METHODS
    }
