"""Which questions a corpus and the ordinality test need: one for each cell and draw that anything picks.

A clip picks among its cell's draws by its own seeded name, so that its request depends on no other clip, and a
cell with few clips costs no more draws than they pick.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

from pipeline.captions.categorical import emotion_of
from pipeline.captions.llm.requests import CAPTIONS_PER_ANSWER, Key, Kind, Request
from pipeline.captions.llm.templates import Templates
from pipeline.captions.nrc import class_words
from pipeline.captions.plane import Spot
from pipeline.captions.seeding import rng_of
from pipeline.config import LlmCaptions
from pipeline.manifest import EMOTIONS, Utterance
from pipeline.sentences import PROMPTS_PER_LIST, Prompt, WordedPrompt


class Pick(NamedTuple):
    """A caption: a request, and the line of its answer."""

    request: Request
    line: int


MOST_TURNS = 20
"""Draws that a prompt of the ordinality test, or a caption of the plane, may take before it differs from
others."""


@dataclass
class Planner:
    """Requests by the settings of one run."""

    settings: LlmCaptions
    forms: Sequence[tuple[LlmCaptions, Templates]]
    """How a request is put: first by the settings, and then otherwise, for what stays without a caption."""
    words: Mapping[str, Sequence[str]]
    """Emotion class → the words that its requests go through."""
    seed: int
    lists: int
    """Lists of the ordinality test, of either half."""
    _made: dict[tuple[Kind, str, int], Request] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, settings: LlmCaptions, seed: int, lists: int) -> Planner:
        """Read the files that the settings name. Raises ValueError for one that is not right."""
        nrc = Path(settings.nrc_file) if settings.nrc_file else None
        forms = [(form, Templates.read(form)) for form in settings.forms()]
        return cls(settings, forms, class_words(nrc), seed, lists)

    def pick(self, utterance: Utterance, variant: str) -> Pick:
        """The caption of an utterance. Raises ValueError where it lacks what the variant needs."""
        rng = rng_of(self.seed, variant, utterance.id)
        if variant == "va":
            draw = int(rng.integers(self.settings.draws))
            return Pick(self._request("va", self._labels(utterance), draw), 0)
        code = emotion_of(utterance, "clap4emo")
        line = int(rng.integers(self.settings.pool))
        turn, place = divmod(line, CAPTIONS_PER_ANSWER["clap4emo"])
        words = self.words[code]
        answers = math.ceil(self.settings.pool / CAPTIONS_PER_ANSWER["clap4emo"])
        stride = max(1, len(words) // answers)  # more words than answers are gone through from a to z
        draw, place_of_word = divmod(turn * stride, len(words))
        word = words[place_of_word]
        return Pick(self._request("clap4emo", f"{code} {word}", draw), place)

    def request_of_prompt(self, prompt: Prompt, turn: int = 0) -> Request:
        """The request of a prompt of the ordinality test; each turn is one more draw."""
        rounds = math.ceil(self.lists / PROMPTS_PER_LIST)  # lists that share their fixed value
        draw = prompt.list // PROMPTS_PER_LIST + turn * rounds
        return self._request(prompt.test, f"{prompt.valence:g} {prompt.arousal:g}", draw)

    def request_of_spot(self, spot: Spot, draws: int, turn: int = 0) -> Request:
        """The request of a caption of the plane, of so many a cell; each turn is one more draw."""
        return self._request("plane", spot.cell, spot.draw + turn * draws)

    def _labels(self, utterance: Utterance) -> str:
        labels = [utterance.valence, utterance.arousal]
        if self.settings.dominance:
            if utterance.dominance is None:
                raise ValueError(
                    f"caption.llm.dominance needs the dominance of every utterance, found none for "
                    f"{utterance.id!r}: set it to false"
                )
            labels.append(utterance.dominance)
        return " ".join(f"{rounded(label, self.settings.step):g}" for label in labels)

    def prompts(self) -> dict[str, dict[str, object]]:
        """The hash that answers keep → the template and the temperature that it stands for."""
        return {
            template.hash(settings.temperature): {
                "template": template.text,
                "temperature": settings.temperature,
            }
            for settings, templates in self.forms
            for template in (templates.labels, templates.test, templates.classes)
        }

    def _request(self, kind: Kind, cell: str, draw: int) -> Request:
        made = self._made.get((kind, cell, draw))
        if made is None:
            values = cell.split(" ", 1) if kind == "clap4emo" else cell.split(" ")
            if kind == "clap4emo":
                values[0] = EMOTIONS[values[0]]
            for settings, templates in reversed(self.forms):
                template = templates.of(kind)
                key = Key(settings.model, template.hash(settings.temperature), kind, cell, draw)
                made = self._made[kind, cell, draw] = Request(key, template.fill(*values), made)
        return self._made[kind, cell, draw]


def rounded(label: float, step: float) -> float:
    """The nearest multiple of the step; of two that are as near, the higher one.

    >>> rounded(4.375, 0.25), rounded(4.3, 0.25), rounded(3.1, 0.2)
    (4.5, 4.25, 3.2)
    """
    return round(math.floor(label / step + 0.5 + 1e-9) * step, 6)


class Wording(NamedTuple):
    """How far the ordinality test's prompts could be worded with the answers that are there."""

    worded: list[WordedPrompt]
    missing: list[Request]
    """Answers that are needed first."""
    hopeless: list[Prompt]
    """Those of which every draw was a caption, or twice in its list."""


def word_prompts(
    plan: Sequence[Prompt], planner: Planner, text_of: Callable[[Request], str | None], captions: Set[str]
) -> Wording:
    """Give each prompt its sentence: no caption's, and none that its list has already.

    Sentences are compared by their words alone: two that differ in a comma are the same.
    """
    seen = {spoken(text) for text in captions}
    of_list: dict[tuple[str, int], set[str]] = {}
    result = Wording([], [], [])
    for prompt in plan:
        taken = of_list.setdefault((prompt.test, prompt.list), set())
        for turn in range(MOST_TURNS):
            request = planner.request_of_prompt(prompt, turn)
            text = text_of(request)
            if text is None:
                result.missing.append(request)
                break
            if spoken(text) not in seen and spoken(text) not in taken:
                taken.add(spoken(text))
                result.worded.append(WordedPrompt(**asdict(prompt), text=text))
                break
        else:
            result.hopeless.append(prompt)
    return result


SAID_AGAIN = 3
"""Draws in a row that say the same, after which nothing else is expected of a caption of the plane."""


class PlaneWording(NamedTuple):
    """How far the captions of the plane could be worded with the answers that are there."""

    worded: list[tuple[Spot, str]]
    missing: list[Request]
    """Answers that are needed first."""
    hopeless: list[Spot]
    """Those of which draws say what another sentence says, again and again."""


def word_plane(
    spots: Sequence[Spot],
    draws: int,
    planner: Planner,
    text_of: Callable[[Request], str | None],
    exclude: Set[str],
) -> PlaneWording:
    """Give each spot its sentence, of `draws` a cell.

    None has the words of one in `exclude` or of another of its cell. A spot is given up where three draws in a row
    say the same, as a model that draws nothing does.
    """
    seen = {spoken(text) for text in exclude}
    of_cell: dict[str, set[str]] = {}
    result = PlaneWording([], [], [])
    for spot in spots:
        taken, said = of_cell.setdefault(spot.cell, set()), list[str]()
        while len(said) < MOST_TURNS and not (len(said) >= SAID_AGAIN and len(set(said[-SAID_AGAIN:])) == 1):
            request = planner.request_of_spot(spot, draws, len(said))
            text = text_of(request)
            if text is None:
                result.missing.append(request)
                break
            said.append(spoken(text))
            if said[-1] not in seen and said[-1] not in taken:
                taken.add(said[-1])
                result.worded.append((spot, text))
                break
        else:
            result.hopeless.append(spot)
    return result


def spoken(text: str) -> str:
    """A sentence as its words alone.

    >>> spoken("Softly, the person speaks.") == spoken("softly the person speaks")
    True
    """
    return " ".join("".join(c if c.isalnum() else " " for c in text.lower()).split())
