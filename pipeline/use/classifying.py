"""Labels of one's own as sentences, and what a recording's cosines with them come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.support import shown

LABEL_SENTENCE = "The person is speaking in a way that sounds {}."
"""What `classify` makes of a label."""


def sentences_of(labels: Sequence[str] | Mapping[str, str], template: str) -> dict[str, str]:
    """A sentence of each label. Raises ValueError for no label at all, and for an empty one or one there twice."""
    if isinstance(labels, Mapping):
        pairs = list(labels.items())
    else:
        if not isinstance(template, str) or "{}" not in template:
            raise ValueError(f"template must have a {{}} for a label, found {shown(repr(template), 60)}")
        if isinstance(labels, str):
            raise ValueError(f"labels must be a list of words, found one: {shown(repr(labels), 60)}")
        pairs = [(label, template.replace("{}", str(label))) for label in labels]
    if not pairs:
        raise ValueError("labels must be one or more, found none")
    sentences: dict[str, str] = {}
    for label, sentence in pairs:
        if not all(isinstance(one, str) and one.strip() for one in (label, sentence)):
            raise ValueError(f"labels must be words, with sentences of words, found {shown(repr(label), 60)}")
        if label in sentences:
            raise ValueError(f"labels must differ, found {shown(repr(label), 60)} twice")
        sentences[str(label)] = str(sentence)
    return sentences


def ranked(
    labels: Sequence[str], cosines: npt.NDArray[np.float32], temperature: float
) -> list[dict[str, Any]]:
    """Each label with its cosine and its share, the softmax of cosines over a temperature; best first."""
    scaled = cosines.astype(np.float64) / temperature
    shares = np.exp(scaled - scaled.max())
    shares /= shares.sum()
    return [
        {"label": labels[place], "score": float(cosines[place]), "share": float(shares[place])}
        for place in np.argsort(-cosines, kind="stable")
    ]
