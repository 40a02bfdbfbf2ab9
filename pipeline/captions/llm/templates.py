"""What the model is asked: the paper's Figure 2 and its kin, as text files that one can see and replace."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from pipeline.captions.llm.requests import Kind
from pipeline.config import LlmCaptions

SHIPPED_FOLDER = Path(__file__).parent

WITHOUT_DOMINANCE = ("VALENCE", "AROUSAL")
WITH_DOMINANCE = ("VALENCE", "AROUSAL", "DOMINANCE")
OF_CLASSES = ("EMOTION", "WORD")


@dataclass(frozen=True)
class Template:
    """A prompt with placeholders such as {VALENCE}."""

    path: Path
    text: str
    placeholders: tuple[str, ...]

    @classmethod
    def read(cls, setting: str, own: str | None, shipped: str, placeholders: tuple[str, ...]) -> Template:
        """Read one's own file, which caption.llm.`setting` names, or else the one that is shipped.

        Raises ValueError where the file is not there, is no text, or lacks a placeholder or has another one.
        """
        path = Path(own) if own else SHIPPED_FOLDER / shipped
        try:
            text = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"caption.llm.{setting} must be a text file, found {path}: {error}") from None
        found = sorted(set(re.findall(r"\{([A-Z]+)\}", text)))
        if found != sorted(placeholders):
            asked = " and ".join(f"{{{name}}}" for name in placeholders)
            raise ValueError(
                f"caption.llm.{setting} must hold {asked} and no other placeholder, found "
                f"{' '.join(f'{{{name}}}' for name in found) or 'none'} in {path}"
            )
        return cls(path, text, placeholders)

    def fill(self, *values: str) -> str:
        """The prompt with the values of its placeholders, in their order."""
        by_name = dict(zip(self.placeholders, values, strict=True))
        return re.sub(r"\{([A-Z]+)\}", lambda found: by_name[found[1]], self.text)

    def hash(self, temperature: float | None) -> str:
        """What tells answers to this prompt, at this temperature, from answers to another one."""
        return hashlib.sha256(json.dumps([self.text, temperature]).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Templates:
    """The prompts of one run."""

    labels: Template
    """Of captions by valence and arousal, with dominance where that is asked for."""
    test: Template
    """Of the ordinality test, whose plan has no dominance."""
    classes: Template
    """Of CLAP4emo's pools. The authors' own is unpublished."""

    def of(self, kind: Kind) -> Template:
        """The one that such answers are asked for with."""
        return {"va": self.labels, "clap4emo": self.classes}.get(kind, self.test)

    @classmethod
    def read(cls, settings: LlmCaptions) -> Templates:
        """Read the files that the settings name. Raises ValueError as `Template.read` does."""
        test = Template.read("template", settings.template, "figure_2.txt", WITHOUT_DOMINANCE)
        labels = test
        if settings.dominance:
            labels = Template.read(
                "template_with_dominance",
                settings.template_with_dominance,
                "figure_2_with_dominance.txt",
                WITH_DOMINANCE,
            )
        classes = Template.read(
            "template_of_classes", settings.template_of_classes, "classes.txt", OF_CLASSES
        )
        return cls(labels, test, classes)
