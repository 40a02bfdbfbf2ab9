"""What lies between the products: small functions of each element or row, which a compiler can make one pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def normalised(x: Tensor, weight: Tensor, bias: Tensor, epsilon: float, dtype: torch.dtype) -> Tensor:
    """A layer norm over the last axis, computed in the weight's type, as `dtype`."""
    return F.layer_norm(x.to(weight.dtype), weight.shape, weight, bias, epsilon).to(dtype)


def normalised_gelu(x: Tensor, weight: Tensor, bias: Tensor, epsilon: float) -> Tensor:
    """A layer norm over the last axis and GELU after it."""
    return F.gelu(F.layer_norm(x, weight.shape, weight, bias, epsilon))


def gated_bias(gates: Tensor, constant: Tensor, bias: Tensor, unheard: Tensor | None) -> Tensor:
    """What is added to the scores (N, H, Q, T): each query's gate times the position bias.

    `gates` (N, Q, 2H) are the gates' logits, `constant` (H,), `bias` (H, Q, T); `unheard` (N, 1, 1, T) is minus
    infinity for keys that are padding.
    """
    first, second = gates.float().sigmoid().transpose(1, 2).chunk(2, dim=1)  # (N, H, Q)
    gate = first * (second * constant[:, None] - 1.0) + 2.0
    gate = gate.to(bias.dtype).contiguous().unsqueeze(3)
    return gate * bias if unheard is None else torch.addcmul(unheard, gate, bias)


@dataclass(frozen=True, slots=True)
class Pointwise:
    """The functions above, as torch runs them or compiled to a kernel each, for any shape."""

    normalised: Callable[[Tensor, Tensor, Tensor, float, torch.dtype], Tensor]
    normalised_gelu: Callable[[Tensor, Tensor, Tensor, float], Tensor]
    gated_bias: Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor]

    @classmethod
    def of(cls, *, compiled: bool) -> Pointwise:
        functions = normalised, normalised_gelu, gated_bias
        if not compiled:
            return cls(*functions)
        return cls(*(torch.compile(function, dynamic=True) for function in functions))


@dataclass(frozen=True, slots=True)
class Norm:
    """A layer norm's weights, and how to apply them."""

    weight: Tensor
    bias: Tensor
    epsilon: float
    pointwise: Pointwise

    @classmethod
    def of(
        cls,
        norm: nn.LayerNorm | nn.GroupNorm,
        pointwise: Pointwise,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> Norm:
        weight, bias = (part.detach().to(device, dtype) for part in (norm.weight, norm.bias))
        return cls(weight, bias, float(norm.eps), pointwise)

    def __call__(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        return self.pointwise.normalised(x, self.weight, self.bias, self.epsilon, dtype)

    def with_gelu(self, x: Tensor) -> Tensor:
        return self.pointwise.normalised_gelu(x, self.weight, self.bias, self.epsilon)
