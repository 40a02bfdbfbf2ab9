"""The paper's two tests of trained heads, alignment (Table 1) and ordinality (Table 2), and further measures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from pipeline.config import Evaluate
from pipeline.features import Pairs
from pipeline.measures.alignment import alignment_readings
from pipeline.measures.entries import Embedded, Entry
from pipeline.measures.geometry import modality_gap, pair_distance, spread, uniformity
from pipeline.measures.halves import HALVINGS, halved_consistency
from pipeline.measures.ordinality import OrdinalConsistency
from pipeline.measures.probe import probe_concordance
from pipeline.measures.prompted import (
    ATTRIBUTE_OF_TEST,
    lists_of_tests,
    ordinality_of_points,
    prompt_lists,
)
from pipeline.measures.retrieval import first_relevant_ranks, recall_at
from pipeline.methods import METHODS, Contender
from pipeline.sentences import Prompt
from pipeline.support import Progress

Features = npt.NDArray[np.float32]
Values = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]

MAPPED = 1500
"""At most so many pairs are in a map."""


class Measured(NamedTuple):
    """What a method came to, but for its readings of Table 1: see `Evaluation`."""

    ordinality: dict[str, OrdinalConsistency]
    halves: dict[str, Values]
    further: dict[str, float]


@dataclass(frozen=True)
class Evaluation:
    """What several methods came to on one split, each trained from one seed."""

    pairs: Pairs
    embedded: dict[str, Embedded]
    """Of every method the pairs in `mapped_rows`, or of none where nobody needs them any more."""
    readings: dict[str, dict[str, Values]]
    """Method → reading of Table 1 → (trials,); only methods that belong there."""
    ordinality: dict[str, dict[str, OrdinalConsistency]]
    """Method → `aoc` or `voc` → the lists' taus and retrievals."""
    further: dict[str, dict[str, float]] = field(default_factory=dict)
    """Method → what goes beyond the paper → value: see `measure_further`."""
    halves: dict[str, dict[str, Values]] = field(default_factory=dict)
    """Method → `aoc` or `voc` → (H, 2), the mean tau in both halves of the pool of each halving."""
    intended: dict[str, Values] = field(default_factory=dict)
    """`aoc` or `voc` → (L, Q), what the lists' prompts were written for."""
    contenders: Mapping[str, Contender] = field(default_factory=lambda: METHODS)
    """What the methods are, and maybe others."""

    @classmethod
    def of(cls, pairs: Pairs, prompts: Sequence[Prompt], contenders: Mapping[str, Contender]) -> Evaluation:
        """One that has no method yet."""
        intended = {test: prompt_lists(prompts, test)[1] for test in ATTRIBUTE_OF_TEST}
        return cls(pairs, {}, {}, {}, intended=intended, contenders=contenders)

    def add(self, name: str, measured: Measured, embedded: Embedded | None) -> None:
        """Take up what a method came to, but for its readings, and its embeddings of `mapped_rows`."""
        if embedded is not None:
            self.embedded[name] = embedded
        self.ordinality[name], self.halves[name], self.further[name] = measured

    @property
    def taus(self) -> dict[str, dict[str, Values]]:
        """Method → `aoc` or `voc` → (lists,)."""
        return {
            name: {test: found.tau for test, found in tests.items()}
            for name, tests in self.ordinality.items()
        }


def evaluate_entries(
    entries: Mapping[str, Entry],
    contenders: Mapping[str, Contender],
    pairs: Pairs,
    prompts: Sequence[Prompt],
    settings: Evaluate,
    *,
    workers: int = 2,
) -> Evaluation:
    """Both tests of the paper for each entry, and what goes beyond them.

    All entries are of the clips of `pairs`, in their order; a recording under several ids is one clip to retrieve.
    `contenders` say of each entry what it is.
    """
    trials = draw_trials(len(pairs), settings.pairs, settings.trials, settings.seed)
    aligned = sum(contenders[name].aligned for name in entries)
    found = Evaluation.of(pairs, prompts, contenders)
    pool, mapped = pairs.distinct(), mapped_rows(len(pairs))
    with Progress("alignment", aligned * len(trials), "trials") as progress:
        # One after the other, so that one method's embeddings are there at a time.
        for name, one in entries.items():
            embedded = one.embedded()
            measured = measure_all(embedded, one.fitted(), prompts, pairs.labels, pool, trials[0], settings)
            found.add(name, measured, embedded.of(mapped))
            if contenders[name].aligned:
                found.readings.update(
                    measure_alignment({name: embedded}, trials, workers=workers, advance=progress.advance)
                )
    return found


def measure_all(
    embedded: Embedded,
    fitted: tuple[Embedded, Values] | None,
    prompts: Sequence[Prompt],
    labels: Values,
    pool: Rows,
    rows: npt.NDArray[np.int64],
    settings: Evaluate,
) -> Measured:
    """All but alignment: see `measure_ordinality`, `measure_halves` and `measure_further`."""
    return Measured(
        measure_ordinality(embedded, prompts, labels, pool),
        measure_halves(embedded, prompts, labels, pool),
        measure_further(embedded, labels, fitted, rows, settings),
    )


def mapped_rows(count: int) -> Rows:
    """The pairs, of so many, that maps show, in no order."""
    return np.random.default_rng(0).permutation(count)[:MAPPED]


def draw_trials(count: int, pairs: int, trials: int, seed: int) -> list[npt.NDArray[np.int64]]:
    """Rows of each trial: `pairs` of `count` without replacement; one trial of all rows where that is fewer."""
    if count <= pairs:
        return [np.arange(count)]
    return [
        np.random.default_rng([seed, trial]).choice(count, pairs, replace=False) for trial in range(trials)
    ]


def measure_alignment(
    embedded: Mapping[str, Embedded],
    trials: Sequence[npt.NDArray[np.int64]],
    *,
    workers: int = 2,
    advance: Callable[[int], None] = lambda count: None,
) -> dict[str, dict[str, npt.NDArray[np.float64]]]:
    """Every reading of MMD and Wasserstein distance of each method's trials.

    All methods are measured on the same rows, so that their trials are pairs. Returns method → reading →
    (trials,). `workers` trials are solved at once; `advance` is told of each that is done.
    """

    def one(job: tuple[str, npt.NDArray[np.int64]]) -> dict[str, float]:
        name, rows = job
        return alignment_readings(embedded[name].speech[rows], embedded[name].text[rows])

    jobs = [(name, rows) for name in embedded for rows in trials]
    values: dict[str, list[dict[str, float]]] = {name: [] for name in embedded}
    # One thread a trial: several of BLAS's own would wait for each other.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(workers) as pool:
        for (name, _), readings in zip(jobs, pool.map(one, jobs), strict=True):
            values[name].append(readings)
            advance(1)
    return {name: readings_of(done) for name, done in values.items()}


def measure_trial(speech: Features, text: Features) -> dict[str, float]:
    """As one trial of `measure_alignment`: (P, E), (P, E) → reading → value."""
    with threadpool_limits(1, user_api="blas"):
        return alignment_readings(speech, text)


def readings_of(trials: Sequence[Mapping[str, float]]) -> dict[str, Values]:
    """Of each trial, reading → value, to reading → (trials,)."""
    return {reading: np.array([trial[reading] for trial in trials]) for reading in trials[0]}


def measure_ordinality(
    embedded: Embedded,
    prompts: Sequence[Prompt],
    labels: npt.NDArray[np.float64],
    pool: Rows | None = None,
) -> dict[str, OrdinalConsistency]:
    """Ordinal consistency by retrieval, for valence (`voc`) and for arousal (`aoc`).

    `prompts` belong to the rows of `embedded.prompts`; `labels` (N, 2) are the clips' valence and arousal, and
    `pool` are the rows of the clips to retrieve, ascending, where that is not every one. Raises ValueError where
    there are fewer than a list has prompts.
    """
    return ordinality_of_points(embedded.speech, embedded.prompts, prompts, labels, pool)


def measure_halves(
    embedded: Embedded,
    prompts: Sequence[Prompt],
    labels: npt.NDArray[np.float64],
    pool: Rows | None = None,
    *,
    halvings: int = HALVINGS,
) -> dict[str, Values]:
    """As `measure_ordinality`, the mean tau in the halves of the pool, (H, 2) for each test."""
    _, lists = lists_of_tests(embedded.speech, embedded.prompts, prompts, labels, pool)
    return {test: halved_consistency(*given, halvings=halvings) for test, given in lists.items()}


def measure_further(
    embedded: Embedded,
    labels: Values,
    fitted: tuple[Embedded, Values] | None,
    rows: npt.NDArray[np.int64],
    settings: Evaluate,
) -> dict[str, float]:
    """What users ask of a joint space beyond the paper's tests.

    Concordance of a linear probe from each modality's embeddings to valence and arousal, fitted to those of
    another split and its labels, where they are given; from captions to speech and back, recall at k and the mean
    rank of the first relevant item, within the pairs of the first trial, `rows`; the modality gap; the mean
    squared distance of pairs; each modality's spread and uniformity, over the same rows. `labels` (N, 2) are
    valence and arousal.
    """
    found: dict[str, float] = {}
    for modality in ("speech", "text"):
        if fitted is None:
            continue
        probe = probe_concordance(
            getattr(fitted[0], modality), fitted[1], getattr(embedded, modality), labels
        )
        found |= {
            f"probe_{modality}_valence": float(probe[0]),
            f"probe_{modality}_arousal": float(probe[1]),
        }
    speech, text, near = embedded.speech[rows], embedded.text[rows], labels[rows]
    for direction, queries, pool in (("text_to_speech", text, speech), ("speech_to_text", speech, text)):
        ranks = first_relevant_ranks(queries, pool, near, near, radius=settings.radius)
        found |= {f"{direction}_recall_{k}": recall_at(ranks, k) for k in settings.recall_at}
        found[f"{direction}_mean_rank"] = float(ranks.mean())
    return found | {
        "modality_gap": modality_gap(embedded.speech, embedded.text),
        "pair_distance": pair_distance(embedded.speech, embedded.text),
        "spread_speech": spread(speech),
        "spread_text": spread(text),
        "uniformity_speech": uniformity(speech),
        "uniformity_text": uniformity(text),
    }
