"""The methods of the paper's tables: which captions each learns from, and by which loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from pipeline.config import Train

Loss = Literal["rank-n-contrast", "symmetric-cross-entropy", "supervised-contrastive"]


class Contender(Protocol):
    """What the tables must know of what they show: a method, or a model from elsewhere."""

    @property
    def title(self) -> str:
        """Its name in the tables."""

    @property
    def baseline(self) -> bool:
        """Whether it is one of those that EmotionRankCLAP is compared to."""

    @property
    def aligned(self) -> bool:
        """Whether it belongs in Table 1."""

    @property
    def trained(self) -> bool:
        """Whether it has learnt; what has not stands there for reference."""


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

    @property
    def trained(self) -> bool:
        """Whether it learns at all."""
        return self.loss is not None

    @property
    def needs_classes(self) -> bool:
        """Whether every clip must have an emotion class, for its captions or for the loss."""
        return self.captions in ("template", "clap4emo") or self.loss == "supervised-contrastive"


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
        overrides={
            "directions": "both",
            "temperature": 0.5,
            "temperature_bounds": [0.5, 0.5],
            "plane_captions": 64,
            "plane_drawn": "filling",
            "calibration": 1.0,
            "gap": 1.0,
        },
    ),
    "untrained": Method("untrained heads", "va", None, baseline=False, aligned=True),
}

OURS, PLUS = "emotionrankclap", "emotionrankclap-plus"

MEASURED_CAPTIONS = "va"
"""The caption variant whose alignment with speech Table 1 measures, whatever a method learnt from."""


def method(name: str) -> Method:
    """The method of that name. Raises ValueError for a name that is none."""
    if name not in METHODS:
        raise ValueError(f"a method must be one of {', '.join(METHODS)}, found {name!r}")
    return METHODS[name]


def settings_of(train: Train, name: str) -> Train:
    """The params of training with a method's own in place of them. Raises ValueError for a name that is none."""
    return Train.model_validate(train.model_dump() | dict(method(name).overrides))


def learns_from_plane(train: Train, name: str) -> bool:
    """Whether a method learns from captions of no clip as well."""
    return method(name).loss == "rank-n-contrast" and settings_of(train, name).plane_captions > 0


def training_settings(train: Train, name: str) -> dict[str, object]:
    """The params that decide what heads come out of training by a method, apart from their seed."""
    return settings_of(train, name).model_dump(exclude={"methods", "seed", "seeds"})
