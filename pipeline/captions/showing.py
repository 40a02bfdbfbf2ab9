"""Clips with their labels and every caption they have, for a person to judge."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.captions.seeding import rng_of
from pipeline.manifest import Manifest
from pipeline.sentences import CAPTIONS_FILE, CAPTIONS_SCHEMA, MADE_BY
from pipeline.support import read_parquet


def side_by_side(count: int, seed: int) -> Iterator[str]:
    """A paragraph for each of `count` clips, chosen by the seed; all of them where there are no more."""
    table = read_parquet(CAPTIONS_FILE, CAPTIONS_SCHEMA, made_by=MADE_BY)
    captions: dict[str, list[tuple[str, str]]] = {}
    for row in table.to_pylist():
        captions.setdefault(row["utterance_id"], []).append((row["variant"], row["text"]))
    utterances = Manifest.read().utterances()
    chosen = rng_of(seed, "show").permutation(len(utterances))[:count]
    for utterance in (utterances[i] for i in chosen):
        said = captions.get(utterance.id, [])
        width = max((len(variant) for variant, _ in said), default=0)
        dominance = "" if utterance.dominance is None else f", dominance {utterance.dominance:g}"
        yield "\n".join(
            [
                f"{utterance.id} ({utterance.split}): valence {utterance.valence:g}, arousal "
                f"{utterance.arousal:g}{dominance}, emotion {utterance.emotion or 'none'}",
                *(f"  {variant:<{width}}  {text}" for variant, text in said),
                "",
            ]
        )
