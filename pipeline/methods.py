"""The methods of the paper's tables: which captions each learns from, and by which loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Loss = Literal["rank-n-contrast", "symmetric-cross-entropy", "supervised-contrastive"]


@dataclass(frozen=True)
class Method:
    """A way to train the two projection heads."""

    title: str
    """Its name in the tables."""
    captions: str
    """The caption variant that it learns from."""
    loss: Loss | None
    """None for heads as they are before training."""
    baseline: bool = True
    """Whether it is one of those that EmotionRankCLAP is compared to."""
    aligned: bool = False
    """Whether it belongs in Table 1: trained on the very captions that alignment is measured with."""
    overrides: Mapping[str, object] = field(default_factory=dict)
    """Settings of training that are its own, whatever params.yaml says of them."""


METHODS: dict[str, Method] = {
    "clap-template": Method("CLAP-template", "template", "symmetric-cross-entropy"),
    "clap4emo": Method("CLAP4emo", "clap4emo", "symmetric-cross-entropy"),
    "paraclap": Method("ParaCLAP", "paraclap", "symmetric-cross-entropy"),
    "clap-sce": Method("CLAP-SCE (A-V)", "va", "symmetric-cross-entropy", aligned=True),
    "supconclap": Method("SupConCLAP (A-V)", "va", "supervised-contrastive", aligned=True),
    "emotionrankclap": Method("EmotionRankCLAP (A-V)", "va", "rank-n-contrast", baseline=False, aligned=True),
    # The study that it comes from is in benchmarks/RESULTS.md.
    "emotionrankclap-plus": Method(
        "EmotionRankCLAP+ (A-V)",
        "va",
        "rank-n-contrast",
        baseline=False,
        aligned=True,
        overrides={"relu": False, "directions": "both", "anchor_weights": "inverse-density"},
    ),
    "untrained": Method("untrained heads", "va", None, baseline=False, aligned=True),
}

OURS = "emotionrankclap"

MEASURED_CAPTIONS = "va"
"""The caption variant whose alignment with speech Table 1 measures, whatever a method learnt from."""


def method(name: str) -> Method:
    """The method of that name. Raises ValueError for a name that is none."""
    if name not in METHODS:
        raise ValueError(f"a method must be one of {', '.join(METHODS)}, found {name!r}")
    return METHODS[name]
