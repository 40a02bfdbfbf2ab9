"""The card of a model: what it is, what it was trained on, what was measured, and its limits."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.manifest import DEVELOPMENT, TRAIN
from pipeline.use.folder import Encoder, Model

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

TEMPLATES = Path(__file__).with_name("templates")

MEASURES = {
    "aoc": ("AOC", "order of arousal in what sentences retrieve, Kendall's τ ↑"),
    "voc": ("VOC", "order of valence, Kendall's τ ↑"),
    "w1": ("W1", "Wasserstein distance between speech and caption embeddings ↓"),
    "mmd": ("√MMD²", "maximum mean discrepancy between the same, γ = 1 ↓"),
}
"""The figures of both tables: name, and what it means."""

TRAINED_ON_MSP = "3loi/"
"""Whose speech encoders were fine-tuned on MSP-Podcast."""

PLACE = "path/to/this/folder"
"""What the card loads the model from, where it is on no hub."""

EXAMPLE = "The person is speaking in a calm but bitter tone."

DIGITS = 3


def card_of(model: Model, place: str = PLACE) -> str:
    """A card drawn up of a model: markdown, with the front matter that a hub reads.

    `place` is what `from_pretrained` would be given. The same model has the same card.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    origin, corpus = model.origin, _mapping(model.origin, "corpus")
    settings, told = _mapping(origin, "settings"), _mapping(origin, "figures")
    figures = list(_figures(model))
    drawn = environment.get_template("card.md").render(
        front_matter=_front_matter(model, figures),
        title=_text(origin.get("title")) or "EmotionRankCLAP",
        example=EXAMPLE,
        place=place,
        ranks=origin.get("loss") == "rank-n-contrast",
        version=_text(origin.get("version")),
        embedding_size=model.heads.sizes["embedding_size"],
        captions=len(model.bank) if model.bank else 0,
        seconds=f"{model.speech.recipe.max_length:g}",
        encoders=[_row_of(kind, one) for kind, one in (("speech", model.speech), ("text", model.text))],
        corpus={"name": _text(corpus.get("name"))} if corpus.get("name") else None,
        synthetic=corpus.get("synthetic") is True,
        counts=_counts(_mapping(corpus, "clips")),
        captioner=_text(origin.get("captioner")),
        method=_text(origin.get("method")),
        seed=_text(origin.get("seed")),
        settings=[(_text(name), _text(value)) for name, value in sorted(settings.items())],
        of_figures=_of_figures(corpus, told),
        figures=[
            {"name": MEASURES[name][0], "value": f"{value:.{DIGITS}f}", "meaning": MEASURES[name][1]}
            for name, value in figures
        ],
        fine_tuned_on_msp=model.speech.model.startswith(TRAINED_ON_MSP),
        fine_tuned_on_unknown=model.speech.was_a_folder,
        sample_encoders=_sample_encoders(model),
        license=_text(origin.get("license")),
    )
    return re.sub(r"\n{3,}", "\n\n", drawn)


def _front_matter(model: Model, figures: list[tuple[str, float]]) -> str:
    from huggingface_hub import ModelCardData

    written: str = ModelCardData(
        license=_text(model.origin.get("license")) or "unknown",
        language="en",
        library_name="emotionrankclap",
        pipeline_tag="feature-extraction",
        tags=["speech-emotion", "emotion-retrieval", "clap", "audio", "text"],
        base_model=[one.model for one in (model.speech, model.text) if one.revision] or None,
        model_name=_text(model.origin.get("title")) or "EmotionRankCLAP",
        eval_results=[_result(model, name, value) for name, value in figures] or None,
    ).to_yaml()
    return written


def _result(model: Model, name: str, value: float) -> EvalResult:
    from huggingface_hub import EvalResult

    corpus = _text(_mapping(model.origin, "corpus").get("name")) or "unknown"
    short, meaning = MEASURES[name]
    return EvalResult(
        task_type="feature-extraction",
        task_name="Retrieval of speech by its speaking style",
        dataset_type=re.sub(r"\W+", "-", corpus.lower()).strip("-") or "unknown",
        dataset_name=corpus,
        dataset_split=_text(_mapping(model.origin, "figures").get("split")) or None,
        metric_type=name,
        metric_name=f"{short}, {meaning[:-2]}",
        metric_value=round(value, 2 * DIGITS),
    )


def _figures(model: Model) -> Iterator[tuple[str, float]]:
    """Those of both tables that the model's origin has."""
    told = _mapping(model.origin, "figures")
    for name in MEASURES:
        if isinstance(value := told.get(name), int | float):
            yield name, float(value)


def _of_figures(corpus: Mapping[str, Any], told: Mapping[str, Any]) -> str:
    """What they were measured on, and how often."""
    on = ", ".join(filter(None, (_text(corpus.get("name")), _text(told.get("split")))))
    drawn = [
        f"{told[key]} {words}"
        for key, words in (("trials", "draws of pairs for the distances"), ("lists", "lists for each order"))
        if isinstance(told.get(key), int)
    ]
    over = f", the mean over {' and '.join(drawn)}" if drawn else ""
    return f"On {on or 'a corpus that is not named'}{over}:"


def _row_of(kind: str, encoder: Encoder) -> dict[str, str]:
    if encoder.revision:
        told = f"commit `{_text(encoder.revision)}`"
    elif encoder.was_a_folder:
        told = f"a folder of the owner's, `{_text(encoder.recipe.revision):.19}`"
    else:
        told = "comes with the package"
    return {"kind": kind, "model": f"`{_text(encoder.model)}`", "told": told}


def _sample_encoders(model: Model) -> str:
    of_sample = [kind for kind in ("speech", "text") if getattr(model, kind).model.startswith("builtin:")]
    if not of_sample:
        return ""
    return f"The {' and the '.join(of_sample)} encoder {'was' if len(of_sample) == 1 else 'were'}"


def _counts(clips: Mapping[str, Any]) -> str:
    """`1000 clips for train, 200 for development`, the usual splits first."""
    usual = [split for split in (TRAIN, DEVELOPMENT) if split in clips]
    ordered = [*usual, *sorted(clips.keys() - usual)]
    told = [f"{_text(clips[split])} for {_text(split)}" for split in ordered]
    return ", ".join(told).replace(" for", " clips for", 1)


def _mapping(origin: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = origin.get(key)
    return found if isinstance(found, Mapping) else {}


def _text(value: object) -> str:
    """A value on one line, with nothing that would end a cell of a table."""
    return "" if value is None else " ".join(str(value).split()).replace("|", "\\|").replace("`", "'")
