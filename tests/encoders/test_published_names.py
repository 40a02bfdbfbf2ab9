"""Our modules have the names and shapes of transformers' models; our RoBERTa gives its numbers to the bit."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
import transformers
from torch import Tensor, nn

from pipeline.encoders.checkpoint import unfilled
from pipeline.encoders.published import RobertaClassifier, WavLM
from pipeline.encoders.roberta import FrozenRoberta
from tests.conftest import SMALL_BACKBONE
from tests.encoders.test_wavlm import VARIANTS

SMALL = transformers.RobertaConfig(
    vocab_size=300,
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=48,
    max_position_embeddings=70,
    type_vocab_size=2,
    num_labels=7,
)
LENGTHS = (3, 20, 66)


def shapes(module: nn.Module) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in module.state_dict().items()}


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_wavlm_has_the_tensors_of_transformers(variant, masked):
    config = transformers.WavLMConfig(**(SMALL_BACKBONE | VARIANTS[variant]), mask_time_prob=0.05 * masked)
    assert shapes(WavLM(config, masked=masked)) == shapes(transformers.WavLMModel(config))


@pytest.fixture(scope="module")
def theirs() -> transformers.RobertaForSequenceClassification:
    torch.manual_seed(0)
    model = transformers.RobertaForSequenceClassification(SMALL).eval().requires_grad_(False)
    for parameter in model.parameters():  # norms and biases that matter
        parameter.add_(0.1 * torch.randn_like(parameter))
    return model


@pytest.fixture(scope="module")
def ours(theirs) -> FrozenRoberta:
    with unfilled():
        model = RobertaClassifier(SMALL)
    assert shapes(model) == shapes(theirs)
    model.load_state_dict(theirs.state_dict(), assign=True)
    return FrozenRoberta(model, device=torch.device("cpu"), pad=SMALL.pad_token_id)


def batch(*lengths: int) -> tuple[Tensor, Tensor]:
    """Ids, and which of them are no padding."""
    ids = torch.randint(5, 300, (len(lengths), max(lengths)), generator=torch.Generator().manual_seed(0))
    heard = torch.arange(ids.shape[1]) < torch.tensor(lengths)[:, None]
    return ids.where(heard, SMALL.pad_token_id), heard


@pytest.mark.parametrize("reduced", [False, True])
@torch.inference_mode()
def test_a_roberta_gives_the_states_of_transformers_to_the_bit(theirs, ours, reduced):
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=reduced):
        for length in LENGTHS:
            ids, heard = batch(length)
            wanted = theirs.roberta(ids, attention_mask=heard.long()).last_hidden_state
            assert torch.equal(ours(ids), wanted)
        ids, heard = batch(*LENGTHS)
        wanted = theirs.roberta(ids, attention_mask=heard.long()).last_hidden_state
        assert torch.equal(ours(ids, heard)[heard], wanted[heard])


@pytest.mark.parametrize("activation", ["gelu_new", "relu", "silu"])
@torch.inference_mode()
def test_other_activations_are_those_of_transformers(activation):
    config = transformers.RobertaConfig(**(SMALL.to_dict() | {"hidden_act": activation}))
    theirs = transformers.RobertaForSequenceClassification(config).eval()
    model = RobertaClassifier(config)
    model.load_state_dict(theirs.state_dict())
    ids, _ = batch(20)
    found = FrozenRoberta(model, device=torch.device("cpu"), pad=1)(ids)
    assert torch.allclose(found, theirs.roberta(ids).last_hidden_state, atol=1e-6)


def test_encoders_are_loaded_without_transformers_own_models_and_torchs_compiler():
    """Which take two seconds each."""
    code = """
import sys
import numpy as np
from emotionrankclap import SpeechEncoder, TextEncoder
SpeechEncoder.from_pretrained("builtin:sample-speech").encode([np.sin(np.arange(4000))])
TextEncoder.from_pretrained("builtin:sample-text").encode(["angry"])
sys.exit([name for name in ("transformers.modeling_utils", "torch._dynamo") if name in sys.modules] or 0)
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stderr) == (0, "")
