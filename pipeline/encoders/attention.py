"""WavLM's attention: scores biased by relative positions, which each query gates by what it has heard."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from pipeline.encoders.packed import FrozenLinear
from pipeline.encoders.pointwise import Pointwise
from pipeline.encoders.published import Attention as Weights
from pipeline.encoders.transfer import sent

if TYPE_CHECKING:
    from transformers import WavLMConfig

QUERIES_AT_ONCE = 512
"""On a CPU, so that a long clip's scores take no more memory than this many of its frames' do."""


def position_bias(relative: Tensor, frames: int, config: WavLMConfig, device: torch.device) -> Tensor:
    """What each head adds for the distance from a query to a key, (H, T, T), before it is gated.

    `relative` is (buckets, H), on the CPU. Half of the buckets are for keys before the query and half for those
    after; half of either for single distances, and the rest grow as the logarithm of the distance up to the
    largest.
    """
    distance = torch.arange(1 - frames, frames)
    side = config.num_buckets // 2
    exact = side // 2
    far = torch.log(distance.abs().float() / exact) / math.log(config.max_bucket_distance / exact)
    bucket = (exact + far * (side - exact)).clamp(max=side - 1).long()
    bucket = torch.where(distance.abs() < exact, distance.abs(), bucket) + side * (distance > 0)
    by_distance = sent(relative[bucket].T.contiguous(), device)  # (H, 2T - 1)
    # Query q sees the T distances from -q on: a window that moves back by one from query to query.
    return by_distance.unfold(1, frames, 1).flip(1)


def fuses(device: torch.device) -> bool:
    """Whether torch's fused kernel computes the attention."""
    return device.type != "cpu"


def kernels(device: torch.device) -> AbstractContextManager[None]:
    """Which fused kernel: cuDNN's makes a plan for every shape, and flash takes no bias."""
    if not fuses(device):
        return nullcontext()
    kernel: AbstractContextManager[None] = sdpa_kernel([SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH])
    return kernel


class Attention:
    """Query, key, value and gate from one product; the gate's product with the bias goes into the scores."""

    def __init__(
        self, attention: Weights, pointwise: Pointwise, device: torch.device, dtype: torch.dtype
    ) -> None:
        self._heads, self._size = attention.num_heads, attention.head_dim
        self._pointwise, self._fused = pointwise, fuses(device)
        scale = self._size**-0.5
        gate, gate_bias = _gate(attention)
        query, key, value = attention.q_proj, attention.k_proj, attention.v_proj
        weight = torch.cat([scale * query.weight, key.weight, value.weight, gate])
        bias = torch.cat([scale * query.bias, key.bias, value.bias, gate_bias])
        self._all = FrozenLinear(weight, bias, device, dtype)
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
        gates = fused[..., 3 * width :]
        if self._fused:
            added = self._pointwise.gated_bias(gates, self._constant, bias, unheard)
            # The scale is in the query's weights.
            mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=added, scale=1.0)
        else:
            mixed = self._by_products(query, key, value, gates, bias, unheard)
        return self._out(mixed.transpose(1, 2).reshape(n, frames, width))

    def _by_products(
        self, query: Tensor, key: Tensor, value: Tensor, gates: Tensor, bias: Tensor, unheard: Tensor | None
    ) -> Tensor:
        """Attention by two batched products: on a CPU half of the fused kernel's time in bfloat16, as much in
        float32."""
        n, heads, frames, size = query.shape
        keys = key.reshape(n * heads, frames, size).transpose(1, 2)
        values = value.reshape(n * heads, frames, size)
        mixed = torch.empty_like(values)
        for start in range(0, frames, QUERIES_AT_ONCE):
            part = slice(start, start + QUERIES_AT_ONCE)
            added = self._pointwise.gated_bias(gates[:, part], self._constant, bias[:, part], unheard)
            queries = query[:, :, part].reshape(n * heads, -1, size)
            scores = torch.baddbmm(added.flatten(0, 1), queries, keys)
            weights = scores.softmax(dim=2, dtype=torch.float32).to(value.dtype)
            mixed[:, part] = weights @ values
        return mixed.view(n, heads, frames, size)


def _gate(attention: Weights) -> tuple[Tensor, Tensor]:
    """The gates' linear map (2H, F) and bias (2H,): the two gates of each head see that head's part alone.

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
