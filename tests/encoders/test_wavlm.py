"""Our WavLM against transformers': every variant, any batch, any padding, packed weights and plain ones."""

from __future__ import annotations

import shutil
import warnings
from typing import Any

import pytest
import torch
import transformers
from hypothesis import given, settings, strategies as st
from torch import Tensor

from pipeline.encoders import attention, packed
from pipeline.encoders.attention import position_bias
from pipeline.encoders.packed import FrozenConvolution, FrozenLinear
from pipeline.encoders.wavlm import FrozenWavLM
from tests.conftest import SMALL_BACKBONE

CPU = torch.device("cpu")

VARIANTS: dict[str, dict[str, Any]] = {
    "large": {},
    "base": {"feat_extract_norm": "group", "do_stable_layer_norm": False, "conv_bias": False},
    "biased convolutions": {"conv_bias": True},
    "group norm before stable layers": {"feat_extract_norm": "group"},
    "layer norms after their products": {"do_stable_layer_norm": False},
    "positions of odd width": {"num_conv_pos_embeddings": 15},
}


def build(variant: str, **changes: Any) -> transformers.WavLMModel:
    """Random weights, large enough that the biases, the gates and the norms all matter."""
    torch.manual_seed(7)
    model = transformers.WavLMModel(
        transformers.WavLMConfig(**(SMALL_BACKBONE | VARIANTS[variant] | changes))
    ).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "rel_attn_embed" in name or "gru_rel_pos" in name or "norm" in name:
                parameter.add_(0.5 * torch.randn_like(parameter))
    return model.requires_grad_(False)


def clips(*lengths: int) -> list[Tensor]:
    return [
        torch.randn(length, generator=torch.Generator().manual_seed(i)) for i, length in enumerate(lengths)
    ]


def transformers_frames(model: transformers.WavLMModel, clip: Tensor) -> Tensor:
    frames: Tensor = model(clip[None]).last_hidden_state[0]
    return frames


def error(found: Tensor, wanted: Tensor) -> float:
    return float((found - wanted).norm() / wanted.norm())


@pytest.mark.parametrize("way", ["as on a CPU", "as on a GPU"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_frames_agree_with_transformers(variant, way, monkeypatch):
    if way == "as on a GPU":  # plain weights and the fused attention, both of which a CPU has too
        monkeypatch.setattr(packed, "multiplies_by_onednn", lambda *_: False)
        monkeypatch.setattr(attention, "fuses", lambda _: True)
    model = build(variant)
    ours = FrozenWavLM(model, device=CPU, dtype=torch.float32)
    for clip in clips(400, 719, 720, 5_000, 33_333, 52_000):
        frames, heard = ours(clip[None])
        assert heard is None
        assert error(frames[0], transformers_frames(model, clip)) < 1e-5


@settings(max_examples=12, deadline=None)
@given(
    st.sampled_from(sorted(VARIANTS)),
    st.booleans(),
    st.lists(st.integers(400, 40_000), min_size=1, max_size=5),
    st.integers(0, 4_000),
)
def test_a_clip_has_the_same_frames_alone_and_in_any_padded_batch(variant, fused, lengths, extra):
    model = build(variant)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attention, "fuses", lambda _: fused)
        ours = FrozenWavLM(model, device=CPU, dtype=torch.float32)
    waveforms = torch.full((len(lengths), max(lengths) + extra), 1e4)  # padding may be anything
    for row, clip in zip(waveforms, clips(*lengths), strict=True):
        row[: len(clip)] = clip
    frames, heard = ours(waveforms, lengths)
    assert heard is not None
    for row, mask, clip in zip(frames, heard, clips(*lengths), strict=True):
        alone = ours(clip[None])[0][0]
        assert int(mask.sum()) == len(alone)
        assert bool(mask[: len(alone)].all())
        assert error(row[: len(alone)], alone) < 1e-5


def test_a_batch_agrees_with_transformers_masked_batch():
    model = build("large")
    lengths = [30_000, 20_000, 8_000]
    padded = torch.zeros(3, 30_000)
    for row, clip in zip(padded, clips(*lengths), strict=True):
        row[: len(clip)] = clip
    mask = (torch.arange(30_000) < torch.tensor(lengths)[:, None]).long()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Support for mismatched key_padding_mask")
        wanted = model(padded, attention_mask=mask).last_hidden_state
    frames, heard = FrozenWavLM(model, device=CPU, dtype=torch.float32)(padded, lengths)
    assert heard is not None
    assert error(frames[heard], wanted[heard]) < 1e-5


@pytest.mark.parametrize(("buckets", "largest"), [(320, 800), (32, 80), (32, 128)])
def test_position_bias_is_transformers_at_every_distance(buckets, largest):
    model = build("large", num_buckets=buckets, max_bucket_distance=largest)
    layer = model.encoder.layers[0].attention
    for frames in (1, 2, 50, 1_100):
        ours = position_bias(layer.rel_attn_embed.weight, frames, model.config, CPU)
        assert torch.equal(ours, layer.compute_bias(frames, frames))


@pytest.mark.parametrize("variant", ["large", "base"])
def test_bfloat16_stays_close(variant):
    model = build(variant)
    (clip,) = clips(48_000)
    frames, _ = FrozenWavLM(model, device=CPU, dtype=torch.bfloat16)(clip[None])
    assert frames.dtype == torch.float32
    assert 1e-5 < error(frames[0], transformers_frames(model, clip)) < 0.05


# torch's compiler imports modules of torch's own that warn.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch compiles with a C++ compiler, here is none")
def test_compiled_frames_are_the_same_at_any_shape():
    model = build("large")
    plain, compiled = (
        FrozenWavLM(model, device=CPU, dtype=torch.float32, compiled=flag) for flag in (False, True)
    )
    torch._dynamo.utils.counters.clear()
    for lengths in ([20_000, 9_000], [31_000, 30_000, 400], [12_345]):
        waveforms = torch.randn(len(lengths), max(lengths))
        with torch.inference_mode():
            assert error(compiled(waveforms, lengths)[0], plain(waveforms, lengths)[0]) < 1e-5
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] >= 3


def test_long_clips_are_attended_in_parts(monkeypatch):
    ours = FrozenWavLM(build("large"), device=CPU, dtype=torch.float32)
    (clip,) = clips(48_000)
    whole = ours(clip[None])[0]
    monkeypatch.setattr(attention, "QUERIES_AT_ONCE", 40)
    assert error(ours(clip[None])[0], whole) < 1e-6


@pytest.mark.parametrize(
    ("name", "value"), [("add_adapter", True), ("hidden_act", "relu"), ("feat_extract_activation", "silu")]
)
def test_what_is_not_covered_is_refused(name, value):
    with pytest.raises(ValueError, match=f"a WavLM's {name} must be .* found {value!r}"):
        FrozenWavLM(build("large", **{name: value}), device=CPU, dtype=torch.float32)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_frozen_products_are_torchs(dtype):
    torch.manual_seed(0)
    x, weight, bias = torch.randn(3, 37, 64), torch.randn(80, 64), torch.randn(80)
    ours = FrozenLinear(weight, bias, CPU, dtype)(x.to(dtype))
    assert ours.dtype == dtype
    assert error(ours.float(), torch.nn.functional.linear(x, weight, bias)) < (
        1e-6 if dtype == torch.float32 else 0.02
    )


@pytest.mark.parametrize("inputs", [1, 12])
@pytest.mark.parametrize(("groups", "padding", "stride"), [(1, 0, 2), (4, 5, 1)])
def test_frozen_convolutions_are_torchs(inputs, groups, padding, stride):
    torch.manual_seed(0)
    inputs *= groups
    frames, weight, bias = (
        torch.randn(2, 60, inputs),
        torch.randn(16, inputs // groups, 10),
        torch.randn(16),
    )
    ours = FrozenConvolution(weight, bias, CPU, torch.float32, stride=stride, padding=padding, groups=groups)(
        frames
    )
    wanted = torch.nn.functional.conv1d(
        frames.transpose(1, 2), weight, bias, stride=stride, padding=padding, groups=groups
    ).transpose(1, 2)
    assert error(ours, wanted) < 1e-6
