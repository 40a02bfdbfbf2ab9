"""The two projection heads, all that stage two trains: features to embeddings in one space."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn import functional

from pipeline.recipe import Recipe
from pipeline.support import read_json_object, replacing, write_text

MODELS_FOLDER = Path("results/models")
"""A folder for each method, with one for each seed: the heads and the history of their training."""

WEIGHTS_FILE, CONFIG_FILE, HISTORY_FILE = "heads.safetensors", "config.json", "history.csv"


def seed_folder(method: str, seed: int) -> Path:
    """Where the heads that a method trained from a seed lie."""
    return MODELS_FOLDER / method / f"seed-{seed}"


class ProjectionHeads(nn.Module):
    """A linear map and a ReLU for speech and for text (equation 2), and the learnable temperature.

    Without `relu`, the linear map alone: an embedding may then point anywhere.
    """

    def __init__(
        self,
        speech_size: int,
        text_size: int,
        embedding_size: int = 512,
        temperature: float = 1.0,
        *,
        relu: bool = True,
    ) -> None:
        super().__init__()
        self.relu = relu
        self.sizes = {"speech_size": speech_size, "text_size": text_size, "embedding_size": embedding_size}
        last = [nn.ReLU()] if relu else []
        self.speech = nn.Sequential(nn.Linear(speech_size, embedding_size), *last)
        self.text = nn.Sequential(nn.Linear(text_size, embedding_size), *last)
        # Learnt as a logarithm, so that a step changes it by a ratio and it stays positive.
        self.log_temperature = nn.Parameter(torch.tensor(math.log(temperature)))

    @property
    def shape(self) -> dict[str, Any]:
        """What the constructor needs to build heads of the same shape."""
        return self.sizes | {"relu": self.relu}

    @property
    def temperature(self) -> Tensor:
        """What similarities are divided by."""
        return self.log_temperature.exp()

    @torch.no_grad()
    def bound_temperature(self, lowest: float = 0.01, highest: float = 100.0) -> None:
        """Bring the temperature back between two bounds, after a step of the optimiser.

        On the parameter, as CLIP does it: beyond a bound in the forward pass it would have no gradient to come
        back by. Equation 3 has no lower bound in the temperature: a good order could be sharpened for ever.
        """
        self.log_temperature.clamp_(math.log(lowest), math.log(highest))

    def embed_speech(self, features: Tensor) -> Tensor:
        """Speech features (N, F) to embeddings (N, E) of length one; a head that says nothing gives zeros."""
        return functional.normalize(self.speech(features), dim=-1)

    def embed_text(self, features: Tensor) -> Tensor:
        """Text features (M, F) to embeddings (M, E) of length one; a head that says nothing gives zeros."""
        return functional.normalize(self.text(features), dim=-1)

    @torch.inference_mode()
    def speech_embeddings(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """`embed_speech` of an array, as an array."""
        embedded: npt.NDArray[np.float32] = self.embed_speech(torch.from_numpy(features)).numpy()
        return embedded

    @torch.inference_mode()
    def text_embeddings(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """`embed_text` of an array, as an array."""
        embedded: npt.NDArray[np.float32] = self.embed_text(torch.from_numpy(features)).numpy()
        return embedded

    def forward(self, speech: Tensor, text: Tensor) -> Tensor:
        """Features (N, F) and (M, F) to cosine similarities over the temperature, (N, M)."""
        return self.embed_speech(speech) @ self.embed_text(text).T / self.temperature


def save_heads(heads: ProjectionHeads, folder: Path, about: dict[str, Any]) -> None:
    """Write heads.safetensors and config.json; `about` is whatever a reader should know of their origin."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in heads.state_dict().items()}
    with replacing(folder / WEIGHTS_FILE) as temporary:
        temporary.write_bytes(save(tensors))
    config = {"heads": heads.shape, **about}
    write_text(json.dumps(config, indent=2, sort_keys=True, allow_nan=False) + "\n", folder / CONFIG_FILE)


def load_heads(
    folder: Path,
    recipes: Sequence[Recipe] = (),
    settings: Mapping[str, object] | None = None,
    *,
    labels: str | None = None,
    learnt: Mapping[str, object] | None = None,
) -> ProjectionHeads:
    """Read what `save_heads` wrote.

    `recipes` are those of the speech and the text features that the heads will be given, `settings` those that
    they should be trained with, `labels` the digest of the labels and splits, `learnt` the digests of the
    sentences that the method learns from. Raises RuntimeError where a file is
    absent or does not fit, or where the heads were trained on features of other recipes, with other settings,
    on other labels or splits, or on other sentences.
    """
    config = read_config(folder)
    try:
        heads = ProjectionHeads(**config["heads"])
        heads.load_state_dict(load_file(folder / WEIGHTS_FILE))
    except FileNotFoundError:
        raise RuntimeError(f"{folder / WEIGHTS_FILE} is not there: run `erclap train` first") from None
    except (KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())
        raise RuntimeError(f"{folder} must hold whole heads ({reason}): run `erclap train` again") from error
    if not all(bool(tensor.isfinite().all()) for tensor in heads.state_dict().values()):
        raise RuntimeError(f"the heads in {folder} must be finite, found others: run `erclap train` again")
    for recipe in recipes:
        trained_on = Recipe.from_dict(config.get(f"{recipe.modality}_recipe", {}))
        if trained_on.digest != recipe.digest:
            raise RuntimeError(
                f"the heads in {folder} must be trained on the {recipe.modality} features of the cache, "
                f"found heads for other ones: run `erclap train`"
            )
    if labels is not None and config.get("labels") != labels:
        raise RuntimeError(
            f"the heads in {folder} must be trained on the labels and splits of the manifest, found heads for "
            f"other ones: run `erclap train`"
        )
    if learnt is not None and config.get("learnt") != learnt:
        raise RuntimeError(
            f"the heads in {folder} must be trained on the captions that are there, found heads of other ones: "
            f"run `erclap train`"
        )
    for key, asked in (settings or {}).items():
        found = config.get("settings", {}).get(key)
        if asked != found:
            raise RuntimeError(
                f"the heads in {folder} must be trained as params.yaml asks, train.{key} {asked!r}, found "
                f"{found!r}: run `erclap train`"
            )
    return heads.eval()


def read_config(folder: Path) -> dict[str, Any]:
    """What config.json says of heads. Raises RuntimeError where it is absent or no JSON object."""
    return read_json_object(folder / CONFIG_FILE, made_by="erclap train")


def read_history(folder: Path) -> list[dict[str, float]]:
    """The epochs that led to the heads in a folder. Raises RuntimeError where their file is absent or garbled."""
    path = folder / HISTORY_FILE
    try:
        with path.open(encoding="utf-8") as file:
            return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    except FileNotFoundError:
        raise RuntimeError(f"{path} is not there: run `erclap train` first") from None
    except (ValueError, TypeError) as error:
        raise RuntimeError(f"{path} must hold numbers ({error}): run `erclap train` again") from error
