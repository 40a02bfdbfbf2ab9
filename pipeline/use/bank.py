"""A bank of captions: sentences that a recording may be described by, where they lie, and their embeddings."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from pipeline.support import read_json_object
from pipeline.use.given import cosines

TEXTS_FILE, EMBEDDINGS_FILE = "captions.json", "captions.safetensors"


def digest_of(content: bytes) -> str:
    """Twelve hexadecimal digits that stand for a content."""
    return hashlib.sha256(content).hexdigest()[:12]


@dataclass(frozen=True)
class CaptionBank:
    """M captions, what they describe, and what a model makes of them."""

    texts: list[str]
    labels: npt.NDArray[np.float64]
    """(M, 2) valence and arousal on 0.5..7."""
    embeddings: npt.NDArray[np.float32]
    """(M, E) of length one."""

    def __len__(self) -> int:
        return len(self.texts)

    def described(self, embedding: npt.NDArray[np.float32], count: int) -> list[dict[str, Any]]:
        """The captions nearest to an embedding (E,), best first, what each describes and its cosine."""
        scores = cosines(self.embeddings, embedding)
        best = np.argsort(-scores, kind="stable")[:count]
        return [
            {
                "text": self.texts[row],
                "score": float(scores[row]),
                "valence": float(self.labels[row, 0]),
                "arousal": float(self.labels[row, 1]),
            }
            for row in best
        ]

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits that stand for captions, labels and embeddings."""
        return digest_of(b"".join(self.files().values()))

    def files(self) -> dict[str, bytes]:
        """Its two files by name."""
        written = {"texts": self.texts, "valence_arousal": self.labels.tolist()}
        return {
            TEXTS_FILE: (json.dumps(written, ensure_ascii=False) + "\n").encode(),
            EMBEDDINGS_FILE: save({"embeddings": np.ascontiguousarray(self.embeddings, np.float32)}),
        }

    @classmethod
    def read(cls, folder: Path) -> CaptionBank:
        """Read its files in a folder. Raises RuntimeError where they are absent or damaged."""
        path = folder / TEXTS_FILE
        written = read_json_object(path, made_by="erclap export")
        try:
            embeddings = load_file(folder / EMBEDDINGS_FILE)["embeddings"]
            texts = written["texts"]
            labels = np.array(written["valence_arousal"], np.float64).reshape(-1, 2)
            if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
                raise ValueError("texts must be sentences")
            "".join(texts).encode()  # no half of a surrogate pair
            if not (len(texts) == len(labels) == len(embeddings)) or embeddings.ndim != 2:
                raise ValueError(f"{len(texts)} texts, {len(labels)} labels, embeddings {embeddings.shape}")
            if embeddings.dtype != np.float32 or not (
                np.isfinite(embeddings).all() and np.isfinite(labels).all()
            ):
                raise ValueError("numbers must be finite, and embeddings float32")
        except (OSError, KeyError, TypeError, ValueError, SafetensorError) as error:
            raise RuntimeError(
                f"{path} and {EMBEDDINGS_FILE} must hold captions and their embeddings ({error!s:.200}): "
                f"export or fetch it again"
            ) from error
        return cls(texts, labels, embeddings)
