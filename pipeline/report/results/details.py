"""An evaluation as the files behind the page: see `pipeline.report.results.detail_files`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from pipeline.measures import ATTRIBUTE_OF_TEST, Evaluation, mapped_rows
from pipeline.report.results.detail_files import Details, Row
from pipeline.report.results.plots import principal_plane
from pipeline.report.results.records import Evaluations, list_rows, retrieval_rows
from pipeline.sentences import WordedPrompt

POINTS = 1500
"""At most so many points a map, of both modalities together."""

Histories = Mapping[str, Sequence[Mapping[str, float]]]
"""Method → epochs; none for heads that were not trained."""


def write_details(
    evaluations: Evaluations,
    histories: Mapping[int, Histories],
    prompts: Sequence[WordedPrompt],
    about: Row,
    folder: Path,
) -> None:
    """Write what the page needs of the evaluations of each training seed.

    `histories` has the same seeds, `prompts` are the ordinality test's, `about` is what `about_run` says. Only
    the first seed has maps.
    """
    first_seed = next(iter(evaluations))
    evaluation = evaluations[first_seed]
    Details(
        trials=[row for seed, found in evaluations.items() for row in _trials(seed, found)],
        lists=list(list_rows(evaluations)),
        retrievals=list(_retrievals(evaluations, prompts)),
        maps=list(_maps(first_seed, evaluation)),
        epochs=[
            {"method": method, "seed": seed, **epoch, "epoch": int(epoch["epoch"])}
            for seed, found in histories.items()
            for method, history in found.items()
            for epoch in history
        ],
        about=about
        | {
            "clips": len(evaluation.pairs),
            "methods": list(evaluation.embedded),
            "titles": {name: evaluation.contenders[name].title for name in evaluation.embedded},
        },
    ).write(folder)


def _trials(seed: int, evaluation: Evaluation) -> Iterator[Row]:
    for method, readings in evaluation.readings.items():
        for reading, values in readings.items():
            for trial, value in enumerate(values.tolist()):
                yield {"method": method, "seed": seed, "trial": trial, "reading": reading, "value": value}


def _retrievals(evaluations: Evaluations, prompts: Sequence[WordedPrompt]) -> Iterator[Row]:
    """The retrievals with what was asked for: the page shows one attribute, the test's own."""
    asked = {(prompt.test, prompt.list, prompt.position): prompt for prompt in prompts}
    for row in retrieval_rows(evaluations):
        prompt, attribute = asked[row["test"], row["list"], row["position"]], ATTRIBUTE_OF_TEST[row["test"]]
        yield {
            **{name: row[name] for name in ("method", "seed", "test", "list", "position", "utterance_id")},
            "text": prompt.text,
            "intended": getattr(prompt, attribute),
            "value": row[attribute],
        }


def _maps(seed: int, evaluation: Evaluation) -> Iterator[Row]:
    """Both modalities of the same clips in the plane of their two first principal components."""
    mapped = mapped_rows(len(evaluation.pairs))[: POINTS // 2]
    order = np.argsort(mapped)
    chosen = mapped[order]
    labels = evaluation.pairs.labels[chosen]
    for method, embedded in evaluation.embedded.items():
        both = np.concatenate([embedded.speech[order], embedded.text[order]]).astype(np.float64)
        plane, (x_share, y_share) = principal_plane(both)
        for modality, points in (("speech", plane[: len(chosen)]), ("captions", plane[len(chosen) :])):
            for (x, y), (valence, arousal) in zip(points.tolist(), labels.tolist(), strict=True):
                yield {
                    "method": method,
                    "seed": seed,
                    "modality": modality,
                    "x": x,
                    "y": y,
                    "x_share": x_share,
                    "y_share": y_share,
                    "valence": valence,
                    "arousal": arousal,
                }
