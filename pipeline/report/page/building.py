"""The page: everything an evaluation came to, in one HTML file for readers who never saw the code."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.manifest import LABEL_MAX, LABEL_MIN
from pipeline.methods import METHODS, OURS, PLUS, Method
from pipeline.report.page.examples import TESTS, examples, first_shown
from pipeline.report.page.figures import COLOURS, Spread, draw_map, draw_mark, draw_spreads, draw_training
from pipeline.report.page.tables import ShownTable
from pipeline.report.results import (
    ALIGNMENT_READINGS,
    MMD_READINGS,
    WASSERSTEIN_READINGS,
    Details,
    Row,
    published,
)

TEMPLATES = Path(__file__).with_name("templates")

PAPERS_MEASURE = {next(iter(MMD_READINGS)): "mmd", next(iter(WASSERSTEIN_READINGS)): "wasserstein"}
"""The reading of each distance of Table 1 that the page compares to the paper's figure: our headlines."""

LOSSES = {
    "rank-n-contrast": "cross-modal Rank-N-Contrast: a clip is nearer to a caption than to all those whose "
    "valence and arousal are farther from its own",
    "symmetric-cross-entropy": "CLAP's symmetric cross-entropy: a clip and its own caption, against all others "
    "of the batch",
    "supervised-contrastive": "supervised contrastive: clips and captions of the same emotion class, against "
    "the others",
    None: "none: the projection heads as they are before training, for reference",
}
CAPTIONS = {
    "va": "sentences written from valence and arousal",
    "template": "“speech has … emotion”, with the class's name",
    "clap4emo": "a sentence drawn from a pool of the emotion class",
    "paraclap": "a sentence on pitch, voice quality and rate, as Praat measures them",
}

ELSEWHERE = "not trained here: another model, by the embeddings that it gave"

Figure = dict[str, Any]


def build_page(details: Details, tables: Sequence[ShownTable]) -> str:
    """The page as HTML that needs nothing beside itself. The same figures give the same page."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "ensure_ascii": False}
    script = (TEMPLATES / "page.js").read_text(encoding="utf-8")
    titles = {method: details.title_of(method) for method in details.about["methods"]}
    seeds = sorted({row["seed"] for row in details.lists})
    found = examples(details, seeds[0], titles)
    return environment.get_template("page.html").render(
        about=details.about,
        seeds=seeds,
        tables=tables,
        papers_corpus=published.CORPUS,
        ours=METHODS[OURS].title,
        plus=METHODS[PLUS].title,
        methods=[_method_row(name, title) for name, title in titles.items()],
        glance=list(_glance(details)),
        alignment=list(_alignment_figures(details)),
        ordinality=list(_ordinality_figures(details)),
        maps=list(_map_figures(details)),
        training=list(_training_figures(details)),
        examples=found,
        shown=first_shown(found, OURS),
        lists=1 + max(row["list"] for row in details.lists),
        tests=TESTS,
        settings=list(_flat(details.about["settings"])),
        colours=[f"{LABEL_MIN + i * (LABEL_MAX - LABEL_MIN) / COLOURS:g}" for i in range(COLOURS)],
        label_max=LABEL_MAX,
        mark=draw_mark,
        style=(TEMPLATES / "page.css").read_text(encoding="utf-8"),
        script=script,
        # The browser runs this one script and no other, whatever a sentence or an id may hold.
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _method_row(name: str, title: str) -> Figure:
    method = METHODS.get(name)
    return {
        "title": title,
        "captions": _learns_from(method) if method else "–",
        "loss": LOSSES.get(method.loss, method.loss) if method else ELSEWHERE,
        "overrides": ", ".join(f"{key} {value}" for key, value in method.overrides.items()) if method else "",
        "ours": name == OURS,
    }


def _learns_from(method: Method) -> str:
    of_clips = CAPTIONS.get(method.captions, method.captions)
    return of_clips + (", of clips and of no clip" if method.overrides.get("plane_captions") else "")


def _glance(details: Details) -> Iterator[Figure]:
    """The best method of each headline measure, and where ours stands."""
    for label, better, values, measure in _headlines(details):
        means = {method: float(np.mean(found)) for method, found in values.items()}
        if not means:
            continue
        best = (max if better == "higher" else min)(means, key=lambda method: means[method])
        yield {
            "measure": label,
            "better": better,
            "best": details.title_of(best),
            "best_value": f"{means[best]:.3f}",
            "ours": f"{means[OURS]:.3f}" if OURS in means else "–",
            "paper": published.published(OURS, measure),
        }


def _headlines(details: Details) -> Iterator[tuple[str, str, dict[str, list[float]], str]]:
    for reading, measure in PAPERS_MEASURE.items():
        chosen = [row for row in details.trials if row["reading"] == reading]
        yield ALIGNMENT_READINGS[reading], "lower", _by_method(chosen, "value"), measure
    for test in TESTS:
        chosen = [row for row in details.lists if row["test"] == test]
        yield f"τ of {test.upper()}", "higher", _by_method(chosen, "tau"), test


def _by_method(rows: Sequence[Row], column: str) -> dict[str, list[float]]:
    values: dict[str, list[float]] = {}
    for row in rows:
        values.setdefault(row["method"], []).append(row[column])
    return values


def _alignment_figures(details: Details) -> Iterator[Figure]:
    """Table 1's readings, a figure each; the two headlines are `main`."""
    readings = dict.fromkeys(row["reading"] for row in details.trials)
    for reading in [*PAPERS_MEASURE, *(other for other in readings if other not in PAPERS_MEASURE)]:
        chosen = [row for row in details.trials if row["reading"] == reading]
        spreads = _spreads(details, chosen, "value", PAPERS_MEASURE.get(reading))
        if spreads:
            label = ALIGNMENT_READINGS.get(reading, reading)
            values = [value for spread in spreads for value in spread.values]
            papers = [sum(spread.published) for spread in spreads if spread.published]
            title = f"{label} between speech and captions, by trial"
            unit = f"{label}, lower is better"
            highest = 1.04 * max([*values, *papers, 1e-9])
            drawing = draw_spreads(f"trials-{reading}", title, unit, spreads, min(0.0, *values), highest)
            yield {"title": title, "drawing": drawing, "main": reading in PAPERS_MEASURE}


def _ordinality_figures(details: Details) -> Iterator[Figure]:
    for test, name in TESTS.items():
        spreads = _spreads(details, [row for row in details.lists if row["test"] == test], "tau", test)
        title = f"Order of {name}, by list"
        unit = "Kendall's τ, −1 reversed to 1 same order"
        yield {"title": title, "drawing": draw_spreads(f"lists-{test}", title, unit, spreads, -1.0, 1.0)}


def _spreads(details: Details, rows: Sequence[Row], column: str, measure: str | None) -> list[Spread]:
    by_seed: dict[str, dict[int, list[float]]] = {}
    for row in rows:
        by_seed.setdefault(row["method"], {}).setdefault(row["seed"], []).append(row[column])
    return [
        Spread(details.title_of(method), method == OURS, seeds, papers_mean_and_std(method, measure))
        for method, seeds in by_seed.items()
    ]


def papers_mean_and_std(method: str, measure: str | None) -> tuple[float, float] | None:
    """The paper's figure as numbers, where it has one.

    >>> papers_mean_and_std("emotionrankclap", "voc"), papers_mean_and_std("untrained", "voc")
    ((0.616, 0.13), None)
    """
    printed = published.PUBLISHED.get(method, {}).get(measure or "")
    if printed is None:
        return None
    mean, std = printed.split(" ± ")
    return float(mean), float(std)


def _map_figures(details: Details) -> Iterator[Figure]:
    points: dict[str, list[Row]] = {}
    for row in details.maps:
        points.setdefault(row["method"], []).append(row)
    for method, own in points.items():
        name = details.title_of(method)
        yield {
            "title": name,
            "drawings": [
                {
                    "title": f"coloured by {attribute}",
                    "drawing": draw_map(
                        f"map-{method}-{attribute}", f"{name}, by {attribute}", own, attribute
                    ),
                }
                for attribute in ("valence", "arousal")
            ],
        }


def _training_figures(details: Details) -> Iterator[Figure]:
    epochs: dict[str, dict[int, list[Row]]] = {}
    for row in details.epochs:
        epochs.setdefault(row["method"], {}).setdefault(row["seed"], []).append(row)
    for method, seeds in epochs.items():
        kept = [min(rows, key=lambda row: row["validation_loss"]) for rows in seeds.values()]
        title = f"{details.title_of(method)}: loss by epoch"
        yield {
            "title": title,
            "drawing": draw_training(f"training-{method}", title, seeds),
            "kept": ", ".join(str(row["epoch"]) for row in kept),
            "loss": ", ".join(f"{row['validation_loss']:.4f}" for row in kept),
            "temperature": ", ".join(f"{row['temperature']:.3f}" for row in kept),
        }


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested settings as dotted keys and values in words."""
    for key, value in settings.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}.")
        elif isinstance(value, list):
            yield name, ", ".join(map(str, value)) or "none"
        else:
            yield name, "not set" if value is None else f"{value}"
