"""The heads of several seeds in one stack, so that every operation of training computes them all.

Axes: S seeds, N utterances, F feature size, E embedding size. Nothing of one seed touches another: a stack gives
what its seeds give alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from pipeline.support import Share, multiplies_by_onednn
from pipeline.training.heads import ProjectionHeads

SMALLEST_NORM = 1e-12
"""As torch's `normalize`."""


class Part(NamedTuple):
    """What a share of a batch's similarities, of n clips beside all M texts, says of the rest."""

    clips: int
    """N"""
    texts: int
    """M"""
    from_text: Tensor | None
    """(..., m, N), of its texts beside all clips, where texts are anchors."""


class Compared(NamedTuple):
    """A batch of clips and captions, embedded, and each clip beside each caption; (S, ...) or (S, K, ...)."""

    speech: Tensor
    """(..., N, E) of length one"""
    text: Tensor
    """(..., M, E)"""
    cosine: Tensor
    """(..., N, M)"""
    similarity: Tensor
    """The cosine over the temperature."""
    part: Part | None = None
    """Where only so many clips are compared, (..., n, M)."""


class StackedHeads:
    """`ProjectionHeads` of S seeds: the same parameters with a leading axis S, and the same arithmetic."""

    def __init__(self, heads: Sequence[ProjectionHeads], device: torch.device | str = "cpu") -> None:
        """Take over the weights of heads of one shape, as copies."""
        self._like = heads[0]
        self.parameters: dict[str, Tensor] = {
            name: torch.stack([dict(one.named_parameters())[name].detach() for one in heads])
            .to(device)
            .requires_grad_()
            for name, _ in self._like.named_parameters()
        }
        """Names of the heads' own → (S, ...)."""

    def __len__(self) -> int:
        return len(self.parameters["log_temperature"])

    @property
    def temperature(self) -> Tensor:
        """What similarities are divided by, (S,)."""
        return self.parameters["log_temperature"].exp()

    def embed(self, modality: Literal["speech", "text"], features: Tensor) -> Tensor:
        """Features (S, N, F) to embeddings (S, N, E) of length one."""
        weight, bias = (self.parameters[f"{modality}.0.{kind}"] for kind in ("weight", "bias"))
        return cast(Tensor, _Projection.apply(features, weight, bias, self._like.relu))  # type: ignore[no-untyped-call]

    def similarity(self, speech: Tensor, text: Tensor) -> Tensor:
        """Features (S, N, F) and (S, M, F) to cosines over the temperature, (S, N, M)."""
        return self.compare(speech, text).similarity

    def compare(self, speech: Tensor, text: Tensor, batches: int | None = None) -> Compared:
        """Embed features (S, N, F) and (S, M, F) and compare each clip with each caption.

        Features (S, K N, F) and (S, K M, F) of so many batches are compared within each batch.
        """
        of_speech, of_text = self.embed("speech", speech), self.embed("text", text)
        if batches is not None:
            shape = (len(self), batches, -1, self._like.sizes["embedding_size"])
            of_speech, of_text = of_speech.view(shape), of_text.view(shape)
        cosine = of_speech @ of_text.mT
        return Compared(of_speech, of_text, cosine, cosine * self._inverse_temperature(cosine.ndim))

    def compare_share(self, speech: Tensor, text: Tensor, share: Share, *, both_ways: bool) -> Compared:
        """Compare a share of embedded clips (S, ..., N, E) with all texts (S, ..., M, E).

        `both_ways` compares its share of the texts with all clips as well.
        """
        clips, texts = speech.shape[-2], text.shape[-2]
        inverse = self._inverse_temperature(speech.ndim)
        cosine = speech[..., share.rows(clips), :] @ text.mT
        from_text = text[..., share.rows(texts), :] @ speech.mT * inverse if both_ways else None
        return Compared(speech, text, cosine, cosine * inverse, Part(clips, texts, from_text))

    def _inverse_temperature(self, dimensions: int) -> Tensor:
        """(S, 1, ...)"""
        return self.parameters["log_temperature"].neg().exp().view(-1, *[1] * (dimensions - 1))

    @torch.no_grad()
    def bound_temperature(self, lowest: float, highest: float) -> None:
        """`ProjectionHeads.bound_temperature` of every seed."""
        self.parameters["log_temperature"].clamp_(math.log(lowest), math.log(highest))

    def copy_weights(self) -> dict[str, Tensor]:
        """The parameters as they are now."""
        return {name: tensor.detach().clone() for name, tensor in self.parameters.items()}

    def unstack(self, weights: dict[str, Tensor]) -> list[ProjectionHeads]:
        """Heads of each seed with weights that `copy_weights` gave."""
        apart = []
        for seed in range(len(self)):
            heads = ProjectionHeads(**self._like.shape)
            heads.load_state_dict({name: tensor[seed] for name, tensor in weights.items()})
            apart.append(heads.eval())
        return apart


class _Projection(torch.autograd.Function):
    """Linear, ReLU where there is one, and scaling to length one.

    It has a gradient for the parameters and none for the features.
    """

    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, bias: Tensor, relu: bool) -> Tensor:
        hidden = _linear(features, weight, bias, relu)
        norm = torch.linalg.vector_norm(hidden, dim=-1, keepdim=True).clamp_(min=SMALLEST_NORM)
        unit = hidden.div_(norm)
        ctx.save_for_backward(features, unit, norm)
        ctx.relu = relu
        return unit

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, outer: Tensor) -> tuple[None, Tensor, Tensor, None]:
        features, unit, norm = ctx.saved_tensors
        along = (outer * unit).sum(-1, keepdim=True)
        inner = torch.addcmul(outer, unit, along, value=-1).div_(norm)
        if ctx.relu:
            inner = torch.ops.aten.threshold_backward(inner, unit, 0)  # its own: nothing where it gave 0
        return None, _products(inner.mT, features.mT), inner.sum(-2), None


def _linear(features: Tensor, weight: Tensor, bias: Tensor, relu: bool) -> Tensor:
    """x Wᵀ + b of every seed, and its ReLU where asked for: (S, N, F), (S, E, F), (S, E) → (S, N, E)."""
    if not multiplies_by_onednn(features.device, features.dtype):
        hidden = torch.baddbmm(bias[:, None], features, weight.mT)
        return hidden.relu_() if relu else hidden
    after = "relu" if relu else "none"
    pointwise = torch.ops.mkldnn._linear_pointwise
    return _stacked(
        [pointwise(x, w, b, after, [], "") for x, w, b in zip(features, weight, bias, strict=True)]
    )


def _products(left: Tensor, right: Tensor) -> Tensor:
    """x yᵀ of every seed: (S, E, N), (S, F, N) → (S, E, F)."""
    if not multiplies_by_onednn(left.device, left.dtype):
        return left @ right.mT
    pointwise = torch.ops.mkldnn._linear_pointwise
    return _stacked(
        [pointwise(x.contiguous(), y, None, "none", [], "") for x, y in zip(left, right, strict=True)]
    )


def _stacked(seeds: list[Tensor]) -> Tensor:
    return seeds[0][None] if len(seeds) == 1 else torch.stack(seeds)
