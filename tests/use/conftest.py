"""A model of heads that nobody trained, on the sample's encoders, and recordings for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.config import load_params
from pipeline.encoders import planned_recipes
from pipeline.recipe import Recipe
from pipeline.training import ProjectionHeads
from pipeline.use import CaptionBank, EmotionRankCLAP, Encoder, Model
from tests.conftest import made_once
from tests.imports import ROOT
from tests.use.hubs import writable_hub as writable_hub

EMBEDDING_SIZE = 32

CAPTIONS = {
    f"The person is speaking in a {word} voice.": (valence, arousal)
    for word, valence, arousal in (
        ("furious", 1.5, 6.5),
        ("dull", 2.0, 1.5),
        ("sad", 1.5, 2.0),
        ("plain", 4.0, 4.0),
        ("content", 5.5, 2.5),
        ("delighted", 6.5, 6.0),
    )
}

ORIGIN: dict[str, Any] = {
    "version": "0.1.0",
    "method": "emotionrankclap",
    "title": "EmotionRankCLAP (A-V)",
    "loss": "rank-n-contrast",
    "seed": 0,
    "settings": {"epochs": 3, "learning_rate": 0.001},
    "corpus": {
        "name": "sample corpus (synthetic speech)",
        "synthetic": True,
        "clips": {"train": 100, "test1": 20},
    },
    "captioner": "the offline lexicon",
    "figures": {
        "split": "test1",
        "trials": 3,
        "lists": 14,
        "aoc": 0.51234,
        "voc": 0.4,
        "w1": 0.25,
        "mmd": 0.125,
    },
}


def sample_recipes() -> tuple[Recipe, Recipe]:
    return planned_recipes(load_params(ROOT / "params.yaml").extract)


def make_model(seed: int = 0, **changed: Any) -> Model:
    """A model whose heads are drawn from a seed, without captions unless some are given."""
    speech, text = sample_recipes()
    torch.manual_seed(seed)
    heads = ProjectionHeads(speech.feature_size, text.feature_size, EMBEDDING_SIZE, relu=False)
    given = {
        "heads": heads.eval().requires_grad_(False),
        "speech": Encoder(speech.model, None, speech),
        "text": Encoder(text.model, None, text),
        "origin": ORIGIN,
    }
    return Model(**given | changed)


def make_bank(model: Model) -> CaptionBank:
    embeddings = EmotionRankCLAP(model, device="cpu").embed_sentences(list(CAPTIONS))
    return CaptionBank(list(CAPTIONS), np.array(list(CAPTIONS.values()), np.float64), embeddings)


def _write(folder: Path) -> None:
    model = make_model()
    EmotionRankCLAP(make_model(bank=make_bank(model)), device="cpu").save_pretrained(folder)


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a bank of six captions; nobody changes it."""
    return made_once(tmp_path_factory, "model", _write)


@pytest.fixture(scope="session")
def model(model_folder: Path) -> EmotionRankCLAP:
    return EmotionRankCLAP.from_pretrained(model_folder, device="cpu")
