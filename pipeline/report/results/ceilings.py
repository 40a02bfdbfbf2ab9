"""What Table 2 says of ceilings, which are no methods: how far order comes by readings of the frozen features."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.measures import MeasuredCeiling
from pipeline.report.results.comparisons import Scores

Ceilings = Mapping[str, MeasuredCeiling]

CEILING = "ceiling: "
"""How a row of one begins."""

TITLES = {
    "ridges": "two ridges",
    "ridges-plane": "two ridges, plane captions",
    "text-known": "ridge of speech, text known",
    "both-known": "both known",
}


def ceiling_taus(ceilings: Ceilings) -> Scores:
    """Ceiling → `aoc` or `voc` → (1, lists): no seed is drawn."""
    return {
        name: {test: found.tau[None] for test, found in one.ordinality.items()}
        for name, one in ceilings.items()
    }


def ceiling_metrics(ceilings: Ceilings) -> dict[str, dict[str, float]]:
    """Ceiling → `aoc` or `voc` → mean over lists."""
    return {
        name: {test: float(tau.mean()) for test, tau in tests.items()}
        for name, tests in ceiling_taus(ceilings).items()
    }


def ceiling_notes(ceilings: Ceilings) -> list[str]:
    """What a ceiling is, and the penalties of those that are read; nothing where there is none."""
    if not ceilings:
        return []
    plane = "ridges-plane" in ceilings
    penalties = [
        f"{modality} {one.penalties[modality]:g}{' with plane captions' if name == 'ridges-plane' else ''}"
        for name, modality in (("ridges", "speech"), ("ridges", "text"), ("ridges-plane", "text"))
        if (one := ceilings.get(name))
    ]
    return [
        "A ceiling is no method and trains no head: clips and prompts are points of the plane of valence and "
        "arousal, and a prompt retrieves the clip nearest there. Ridge regressions read the points off the frozen "
        "features, fitted to the train split"
        + (", with plane captions also to captions of no clip all over the plane" if plane else "")
        + ", or the labels themselves are taken (known). So they say how far any head can come on these features "
        "by a linear reading; one that reads them otherwise may come farther. Their ± and 95 % are over lists.",
        f"Penalties by concordance on development, as a share of the features' mean variance: "
        f"{', '.join(penalties)}.",
    ]
