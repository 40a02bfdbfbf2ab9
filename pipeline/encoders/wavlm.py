"""WavLM's forward pass for inference alone.

What differs from training code: the relative position bias is made once a batch and not once a clip, and only
its gate once a layer; query, key, value and gate are one product; weight norms are folded; nobody averages the
attention's weights; the residual stream stays in float32 whatever the products compute in. What is padding
changes nothing of what is heard. WavLM: Chen et al. 2022, arXiv 2110.13900.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.encoders.attention import Attention, kernels, position_bias
from pipeline.encoders.front_end import FrontEnd
from pipeline.encoders.packed import FrozenConvolution, FrozenLinear
from pipeline.encoders.pointwise import Norm, Pointwise
from pipeline.encoders.published import WavLM
from pipeline.encoders.transfer import sent

if TYPE_CHECKING:
    from transformers import WavLMConfig


class FrozenWavLM:
    """Waveforms to the last layer's frames, for the large and the base models alike."""

    def __init__(
        self, model: WavLM, *, device: torch.device, dtype: torch.dtype, compiled: bool = False
    ) -> None:
        """`dtype` is what products are computed in; `compiled` fuses each norm, and the gating of the bias.

        The model's weights are copied or shared and never changed. Raises ValueError for a configuration that
        this forward pass does not cover.
        """
        config = model.config
        check_covered(config)
        pointwise = Pointwise.of(compiled=compiled)
        self.config, self.device, self.dtype = config, device, dtype
        self.front_end = FrontEnd(model, pointwise, device, dtype)
        projection = model.feature_projection
        self._projection_norm = Norm.of(projection.layer_norm, pointwise, device)
        self._projection = FrozenLinear(
            projection.projection.weight, projection.projection.bias, device, dtype
        )
        positions = model.encoder.pos_conv_embed.conv
        with two_threads():
            folded = positions.weight  # the weight norm's property: its two parts multiplied
        self._positions = FrozenConvolution(
            folded,
            positions.bias,
            device,
            dtype,
            padding=config.num_conv_pos_embeddings // 2,
            groups=config.num_conv_pos_embedding_groups,
        )
        self._norm = Norm.of(model.encoder.layer_norm, pointwise, device)
        layers = model.encoder.layers
        self._relative = layers[0].attention.rel_attn_embed.weight.detach()  # all layers share it
        self._layers = [
            Layer(layer, pointwise, device, dtype, stable=config.do_stable_layer_norm) for layer in layers
        ]

    def __call__(
        self, waveforms: Tensor, lengths: Sequence[int] | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """The last layer's frames (N, T, F) in float32, and which of them are heard, (N, T), None for all.

        `waveforms` (N, samples) is normalised and padded with anything; `lengths` (N) counts each one's own
        samples, and is left out where all are heard whole.
        """
        # What goes there from the host goes first: a copy behind the front end would wait for it.
        frames = self.front_end.frame_count(waveforms.shape[1])
        heard = self._heard(lengths, frames)
        bias = position_bias(self._relative, frames, self.config, self.device).to(self.dtype)
        x = self._projection(self._projection_norm(self.front_end(waveforms, lengths), self.dtype)).float()
        if heard is not None:
            x = torch.where(heard.unsqueeze(2), x, 0.0)
        positions = self._positions(x.to(self.dtype))[:, : x.shape[1]]
        x = x + F.gelu(positions)
        if not self.config.do_stable_layer_norm:
            x = self._norm(x, torch.float32)
        unheard = None if heard is None else additive(heard, self.dtype)
        with kernels(self.device):
            for layer in self._layers:
                x = layer(x, bias, unheard)
        return (self._norm(x, torch.float32) if self.config.do_stable_layer_norm else x), heard

    def _heard(self, lengths: Sequence[int] | None, frames: int) -> Tensor | None:
        if lengths is None:
            return None
        counts = torch.tensor([self.front_end.frame_count(length) for length in lengths])
        return torch.arange(frames, device=self.device) < sent(counts, self.device).unsqueeze(1)


@contextmanager
def two_threads() -> Iterator[None]:
    """Have torch compute with two threads, whatever there are.

    Its kernel for a weight norm adds up in another order for every number of threads, so that the last bits of a
    feature would otherwise be those of a machine.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def check_covered(config: WavLMConfig) -> None:
    """Raise ValueError for a configuration that the forward pass does not cover."""
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


def additive(heard: Tensor, dtype: torch.dtype) -> Tensor:
    """(N, T) to (N, 1, 1, T): 0 where a frame is heard, minus infinity where not."""
    nothing = torch.zeros(heard.shape, dtype=dtype, device=heard.device)
    return nothing.masked_fill(~heard, float("-inf"))[:, None, None]


class Layer:
    """A transformer layer: attention and two products, each added to the residual stream."""

    def __init__(
        self,
        layer: Any,
        pointwise: Pointwise,
        device: torch.device,
        dtype: torch.dtype,
        *,
        stable: bool,
    ) -> None:
        """`stable`: each norm stands before what it normalises for, as in the large model, and not after."""
        self._stable, self._dtype = stable, dtype
        self._attention = Attention(layer.attention, pointwise, device, dtype)
        up, down = layer.feed_forward.intermediate_dense, layer.feed_forward.output_dense
        self._up = FrozenLinear(up.weight, up.bias, device, dtype)
        self._down = FrozenLinear(down.weight, down.bias, device, dtype)
        self._first = Norm.of(layer.layer_norm, pointwise, device)
        self._second = Norm.of(layer.final_layer_norm, pointwise, device)

    def __call__(self, x: Tensor, bias: Tensor, unheard: Tensor | None) -> Tensor:
        """The residual stream (N, T, F) in float32, before and after."""
        if self._stable:
            x = x + self._attention(self._first(x, self._dtype), bias, unheard)
            return x + self._feed_forward(self._second(x, self._dtype))
        x = self._first(x + self._attention(x.to(self._dtype), bias, unheard), torch.float32)
        return self._second(x + self._feed_forward(x.to(self._dtype)), torch.float32)

    def _feed_forward(self, x: Tensor) -> Tensor:
        return self._down(F.gelu(self._up(x)))
