"""caption: by what the sentences are written."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pipeline.config.section import Count, Section


class Plane(Section):
    """Captions of labels all over the plane that belong to no clip."""

    step: Annotated[float, Field(ge=0.05, le=6.5)] = 0.5
    """Of the grid over 0.5 to 7, the range of the ordinality test."""
    draws: Count = 2
    """Captions of each of its cells."""

    @property
    def side(self) -> int:
        """How many steps of each attribute there are: the nearest number that divides the range evenly."""
        return max(round(6.5 / self.step), 1) + 1

    @property
    def captions(self) -> int:
        """How many captions that makes."""
        return self.side**2 * self.draws


class Paraclap(Section):
    """The captions `paraclap`."""

    features: Literal["paper", "original"] = "paper"
    """What is described: pitch, jitter, shimmer and articulation rate as in the paper, or as in ParaCLAP itself
    pitch, pitch variation, loudness, jitter, shimmer and duration."""


class Otherwise(Section):
    """What is asked, and of which model, where a request stays without a caption. What is None is as before."""

    model: Annotated[str, Field(min_length=1)] | None = None
    template: str | None = None
    template_with_dominance: str | None = None
    template_of_classes: str | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_dump(exclude_none=True):
            raise ValueError("otherwise must name a model, a template or a temperature, found nothing in it")
        return self


class LlmCaptions(Section):
    """What a language model is asked for. How it is asked is in runtime.llm."""

    model: Annotated[str, Field(min_length=1)]
    step: Annotated[float, Field(gt=0, le=6)] = 0.25
    """Labels are rounded to multiples of this: clips of one cell share its captions."""
    draws: Count = 8
    """Captions of a cell, of which each clip picks one."""
    dominance: bool = False
    template: str | None = None
    """A file with a prompt of one's own in place of the paper's Figure 2."""
    template_with_dominance: str | None = None
    template_of_classes: str | None = None
    """The prompt of CLAP4emo's pools."""
    pool: Count = 600
    """Captions of an emotion class for CLAP4emo, of which each clip picks one."""
    nrc_file: str | None = None
    """The NRC word-emotion lexicon, for CLAP4emo's prompt."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    """None leaves it to the endpoint. Models that reason take none."""
    max_tokens: Count = 200
    """Of an answer; what a model that reasons thinks comes on top."""
    attempts: Count = 3
    """Answers that are paid for one caption before it counts as failed."""
    otherwise: list[Otherwise] = []
    """What is tried in turn for requests that stay without a caption."""

    def forms(self) -> list[LlmCaptions]:
        """These settings, and then those by which what they leave is asked."""
        changes = [other.model_dump(exclude_none=True) for other in self.otherwise]
        return [self, *(self.model_copy(update=change) for change in changes)]


class Caption(Section):
    """Stage caption: labels to sentences."""

    captioner: Literal["lexicon", "llm"]
    seed: int
    prompt_lists: Annotated[int, Field(ge=1, le=10_000)]
    """Lists of the ordinality test, for valence and for arousal each."""
    paraclap: Paraclap = Paraclap()
    plane: Plane = Plane()
    llm: LlmCaptions | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.captioner == "llm" and self.llm is None:
            raise ValueError("captioner llm must have a section llm with at least a model, found none")
        return self
