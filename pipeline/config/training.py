"""train and evaluate: how heads are trained, and what is measured of them."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from pipeline.config.section import Count, Positive, Section

METHOD_NAMES = (
    "clap-template",
    "clap4emo",
    "paraclap",
    "clap-sce",
    "supconclap",
    "emotionrankclap",
    "emotionrankclap-plus",
    "untrained",
)
"""What can be trained, in the order of the tables; `pipeline.methods` says what each of them is."""


Temperature = Annotated[float, Field(ge=0.01, le=100)]


class Train(Section):
    """Stage train: the projection heads of every method."""

    methods: Annotated[list[str], Field(min_length=1)]
    seed: int
    seeds: Count = 1
    """How many seeds of each method are trained together, from `seed` on."""
    epochs: Count
    batch_size: Annotated[int, Field(ge=2)]
    learning_rate: Positive
    embedding_size: Count
    temperature: Temperature
    """What cosines are divided by, before training."""
    temperature_bounds: Annotated[list[Temperature], Field(min_length=2, max_length=2)] = [0.01, 100.0]
    """Between what the temperature is kept as it is learnt; two that are equal fix it."""
    relu: bool = True
    """Whether a ReLU follows each head's linear map, as in equation 2."""
    candidates: Literal["farther", "farther-or-equal"]
    directions: Literal["speech-to-text", "both"]
    anchor_weights: Literal["equal", "inverse-density"] = "equal"
    """Of each anchor in Rank-N-Contrast: all alike, or one over the density of the labels around its own."""
    plane_captions: Annotated[int, Field(ge=0)] = 0
    """Captions of no clip in a batch of Rank-N-Contrast, beside those of its clips."""
    plane_drawn: Literal["evenly", "filling"] = "evenly"
    """How they are drawn: from all cells alike, or most where the corpus has few labels, so that both together are
    as even over the plane as they can be."""
    plane_weight: Positive = 1.0
    """Of each of them, as a candidate that is the positive and as an anchor, where those of clips weigh 1."""
    calibration: Annotated[float, Field(ge=0)] = 0.0
    """Weight beside Rank-N-Contrast of the mean squared error of cosines from 1 less the distance of labels, as
    a share of the farthest: ranks alone leave absolute position free."""
    gap: Annotated[float, Field(ge=0)] = 0.0
    """Weight beside Rank-N-Contrast of the squared distance of both modalities' means in a batch."""
    memory_gb: Positive = 8.0
    """What features may take: a split that takes more than half of it is streamed, in another order."""

    @property
    def seed_range(self) -> range:
        """The seeds that are trained."""
        return range(self.seed, self.seed + self.seeds)

    @model_validator(mode="after")
    def _within_bounds(self) -> Self:
        low, high = self.temperature_bounds
        if not low <= self.temperature <= high:
            raise ValueError(
                f"temperature must lie within temperature_bounds, found {self.temperature:g} and "
                f"{low:g} to {high:g}"
            )
        return self

    @field_validator("methods")
    @classmethod
    def _known(cls, names: list[str]) -> list[str]:
        for name in names:
            if name not in METHOD_NAMES:
                raise ValueError(f"a method must be one of {', '.join(METHOD_NAMES)}, found {name!r}")
        if len(set(names)) < len(names):
            raise ValueError(f"a method must be named once, found {', '.join(names)}")
        return names


class Evaluate(Section):
    """Stage evaluate: the paper's two tables and what goes beyond them."""

    split: str
    trials: Count
    pairs: Annotated[int, Field(ge=2)]
    """Speech-text pairs of a trial of Table 1."""
    seed: int
    alpha: Annotated[float, Field(gt=0, lt=1)]
    resamples: Count = 2000
    """Means that a bootstrap interval is made of."""
    probe_split: str = "development"
    """Whose embeddings the linear probes are fitted to."""
    radius: Positive = 0.25
    """How far a relevant item's valence and arousal may lie from a query's, on 1..7."""
    recall_at: Annotated[list[Count], Field(min_length=1)] = [1, 5, 10]

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.probe_split == self.split:
            raise ValueError(f"split and probe_split must differ, found {self.split} for both")
        return self
