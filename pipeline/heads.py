"""The two projection heads, all that stage two trains: features to embeddings in one space."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn import functional

from pipeline.files import replacing, write_text

TEMPERATURE_MIN, TEMPERATURE_MAX = 0.01, 100.0
"""Equation 3 has no lower bound in the temperature: a good order could be sharpened for ever."""

MODELS_FOLDER = Path("results/models")
"""A folder for each method: its heads and its training's history."""

WEIGHTS_FILE, CONFIG_FILE, HISTORY_FILE = "heads.safetensors", "config.json", "history.csv"


class ProjectionHeads(nn.Module):
    """A linear map and a ReLU for speech and for text (equation 2), and the learnable temperature."""

    def __init__(
        self, speech_size: int, text_size: int, embedding_size: int = 512, temperature: float = 1.0
    ) -> None:
        super().__init__()
        self.sizes = {"speech_size": speech_size, "text_size": text_size, "embedding_size": embedding_size}
        """What the constructor needs to build heads of the same shape."""
        self.speech = nn.Sequential(nn.Linear(speech_size, embedding_size), nn.ReLU())
        self.text = nn.Sequential(nn.Linear(text_size, embedding_size), nn.ReLU())
        # Learnt as a logarithm, so that a step changes it by a ratio and it stays positive.
        self.log_temperature = nn.Parameter(torch.tensor(math.log(temperature)))

    @property
    def temperature(self) -> Tensor:
        """The temperature as it is used: within [0.01, 100]."""
        return self.log_temperature.exp().clamp(TEMPERATURE_MIN, TEMPERATURE_MAX)

    def embed_speech(self, features: Tensor) -> Tensor:
        """Speech features (N, F) to embeddings (N, E) of length one; a head that says nothing gives zeros."""
        return functional.normalize(self.speech(features), dim=-1)

    def embed_text(self, features: Tensor) -> Tensor:
        """Text features (M, F) to embeddings (M, E) of length one; a head that says nothing gives zeros."""
        return functional.normalize(self.text(features), dim=-1)

    def forward(self, speech: Tensor, text: Tensor) -> Tensor:
        """Features (N, F) and (M, F) to cosine similarities over the temperature, (N, M)."""
        return self.embed_speech(speech) @ self.embed_text(text).T / self.temperature


def save_heads(heads: ProjectionHeads, folder: Path, about: dict[str, Any]) -> None:
    """Write heads.safetensors and config.json; `about` is whatever a reader should know of their origin."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in heads.state_dict().items()}
    with replacing(folder / WEIGHTS_FILE) as temporary:
        temporary.write_bytes(save(tensors))
    config = {"heads": heads.sizes, **about}
    write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", folder / CONFIG_FILE)


def load_heads(folder: Path) -> tuple[ProjectionHeads, dict[str, Any]]:
    """Read what `save_heads` wrote. Raises RuntimeError where a file is absent or does not fit."""
    try:
        config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
        heads = ProjectionHeads(**config["heads"])
        heads.load_state_dict(load_file(folder / WEIGHTS_FILE))
    except FileNotFoundError as error:
        raise RuntimeError(f"{error.filename} is not there: run `erclap train` first") from None
    except (KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())
        raise RuntimeError(f"{folder} must hold whole heads ({reason}): run `erclap train` again") from error
    return heads.eval(), config
