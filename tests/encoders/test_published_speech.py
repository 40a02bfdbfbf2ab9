"""The published speech encoder in each form that it is met in: the same weights, and so the same features.

With and without what WavLM's training puts in place of masked frames, under both of torch's names for the parts of
a weight norm, as safetensors and pickled. Its config.json names the backbone and does not describe it.
"""

from __future__ import annotations

import itertools
import json
import shutil
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline.encoders import SpeechEncoder
from pipeline.encoders.checkpoint import locate
from pipeline.encoders.ser_loading import load_ser_model
from tests.conftest import write_ser_checkpoint
from tests.encoders.test_speech_encoder import plain_model, reference_by, relative_error

LARGE = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
}
MASK = "ssl_model.masked_spec_embed"
NORM = "ssl_model.encoder.pos_conv_embed.conv"
FORMS = list(itertools.product(("masked", "plain"), ("older", "newer"), ("safetensors", "pickled")))


def in_form(checkpoint: Path, folder: Path, mask: str, norm: str, file: str) -> Path:
    """The checkpoint with the same weights in another form."""
    if (mask, norm, file) == ("masked", "newer", "safetensors"):
        return checkpoint  # it is in this one
    folder.mkdir()
    shutil.copy(checkpoint / "config.json", folder)
    tensors = load_file(checkpoint / "model.safetensors")
    if mask == "plain":
        del tensors[MASK]
    if norm == "older":
        tensors[f"{NORM}.weight_g"] = tensors.pop(f"{NORM}.parametrizations.weight.original0")
        tensors[f"{NORM}.weight_v"] = tensors.pop(f"{NORM}.parametrizations.weight.original1")
    if file == "safetensors":
        save_file(tensors, folder / "model.safetensors")
    else:
        torch.save(OrderedDict(tensors), folder / "pytorch_model.bin")
    return folder


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch) -> None:
    """A folder of a project, in whose cache the converted weights go."""
    (tmp_path / "params.yaml").touch()
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("converting_here")
@pytest.mark.parametrize(("mask", "norm", "file"), FORMS)
def test_a_small_one_has_the_same_weights_and_features_in_each_form(
    speech_checkpoint, tmp_path, noise, mask, norm, file
):
    folders = in_form(speech_checkpoint, tmp_path / "form", mask, norm, file), speech_checkpoint
    weights, wanted_weights = (load_ser_model(locate(str(f))).state_dict() for f in folders)
    assert wanted_weights.keys() - weights.keys() == ({MASK} if mask == "plain" else set())
    assert all(torch.equal(tensor, wanted_weights[name]) for name, tensor in weights.items())
    found, wanted = (SpeechEncoder.from_pretrained(str(f)).encode(noise(1.0)) for f in folders)
    # Where a tensor begins in its file may change the last bits of a product.
    assert relative_error(found, wanted) < 1e-6


@pytest.fixture(scope="module")
def full(tmp_path_factory) -> Path:
    folder = write_ser_checkpoint(tmp_path_factory.mktemp("full") / "checkpoint", None)
    written = json.loads((folder / "config.json").read_text())
    assert written["ssl_type"] == "microsoft/wavlm-large"
    assert "ssl_config" not in written
    return folder


@pytest.fixture(scope="module")
def clips() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [(0.1 * rng.standard_normal(length)).astype(np.float32) for length in (6_400, 4_000)]


@pytest.fixture(scope="module")
def transformers_says(full, clips) -> list[np.ndarray]:
    """By plain transformers, and the pooling written out."""
    plain = plain_model(full, LARGE)
    return [reference_by(*plain, clip)["attentive-mean"] for clip in clips]


# Each form once; the small one above has them all together.
@pytest.mark.parametrize(
    ("mask", "norm", "file"),
    [
        ("masked", "newer", "safetensors"),
        ("plain", "older", "pickled"),
    ],
)
def test_full_size_checkpoint_in_each_form_agrees_with_transformers(
    full, clips, transformers_says, tmp_path, mask, norm, file
):
    folder = in_form(full, tmp_path / "form", mask, norm, file)
    features = SpeechEncoder.from_pretrained(str(folder)).encode(clips)
    assert features.shape == (2, 1024)
    for feature, wanted in zip(features, transformers_says, strict=True):
        assert relative_error(feature, wanted) < 1e-4
    shutil.rmtree(tmp_path)  # a gigabyte or two
    tmp_path.mkdir()
