"""WavLM's forward pass for inference alone, over the weights of transformers' WavLMModel.

What differs from training code: the relative position bias is made once a batch and not once a clip, and only
its gate once a layer; query, key, value and gate are one product; weight norms are folded; the attention's
weights are never averaged for a caller who does not want them; the residual stream stays in float32 whatever
the products compute in. WavLM (Chen et al. 2022), arXiv 2110.13900.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import WavLMConfig, WavLMModel
from transformers.models.wavlm.modeling_wavlm import WavLMAttention, WavLMEncoderLayer

from pipeline.encoders.packed import FrozenConvolution, FrozenLinear

FRAMES_AT_ONCE = 64
"""On a CPU the convolutions take a clip by so many frames (1.3 s), which stay in the cache."""


class FrozenWavLM:
    """Waveforms to the last layer's frames. Layer-normalised (large) and group-normalised (base) alike."""

    def __init__(
        self,
        model: WavLMModel,
        *,
        device: torch.device,
        dtype: torch.dtype,
        convolutions: torch.dtype | None = None,
    ) -> None:
        """`dtype` is what products are computed in; `convolutions` that of the front end, where it differs.

        The model's weights are copied or shared and never changed. Raises ValueError for a configuration that
        this forward pass does not cover.
        """
        config = model.config
        _check(config)
        self.config, self.device, self.dtype = config, device, dtype
        self._front_end = FrontEnd(model, device, convolutions or dtype)
        projection = model.feature_projection
        self._projection_norm = Norm.of(projection.layer_norm, device)
        self._projection = FrozenLinear(
            projection.projection.weight, projection.projection.bias, device, dtype
        )
        positions = model.encoder.pos_conv_embed.conv
        self._positions = FrozenConvolution(
            positions.weight,  # the weight norm's property: its two parts multiplied
            positions.bias,
            device,
            dtype,
            padding=config.num_conv_pos_embeddings // 2,
            groups=config.num_conv_pos_embedding_groups,
        )
        self._norm = Norm.of(model.encoder.layer_norm, device)
        layers = cast(list[WavLMEncoderLayer], list(model.encoder.layers))
        self._relative = layers[0].attention.rel_attn_embed.weight.detach().to(device)  # all layers share it
        self._layers = [
            Layer(layer, stable=config.do_stable_layer_norm, device=device, dtype=dtype) for layer in layers
        ]

    def frame_count(self, samples: int) -> int:
        """How many frames so many samples give."""
        for kernel, stride in zip(self.config.conv_kernel, self.config.conv_stride, strict=True):
            samples = (samples - kernel) // stride + 1
        return samples

    def sample_count(self, frames: int) -> int:
        """The fewest samples that give so many frames."""
        for kernel, stride in zip(
            reversed(self.config.conv_kernel), reversed(self.config.conv_stride), strict=True
        ):
            frames = (frames - 1) * stride + kernel
        return frames

    def __call__(
        self, waveforms: Tensor, lengths: Sequence[int] | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """The last layer's frames (N, T, F) in float32, and which of them are heard, (N, T), None for all.

        `waveforms` (N, samples) is normalised and padded with anything; `lengths` (N) counts each one's own
        samples, and is left out where all are heard whole. What is padding changes nothing of what is heard.
        """
        frames = self._front_end(waveforms, lengths)
        x = self._projection(self._projection_norm(frames).to(self.dtype)).float()
        heard = self._heard(lengths, x.shape[1])
        if heard is not None:
            x = x * heard.unsqueeze(2)
        positions = self._positions(x.to(self.dtype))[:, : x.shape[1]]
        x = x + F.gelu(positions)
        if not self.config.do_stable_layer_norm:
            x = self._norm(x)
        bias = position_bias(self._relative, x.shape[1], self.config).to(self.dtype)
        unheard = None if heard is None else _additive(heard, self.dtype)
        for layer in self._layers:
            x = layer(x, bias, unheard)
        return (self._norm(x) if self.config.do_stable_layer_norm else x), heard

    def _heard(self, lengths: Sequence[int] | None, frames: int) -> Tensor | None:
        if lengths is None:
            return None
        counts = torch.tensor([self.frame_count(length) for length in lengths])
        heard = torch.arange(frames) < counts.unsqueeze(1)
        return heard.to(self.device, non_blocking=True)


def _check(config: WavLMConfig) -> None:
    covered = {
        "feat_extract_norm": ("layer", "group"),
        "feat_extract_activation": ("gelu",),
        "hidden_act": ("gelu",),
        "add_adapter": (False,),
    }
    for name, values in covered.items():
        if getattr(config, name) not in values:
            raise ValueError(
                f"a WavLM's {name} must be {' or '.join(map(str, values))}, found {getattr(config, name)!r}"
            )


def _additive(heard: Tensor, dtype: torch.dtype) -> Tensor:
    """(N, 1, 1, T): 0 where a frame is heard, minus infinity where not."""
    nothing = torch.zeros(heard.shape, dtype=dtype, device=heard.device)
    return nothing.masked_fill(~heard, float("-inf"))[:, None, None]


@dataclass(frozen=True, slots=True)
class Norm:
    """A layer norm over the last axis, in float32."""

    weight: Tensor
    bias: Tensor
    epsilon: float

    @classmethod
    def of(cls, norm: nn.LayerNorm, device: torch.device, dtype: torch.dtype = torch.float32) -> Norm:
        return cls(
            norm.weight.detach().to(device, dtype), norm.bias.detach().to(device, dtype), float(norm.eps)
        )

    def __call__(self, x: Tensor) -> Tensor:
        x = x.to(self.weight.dtype)
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.epsilon)


class FrontEnd:
    """Seven convolutions, 16,000 samples a second to 50 frames a second."""

    def __init__(self, model: WavLMModel, device: torch.device, dtype: torch.dtype) -> None:
        self._dtype = dtype
        self._by_group = model.config.feat_extract_norm == "group"
        self._kernels, self._strides = model.config.conv_kernel, model.config.conv_stride
        self._convolutions: list[FrozenConvolution] = []
        self._norms: list[Norm | None] = []
        layers: list[Any] = list(model.feature_extractor.conv_layers)
        for layer, stride in zip(layers, self._strides, strict=True):
            self._convolutions.append(
                FrozenConvolution(layer.conv.weight, layer.conv.bias, device, dtype, stride=stride)
            )
            norm = getattr(layer, "layer_norm", None)
            self._norms.append(None if norm is None else Norm.of(norm, device, dtype))

    def __call__(self, waveforms: Tensor, lengths: Sequence[int] | None) -> Tensor:
        """Waveforms (N, samples) to frames (N, T, C)."""
        samples = waveforms.to(self._dtype).unsqueeze(2)
        if self._by_group or waveforms.device.type != "cpu":
            return self._frames(samples, lengths)
        # Each frame hears its own 25 ms alone, so that a clip may be taken in parts.
        field, hop = 1, math.prod(self._strides)
        for kernel, stride in zip(reversed(self._kernels), reversed(self._strides), strict=True):
            field = (field - 1) * stride + kernel
        count = (waveforms.shape[1] - field) // hop + 1
        parts = []
        for start in range(0, count, FRAMES_AT_ONCE):
            stop = min(start + FRAMES_AT_ONCE, count)
            part = samples[:, start * hop : (stop - 1) * hop + field]
            parts.append(self._frames(part.contiguous(), None))
        return torch.cat(parts, dim=1)

    def _frames(self, x: Tensor, lengths: Sequence[int] | None) -> Tensor:
        for i, (convolution, norm) in enumerate(zip(self._convolutions, self._norms, strict=True)):
            x = convolution(x)
            if norm is not None:
                x = self._over_time(x, norm, lengths, i) if self._by_group else norm(x)
            x = F.gelu(x)
        return x

    def _over_time(self, x: Tensor, norm: Norm, lengths: Sequence[int] | None, layer: int) -> Tensor:
        """Each channel normalised over the frames of its own clip (N, T, C), padding left out."""
        frames = x.float()
        if lengths is None:
            variance, mean = torch.var_mean(frames, dim=1, correction=0, keepdim=True)
        else:
            counts = torch.tensor([self._count(length, layer) for length in lengths])
            heard = (torch.arange(x.shape[1]) < counts.unsqueeze(1)).unsqueeze(2).to(x.device)
            counts = counts.view(-1, 1, 1).to(x.device)
            mean = (frames * heard).sum(dim=1, keepdim=True) / counts
            variance = ((frames - mean) * heard).square().sum(dim=1, keepdim=True) / counts
        scaled = (frames - mean) * (variance + norm.epsilon).rsqrt()
        return (scaled * norm.weight.float() + norm.bias.float()).to(x.dtype)

    def _count(self, samples: int, layer: int) -> int:
        """How many frames so many samples give after a layer."""
        for kernel, stride in zip(self._kernels[: layer + 1], self._strides[: layer + 1], strict=True):
            samples = (samples - kernel) // stride + 1
        return samples


def position_bias(relative: Tensor, frames: int, config: WavLMConfig) -> Tensor:
    """What each head adds for the distance from a query to a key, (H, T, T), before it is gated.

    `relative` (buckets, H). Half of the buckets are for keys before the query and half for those after; half
    of either for single distances, and the rest grow as the logarithm of the distance up to the largest.
    """
    distance = torch.arange(1 - frames, frames, device=relative.device)
    side = config.num_buckets // 2
    exact = side // 2
    far = torch.log(distance.abs().float() / exact) / math.log(config.max_bucket_distance / exact)
    bucket = (exact + far * (side - exact)).clamp(max=side - 1).long()
    bucket = torch.where(distance.abs() < exact, distance.abs(), bucket) + side * (distance > 0)
    by_distance = relative[bucket].T.contiguous()  # (H, 2T - 1)
    # Query q sees the T distances from -q on: a window that moves back by one from query to query.
    return by_distance.unfold(1, frames, 1).flip(1)


class Layer:
    """A transformer layer whose attention is biased by gated relative positions."""

    def __init__(
        self, layer: WavLMEncoderLayer, *, stable: bool, device: torch.device, dtype: torch.dtype
    ) -> None:
        self._stable = stable
        self._dtype = dtype
        self._attention = Attention(layer.attention, device, dtype)
        feed_forward = layer.feed_forward
        self._up, self._down = (
            FrozenLinear(dense.weight, dense.bias, device, dtype)
            for dense in (feed_forward.intermediate_dense, feed_forward.output_dense)
        )
        self._first, self._second = (
            Norm.of(norm, device) for norm in (layer.layer_norm, layer.final_layer_norm)
        )

    def __call__(self, x: Tensor, bias: Tensor, unheard: Tensor | None) -> Tensor:
        """Frames (N, T, F) to frames; the residual stream `x` is float32."""
        if self._stable:
            x = x + self._attention(self._first(x).to(self._dtype), bias, unheard)
            return x + self._feed_forward(self._second(x).to(self._dtype))
        x = self._first(x + self._attention(x.to(self._dtype), bias, unheard))
        return self._second(x + self._feed_forward(x.to(self._dtype)))

    def _feed_forward(self, x: Tensor) -> Tensor:
        return self._down(F.gelu(self._up(x)))


class Attention:
    """Query, key, value and the position bias's gate from one product."""

    def __init__(self, attention: WavLMAttention, device: torch.device, dtype: torch.dtype) -> None:
        heads, size = attention.num_heads, attention.head_dim
        self._heads, self._size = heads, size
        scale = size**-0.5
        gate, gate_bias = _gate(attention)
        projections = [attention.q_proj, attention.k_proj, attention.v_proj]
        weight = torch.cat([scale * projections[0].weight, *(p.weight for p in projections[1:]), gate])
        shift = torch.cat([scale * projections[0].bias, *(p.bias for p in projections[1:]), gate_bias])
        self._all = FrozenLinear(weight, shift, device, dtype)
        self._out = FrozenLinear(attention.out_proj.weight, attention.out_proj.bias, device, dtype)
        self._constant = attention.gru_rel_pos_const.detach().to(device, torch.float32).view(-1)

    def __call__(self, x: Tensor, bias: Tensor, unheard: Tensor | None) -> Tensor:
        """(N, T, F) to (N, T, F); `bias` (H, T, T), `unheard` (N, 1, 1, T) added to every score."""
        n, frames, _ = x.shape
        width = self._heads * self._size
        fused = self._all(x)  # (N, T, 3F + 2H)
        query, key, value = (
            fused[..., i * width : (i + 1) * width].view(n, frames, self._heads, self._size).transpose(1, 2)
            for i in range(3)
        )  # (N, H, T, F / H)
        first, second = fused[..., 3 * width :].float().sigmoid().transpose(1, 2).chunk(2, dim=1)
        gate = first * (second * self._constant[:, None] - 1.0) + 2.0  # (N, H, T)
        gate = gate.to(x.dtype).unsqueeze(3)
        attend = _attend_on_cpu if x.device.type == "cpu" else _attend
        mixed = attend(query, key, value, gate, bias, unheard)
        return self._out(mixed.transpose(1, 2).reshape(n, frames, width))


def _gate(attention: WavLMAttention) -> tuple[Tensor, Tensor]:
    """The gate's linear map (2H, F) and bias (2H): the two gates of each head see that head's part alone.

    The published model maps to two times four numbers and adds the four, which is one map to two.
    """
    heads, size = attention.num_heads, attention.head_dim
    linear = attention.gru_rel_pos_linear
    weight = linear.weight.detach().view(2, 4, size).sum(dim=1)  # (2, F / H)
    bias = linear.bias.detach().view(2, 4).sum(dim=1)
    spread = weight.new_zeros(2, heads, heads, size)
    for head in range(heads):
        spread[:, head, head] = weight
    return spread.view(2 * heads, heads * size), bias.repeat_interleave(heads)


def _attend(
    query: Tensor, key: Tensor, value: Tensor, gate: Tensor, bias: Tensor, unheard: Tensor | None
) -> Tensor:
    """Attention over (N, H, T, D), the queries scaled already: one fused kernel on a GPU."""
    added = gate * bias if unheard is None else torch.addcmul(unheard, gate, bias)
    return F.scaled_dot_product_attention(query, key, value, attn_mask=added, scale=1.0)


QUERIES_AT_ONCE = 512


def _attend_on_cpu(
    query: Tensor, key: Tensor, value: Tensor, gate: Tensor, bias: Tensor, unheard: Tensor | None
) -> Tensor:
    """The same by two batched products, which take half of the fused kernel's time in bfloat16 on a CPU."""
    n, heads, frames, size = query.shape
    keys = key.reshape(n * heads, frames, size).transpose(1, 2)
    values = value.reshape(n * heads, frames, size)
    mixed = torch.empty_like(values)
    for start in range(0, frames, QUERIES_AT_ONCE):
        part = slice(start, start + QUERIES_AT_ONCE)
        added = gate[:, :, part] * bias[:, part]
        if unheard is not None:
            added += unheard
        scores = torch.baddbmm(added.flatten(0, 1), query[:, :, part].reshape(n * heads, -1, size), keys)
        weights = scores.softmax(dim=2, dtype=torch.float32).to(value.dtype)
        mixed[:, part] = weights @ values
    return mixed.view(n, heads, frames, size)
