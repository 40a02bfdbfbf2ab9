"""The ordinality test by the lists of its prompts: of any points, and of ceilings, where no head is trained."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.features import Pairs, PairSource, PlaneTexts
from pipeline.measures.ceilings import Fitted, MeasuredCeiling, ceilings
from pipeline.measures.ordinality import Nearness, OrdinalConsistency, ordinal_consistency
from pipeline.measures.ridge import Moments
from pipeline.sentences import PROMPTS_PER_LIST, Prompt

Features = npt.NDArray[np.float32]
Points = npt.NDArray[np.floating[Any]]
Values = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]

ATTRIBUTE_OF_TEST = {"aoc": "arousal", "voc": "valence"}

COLUMN = {"valence": 0, "arousal": 1}
"""Of labels (N, 2)."""


def ordinality_of_points(
    clips: Points,
    queries: Points,
    prompts: Sequence[Prompt],
    labels: Values,
    pool: Rows | None = None,
    *,
    nearness: Nearness = "cosine",
) -> dict[str, OrdinalConsistency]:
    """Ordinal consistency by retrieval, for valence (`voc`) and for arousal (`aoc`).

    `clips` (N, E) have the labels (N, 2), valence and arousal; `queries` (M, E) belong to `prompts`. `pool` are
    the rows of the clips to retrieve, ascending, where that is not every one. Raises ValueError where there are
    fewer than a list has prompts.
    """
    rows, lists = lists_of_tests(clips, queries, prompts, labels, pool)
    found = {test: ordinal_consistency(*given, nearness=nearness) for test, given in lists.items()}
    return {test: OrdinalConsistency(one.tau, rows[one.retrieved]) for test, one in found.items()}


def prompt_lists(prompts: Sequence[Prompt], test: str) -> tuple[list[int], Values]:
    """The prompts of a test's lists, one list after the other, and (L, Q) what they were written for."""
    rows = [i for i, prompt in enumerate(prompts) if prompt.test == test]
    rows.sort(key=lambda i: (prompts[i].list, prompts[i].position))
    intended = [getattr(prompts[i], ATTRIBUTE_OF_TEST[test]) for i in rows]
    return rows, np.array(intended).reshape(-1, PROMPTS_PER_LIST)


def lists_of_tests(
    clips: Points, queries: Points, prompts: Sequence[Prompt], labels: Values, pool: Rows | None = None
) -> tuple[Rows, dict[str, tuple[Points, Values, Points, Values]]]:
    """The pool's rows (P,), and test → queries (L, Q, E), what they are for (L, Q), clips (P, E), labels (P,).

    Arguments and errors are those of `ordinality_of_points`.
    """
    if pool is None or len(pool) == len(labels):
        pool = np.arange(len(labels))
    else:
        clips = clips[pool]
    if len(pool) < PROMPTS_PER_LIST:
        raise ValueError(
            f"the ordinality test needs at least {PROMPTS_PER_LIST} clips to retrieve, found {len(pool)}"
        )
    lists = {}
    for test, attribute in ATTRIBUTE_OF_TEST.items():
        rows, intended = prompt_lists(prompts, test)
        asked = queries[rows].reshape(*intended.shape, -1)
        lists[test] = (asked, intended, clips, labels[pool, COLUMN[attribute]])
    return pool, lists


def measure_ceilings(
    training: PairSource,
    development: Pairs,
    pairs: Pairs,
    prompts: Sequence[Prompt],
    prompt_features: Features,
    plane: PlaneTexts | None = None,
) -> dict[str, MeasuredCeiling]:
    """The ordinality test of every ceiling, by distance in the plane of valence and arousal.

    Readings are fitted to `training`, which is read a block at a time, and their penalties chosen on
    `development`; `pairs` are the clips to retrieve. `plane` are captions of no clip, which a further reading of
    text is fitted to as well.
    """
    speech, text = reduce(
        lambda read, block: (read[0] + block[0], read[1] + block[1]), map(_moments, training.blocks(order=0))
    )
    fitted = {"ridges": text}
    if plane is not None:
        fitted["ridges-plane"] = text + Moments.of(plane.text, plane.labels)
    found = ceilings(
        Fitted(speech, development.speech, development.labels),
        {name: Fitted(moments, development.text, development.labels) for name, moments in fitted.items()},
        pairs.speech,
        pairs.labels,
        prompt_features,
        np.array([[prompt.valence, prompt.arousal] for prompt in prompts]),
    )
    pool = pairs.distinct()
    return {
        name: MeasuredCeiling(
            ordinality_of_points(one.clips, one.prompts, prompts, pairs.labels, pool, nearness="distance"),
            one.penalties,
        )
        for name, one in found.items()
    }


def _moments(pairs: Pairs) -> tuple[Moments, Moments]:
    """Of speech and of text."""
    return Moments.of(pairs.speech, pairs.labels), Moments.of(pairs.text, pairs.labels)
