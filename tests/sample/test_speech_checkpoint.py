"""The speech checkpoint of the sample profile: its format, its size, and what it was never taught."""

import json
import math
from itertools import product
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from safetensors import safe_open

from pipeline.encoders.checkpoint import locate
from pipeline.encoders.speech import SpeechEncoder
from pipeline.sample import speech_checkpoint
from pipeline.sample.sentences import SUBJECTS, Sentiment, sentences
from pipeline.sample.speech_checkpoint import concordance
from pipeline.sample.voices import CHECKPOINT_VARIANTS, CORPUS_VARIANTS

BUILTIN = "builtin:sample-speech"


def test_training_and_corpus_share_no_voice() -> None:
    assert not set(CORPUS_VARIANTS) & set(CHECKPOINT_VARIANTS)
    assert len(set(CORPUS_VARIANTS)) == len(CORPUS_VARIANTS) == 40


def test_training_and_corpus_share_no_sentence() -> None:
    assert not set(SUBJECTS["corpus"]) & set(SUBJECTS["checkpoint"])
    for one, other in product(get_args(Sentiment), repeat=2):
        assert not set(sentences("corpus", one)) & set(sentences("checkpoint", other))


def test_training_again_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "other"):
        speech_checkpoint.train(tmp_path / name, utterances=20, epochs=1)
    for file in ("config.json", "model.safetensors"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "other" / file).read_bytes()
    features = SpeechEncoder.from_pretrained(str(tmp_path / "one")).encode(
        [np.sin(np.arange(16_000, dtype=np.float32))]
    )
    assert features.shape == (1, 96)


def test_training_leaves_torch_as_it_was(tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    speech_checkpoint.train(tmp_path, utterances=8, epochs=1)
    assert torch.rand(1) == expected
    assert torch.get_num_threads() == threads


def test_checkpoint_is_in_the_public_format_and_small() -> None:
    folder = locate(BUILTIN).folder
    config = json.loads((folder / "config.json").read_text())
    assert config["architectures"] == ["SERModel"]
    assert config["model_type"] == "ser"
    assert config["ssl_config"]["hidden_size"] == config["hidden_size"]
    assert config["std"] > 0
    with safe_open(folder / "model.safetensors", framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    assert {name.split(".")[0] for name in tensors} == {"ssl_model", "pool_model", "ser_model"}
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float32}
    assert tensors["pool_model.attention"].shape == (config["hidden_size"], 1)
    assert tensors["ser_model.out.0.weight"].shape[0] == 3
    assert sum(tensor.numel() for tensor in tensors.values()) < 500_000


def test_front_end_has_wavlms_stride_and_receptive_field() -> None:
    backbone = SpeechEncoder.from_pretrained(BUILTIN).wavlm.config
    assert math.prod(backbone.conv_stride) == 320
    field, jump = 1, 1
    for kernel, stride in zip(backbone.conv_kernel, backbone.conv_stride, strict=True):
        field, jump = field + (kernel - 1) * jump, jump * stride
    assert field == 400


def test_concordance_is_lins() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((20, 3)), rng.standard_normal((20, 3))
    for k, value in enumerate(concordance(torch.from_numpy(x), torch.from_numpy(y)).tolist()):
        covariance = np.mean((x[:, k] - x[:, k].mean()) * (y[:, k] - y[:, k].mean()))
        expected = 2 * covariance / (x[:, k].var() + y[:, k].var() + (x[:, k].mean() - y[:, k].mean()) ** 2)
        assert value == pytest.approx(expected)
    same = torch.from_numpy(x)
    assert concordance(same, same).tolist() == pytest.approx([1, 1, 1])
    assert concordance(same, -same).max() < 0
