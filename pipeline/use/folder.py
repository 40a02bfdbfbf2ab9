"""A model as a folder: what its two heads are, which encoders they were trained on, and the captions it knows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from pipeline.recipe import FORWARD_VERSION, Recipe
from pipeline.support import read_json_object
from pipeline.training import ProjectionHeads
from pipeline.use.bank import CaptionBank, digest_of

CONFIG_FILE, HEADS_FILE, CARD_FILE = "config.json", "heads.safetensors", "README.md"

MADE_BY = "erclap export"

MODEL_TYPE, FORMAT = "emotionrankclap", 1


@dataclass(frozen=True)
class Encoder:
    """Where a frozen encoder comes from, and what it must turn out to be."""

    model: str
    """A builtin name, a hub name, or the name that a local folder had."""
    revision: str | None
    """The hub's commit; None where it is no hub's."""
    recipe: Recipe
    """Of the features that the heads were trained on."""

    @property
    def was_a_folder(self) -> bool:
        """Whether nobody but its owner can say where it is."""
        return self.revision is None and not self.model.startswith("builtin:")


@dataclass(frozen=True)
class Model:
    """What a model's folder holds."""

    heads: ProjectionHeads
    speech: Encoder
    text: Encoder
    bank: CaptionBank | None = None
    origin: dict[str, Any] = field(default_factory=dict)
    """How it was trained, and what was measured."""
    card: str | None = None
    """What its owner has written in place of the card that is drawn up of it."""

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits that stand for the heads and both recipes: other ones, other embeddings."""
        digest = hashlib.sha256(_weights(self.heads))
        shape = json.dumps(self.heads.shape, sort_keys=True)
        digest.update(f"{shape} {self.speech.recipe.digest} {self.text.recipe.digest}".encode())
        return digest.hexdigest()[:12]


def files_of(model: Model, drawn_up: str) -> dict[str, bytes]:
    """A model's files by name, config.json last, which tells whether the others belong together.

    `drawn_up` is the card of a model whose owner has written none.
    """
    config = {
        "model_type": MODEL_TYPE,
        "format": FORMAT,
        "digest": model.digest,
        "captions": model.bank.digest if model.bank else None,
        "card": digest_of(drawn_up.encode()),
        "heads": model.heads.shape,
        "speech_encoder": _encoder_to_dict(model.speech),
        "text_encoder": _encoder_to_dict(model.text),
        "origin": model.origin,
    }
    return {
        HEADS_FILE: _weights(model.heads),
        **(model.bank.files() if model.bank else {}),
        CARD_FILE: (model.card or drawn_up).encode(),
        CONFIG_FILE: (json.dumps(config, indent=2, sort_keys=True, allow_nan=False) + "\n").encode(),
    }


def read_model(folder: Path) -> Model:
    """Read the files of a model. Raises RuntimeError where one is absent, damaged or does not fit."""
    path = folder / CONFIG_FILE
    config = read_json_object(path, made_by=MADE_BY)
    if config.get("model_type") != MODEL_TYPE:
        raise RuntimeError(
            f"{path} must say model_type {MODEL_TYPE!r}, found {config.get('model_type')!r:.60}: it is another "
            f"kind of model"
        )
    if config.get("format") != FORMAT:
        raise RuntimeError(
            f"{path} must be of format {FORMAT}, found {config.get('format')!r:.60}: export the model again, or "
            f"use the release that wrote it"
        )
    try:
        if not isinstance(config["heads"]["relu"], bool):
            raise ValueError(f"relu must be true or false, found {config['heads']['relu']!r:.60}")
        with torch.device("meta"):
            heads = ProjectionHeads(**config["heads"])
        # Cloned to where torch puts its own: of weights at odd places in memory products have other last bits.
        tensors = {name: tensor.clone() for name, tensor in load_file(folder / HEADS_FILE).items()}
        if other := {str(tensor.dtype) for tensor in tensors.values()} - {"torch.float32"}:
            raise ValueError(f"heads must be torch.float32, found {', '.join(sorted(other))}")
        if not all(tensor.isfinite().all() for tensor in tensors.values()):
            raise ValueError("heads must be finite numbers, found others")
        heads.load_state_dict(tensors, assign=True)
        speech, text = (_encoder_of(config[f"{kind}_encoder"], kind) for kind in ("speech", "text"))
        origin = dict(config.get("origin") or {})
    except FileNotFoundError:
        raise RuntimeError(f"{folder / HEADS_FILE} is not there: export or fetch it again") from None
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())
        raise RuntimeError(
            f"{folder} must hold a whole model ({reason:.300}): export or fetch it again"
        ) from error
    bank = CaptionBank.read(folder) if config.get("captions") else None
    card = owners_card(folder, config)
    model = Model(heads.eval().requires_grad_(False), speech, text, bank, origin, card)
    if bank and bank.digest != config["captions"]:
        raise RuntimeError(
            f"{folder} must hold the captions that its {CONFIG_FILE} names, {config['captions']!r:.40}, found "
            f"{bank.digest}: export or fetch it again"
        )
    if model.digest != config.get("digest"):
        raise RuntimeError(
            f"{folder} must hold the heads that its {CONFIG_FILE} names, {config.get('digest')!r:.40}, found "
            f"{model.digest}: export or fetch it again"
        )
    _check_fits(model, folder)
    return model


def has_captions(folder: Path) -> bool:
    """Whether a folder's config.json says that there are captions; not where it cannot be read."""
    try:
        return bool(read_json_object(folder / CONFIG_FILE).get("captions"))
    except RuntimeError:
        return False


def owners_card(folder: Path, config: Mapping[str, Any]) -> str | None:
    """The card in a folder, unless there is none or it is as it was drawn up with this config.json."""
    if (folder / CARD_FILE).is_symlink():
        raise RuntimeError(f"{folder / CARD_FILE} must be a file, found a link, which may lead anywhere")
    try:
        written = (folder / CARD_FILE).read_bytes()
        return None if digest_of(written) == config.get("card") else written.decode()
    except FileNotFoundError:
        return None
    except UnicodeError as error:
        raise RuntimeError(f"{folder / CARD_FILE} must be UTF-8 ({error})") from error


def _check_fits(model: Model, folder: Path) -> None:
    for kind, encoder in (("speech", model.speech), ("text", model.text)):
        size = model.heads.sizes[f"{kind}_size"]
        if encoder.recipe.feature_size != size or encoder.recipe.modality != kind:
            raise RuntimeError(
                f"{folder} must have a {kind} head for {kind} features of {encoder.recipe.feature_size}, found "
                f"one for {size}"
            )
        if encoder.recipe.forward_version != FORWARD_VERSION:
            raise RuntimeError(
                f"{folder} must be of forward pass {FORWARD_VERSION}, found {encoder.recipe.forward_version}: "
                f"train its heads again on features of today's"
            )
    if model.bank is not None and model.bank.embeddings.shape[1] != model.heads.sizes["embedding_size"]:
        raise RuntimeError(
            f"{folder} must have captions embedded in {model.heads.sizes['embedding_size']} dimensions, found "
            f"{model.bank.embeddings.shape[1]}: export it again"
        )


def _weights(heads: ProjectionHeads) -> bytes:
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in heads.state_dict().items()}
    written: bytes = save(tensors)
    return written


def _encoder_to_dict(encoder: Encoder) -> dict[str, Any]:
    return {"model": encoder.model, "revision": encoder.revision, "recipe": encoder.recipe.to_dict()}


def _encoder_of(written: dict[str, Any], kind: str) -> Encoder:
    model, revision = written["model"], written["revision"]
    if not isinstance(model, str) or not isinstance(revision, str | None):
        raise ValueError(f"{kind}_encoder must have a model and a revision, found {model!r:.60}")
    return Encoder(model, revision, Recipe.from_dict(written["recipe"]))
