"""RoBERTa's forward pass for inference alone: Liu et al. 2019, arXiv 1907.11692."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.encoders.published import RobertaClassifier

ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "gelu_new": partial(F.gelu, approximate="tanh"),
    "relu": F.relu,
    "silu": F.silu,
}


class FrozenRoberta:
    """Token ids to the last layer's states."""

    def __init__(self, model: RobertaClassifier, *, device: torch.device, pad: int) -> None:
        """`pad` is the id that fills a batch; positions are counted from the one after it."""
        config = model.config
        roberta: Any = model.roberta.to(device).requires_grad_(False)
        self._embeddings, self._layers = roberta.embeddings, roberta.encoder.layer
        self._heads, self._pad = config.num_attention_heads, pad
        self._activation = ACTIVATIONS[config.hidden_act]

    def __call__(self, ids: Tensor, heard: Tensor | None = None) -> Tensor:
        """Ids (N, T) to states (N, T, F); `heard` (N, T) is true where a token is not padding, None where all are.

        What is padding changes nothing of the rest.
        """
        counted = ids.ne(self._pad)
        positions = counted.cumsum(dim=1) * counted + self._pad
        embeddings = self._embeddings
        x = embeddings.word_embeddings(ids) + embeddings.token_type_embeddings.weight[0]
        x = cast(Tensor, embeddings.LayerNorm(x + embeddings.position_embeddings(positions)))
        mask = None if heard is None else heard[:, None, None]
        for layer in self._layers:
            x = self._layer(layer, x, mask)
        return x

    def _layer(self, layer: Any, x: Tensor, mask: Tensor | None) -> Tensor:
        attention = layer.attention
        query, key, value = (
            part(x).unflatten(2, (self._heads, -1)).transpose(1, 2)  # (N, H, T, F / H)
            for part in (attention.self.query, attention.self.key, attention.self.value)
        )
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        x = added(attention.output, mixed.transpose(1, 2).flatten(2), x)
        return added(layer.output, self._activation(layer.intermediate.dense(x)), x)


def added(output: Any, inputs: Tensor, x: Tensor) -> Tensor:
    """What comes out of a part of a layer, added to what went in, normalised."""
    return cast(Tensor, output.LayerNorm(output.dense(inputs) + x))
