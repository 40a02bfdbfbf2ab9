"""What identifies a feature beside its key: which frozen encoder computed it, and how."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

FORWARD_VERSION = 2
"""Raised when our forward pass changes its results: older features are then not taken for today's."""


@dataclass(frozen=True)
class Recipe:
    """How a feature is computed: everything that changes its value, and nothing that does not.

    Batch size, device, paths and library versions are provenance, not recipe.
    """

    modality: str
    """`speech` or `text`."""
    model: str
    revision: str
    """The hub's commit, or a hash of a local folder's files."""
    feature_size: int
    pooling: str
    padding: str
    max_length: float
    """Seconds of speech, or tokens of text, that are heard."""
    compute_dtype: str = "float32"
    stored_dtype: str = "float32"
    forward_version: int = FORWARD_VERSION
    tokens: str = ""
    """Of text, what stands for the ids of sentences; nothing where they are the published tokenizer's."""

    def to_dict(self) -> dict[str, Any]:
        """The fields; `tokens` where it says anything, as recipes did not know it before."""
        return {name: value for name, value in asdict(self).items() if name != "tokens" or value}

    def to_json(self) -> str:
        """The recipe as JSON with sorted keys: the same recipe, the same text."""
        return json.dumps(self.to_dict(), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """Read back what `to_json` wrote. Raises ValueError for anything else."""
        try:
            return cls.from_dict(json.loads(text))
        except json.JSONDecodeError as error:
            raise ValueError(f"not a recipe: {error}") from error

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Recipe:
        """The recipe of these fields. Raises ValueError where they are not exactly a recipe's."""
        try:
            return cls(**fields)
        except TypeError as error:
            raise ValueError(f"not a recipe: {error}") from error

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits that stand for the recipe in file names.

        The model's name is left out where the revision is a hash of contents, so that a checkpoint copied to
        another folder is still the same checkpoint.
        """
        identity = self.to_dict()
        if self.revision.startswith("sha256:"):
            del identity["model"]
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]
