"""What identifies a feature beside its key: which frozen encoder computed it, and how."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

FORWARD_VERSION = 2
"""Raised when our forward pass changes its results: older features are then not taken for today's."""


COMPUTED, STORED = ("float32", "bfloat16", "float16", "float64"), ("float32", "float16")
"""The types that features are computed in, and kept in."""

FEATURES_AT_MOST = 8192
"""Numbers in a feature, so that what memory a row takes is known before it is read."""


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
        """The recipe of these fields. Raises ValueError where they are not a recipe's, or one has another type."""
        try:
            recipe = cls(**fields)
        except TypeError as error:
            raise ValueError(f"not a recipe: {error}") from error
        for name, (must, holds) in recipe._checks().items():
            if not holds:
                raise ValueError(f"a recipe's {name} must be {must}, found {getattr(recipe, name)!r:.60}")
        return recipe

    def _checks(self) -> dict[str, tuple[str, bool]]:
        """What each field must be, and whether it is."""

        def whole(value: object, least: int, most: int) -> bool:
            return type(value) is int and least <= value <= most

        texts = ("model", "revision", "pooling", "padding", "tokens")
        number = type(self.max_length) in (int, float)
        return {name: ("a text", isinstance(getattr(self, name), str)) for name in texts} | {
            "modality": ("speech or text", self.modality in ("speech", "text")),
            "feature_size": (f"1 to {FEATURES_AT_MOST}", whole(self.feature_size, 1, FEATURES_AT_MOST)),
            "max_length": ("a number above 0", number and 0 < self.max_length < 1e9),
            "compute_dtype": (" or ".join(COMPUTED), self.compute_dtype in COMPUTED),
            "stored_dtype": (" or ".join(STORED), self.stored_dtype in STORED),
            "forward_version": ("a number", whole(self.forward_version, 0, 10**6)),
        }

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
