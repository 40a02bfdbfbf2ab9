"""WavLM and RoBERTa as their published files name them: the weights, without a forward pass.

A checkpoint's tensors are loaded into these, all of them and each in its shape. The passes are `wavlm.py` and
`roberta.py`; transformers' own models, which have the same names, are what tests compare them with, and are left
out here since importing them takes every command two seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

if TYPE_CHECKING:
    from transformers import RobertaConfig, WavLMConfig


def parts(**named: nn.Module) -> Any:
    """A module that is only its parts."""
    module = nn.Module()
    for name, part in named.items():
        module.add_module(name, part)
    return module


def listed(count: int, make: Callable[[int], nn.Module]) -> nn.ModuleList:
    return nn.ModuleList(make(number) for number in range(count))


class WavLM(nn.Module):
    """The backbone of a SERModel."""

    def __init__(self, config: WavLMConfig, *, masked: bool) -> None:
        """`masked`: with what WavLM's training puts in place of masked frames."""
        super().__init__()
        self.config = config
        size, epsilon = config.hidden_size, config.layer_norm_eps
        if masked:
            self.masked_spec_embed = nn.Parameter(torch.rand(size))
        self.feature_extractor = parts(
            conv_layers=listed(len(config.conv_dim), lambda i: self._convolution(config, i))
        )
        self.feature_projection = parts(
            layer_norm=nn.LayerNorm(config.conv_dim[-1], eps=epsilon),
            projection=nn.Linear(config.conv_dim[-1], size),
        )
        self.encoder = parts(
            pos_conv_embed=parts(conv=self._positions(config)),
            layer_norm=nn.LayerNorm(size, eps=epsilon),
            layers=listed(config.num_hidden_layers, lambda i: self._layer(config, first=i == 0)),
        )

    @staticmethod
    def _convolution(config: WavLMConfig, number: int) -> Any:
        before, size = (1, *config.conv_dim)[number : number + 2]
        kernel, stride = config.conv_kernel[number], config.conv_stride[number]
        convolution = nn.Conv1d(before, size, kernel, stride=stride, bias=config.conv_bias)
        if config.feat_extract_norm == "layer":
            return parts(conv=convolution, layer_norm=nn.LayerNorm(size))
        return parts(conv=convolution, **({} if number else {"layer_norm": nn.GroupNorm(size, size)}))

    @staticmethod
    def _positions(config: WavLMConfig) -> Any:
        size, kernel = config.hidden_size, config.num_conv_pos_embeddings
        groups = config.num_conv_pos_embedding_groups
        convolution = nn.Conv1d(size, size, kernel, padding=kernel // 2, groups=groups)
        if convolution.weight.is_meta:  # for whose norm torch would import its compiler; any numbers do
            convolution.weight = nn.Parameter(torch.zeros(convolution.weight.shape, device="cpu"))
        return weight_norm(convolution, dim=2)

    @staticmethod
    def _layer(config: WavLMConfig, *, first: bool) -> Any:
        size, inner, epsilon = config.hidden_size, config.intermediate_size, config.layer_norm_eps
        return parts(
            attention=Attention(config, first=first),
            layer_norm=nn.LayerNorm(size, eps=epsilon),
            feed_forward=parts(
                intermediate_dense=nn.Linear(size, inner), output_dense=nn.Linear(inner, size)
            ),
            final_layer_norm=nn.LayerNorm(size, eps=epsilon),
        )


class Attention(nn.Module):
    """A layer's attention; the first layer's has the relative positions that all use."""

    def __init__(self, config: WavLMConfig, *, first: bool) -> None:
        super().__init__()
        size, self.num_heads = config.hidden_size, config.num_attention_heads
        self.head_dim = size // self.num_heads
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(size, size) for _ in range(4))
        self.gru_rel_pos_const = nn.Parameter(torch.ones(1, self.num_heads, 1, 1))
        self.gru_rel_pos_linear = nn.Linear(self.head_dim, 8)
        if first:
            self.rel_attn_embed = nn.Embedding(config.num_buckets, self.num_heads)


class RobertaClassifier(nn.Module):
    """A RoBERTa and the head that classifies by its first token."""

    def __init__(self, config: RobertaConfig) -> None:
        super().__init__()
        self.config = config
        size, labels = config.hidden_size, cast(int, config.num_labels)
        embeddings = {
            "word_embeddings": config.vocab_size,
            "position_embeddings": config.max_position_embeddings,
            "token_type_embeddings": config.type_vocab_size,
        }
        self.roberta = parts(
            embeddings=parts(
                **{name: nn.Embedding(rows, size) for name, rows in embeddings.items()},
                LayerNorm=nn.LayerNorm(size, eps=config.layer_norm_eps),
            ),
            encoder=parts(layer=listed(config.num_hidden_layers, lambda _: self._layer(config))),
        )
        self.classifier = parts(dense=nn.Linear(size, size), out_proj=nn.Linear(size, labels))

    @staticmethod
    def _layer(config: RobertaConfig) -> Any:
        size, inner = config.hidden_size, config.intermediate_size

        def added(inputs: int) -> Any:
            return parts(
                dense=nn.Linear(inputs, size), LayerNorm=nn.LayerNorm(size, eps=config.layer_norm_eps)
            )

        attention = {name: nn.Linear(size, size) for name in ("query", "key", "value")}
        return parts(
            attention=parts(self=parts(**attention), output=added(size)),
            intermediate=parts(dense=nn.Linear(size, inner)),
            output=added(inner),
        )
