"""Frozen weights in the layout that the device multiplies fastest.

On a CPU, oneDNN's own layout: from plain weights torch multiplies float32 by MKL, which on some processors
reaches less than half of the speed, and lays the weights of a grouped convolution out anew in every call. The
operators are those that torch's compiler emits for frozen weights; where they are missing, the plain ones serve.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.support import multiplies_by_onednn

TYPICAL_FRAMES = 300
"""oneDNN chooses a layout for a length and takes any: six seconds of speech."""


class FrozenLinear:
    """(..., inputs) to (..., outputs), as torch's Linear with weight (outputs, inputs) and bias (outputs,)."""

    def __init__(self, weight: Tensor, bias: Tensor | None, device: torch.device, dtype: torch.dtype) -> None:
        self._packed = multiplies_by_onednn(device, dtype)
        self._weight = weight.detach().to(device, dtype).contiguous()
        self._bias = None if bias is None else bias.detach().to(device, dtype)
        if self._packed:
            self._weight = torch.ops.mkldnn._reorder_linear_weight(self._weight)

    def __call__(self, inputs: Tensor) -> Tensor:
        if not self._packed:
            return F.linear(inputs, self._weight, self._bias)
        product = torch.ops.mkldnn._linear_pointwise(inputs, self._weight, self._bias, "none", [], "")
        return cast(Tensor, product)


class FrozenConvolution:
    """Frames (N, T, inputs) to (N, T', outputs), as torch's Conv1d with weight (outputs, inputs/groups, kernel).

    Channels lie last in memory, where a layer norm and the next product want them.
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        device: torch.device,
        dtype: torch.dtype,
        *,
        stride: int = 1,
        padding: int = 0,
        groups: int = 1,
    ) -> None:
        self._stride, self._padding, self._groups = stride, padding, groups
        self._kernel = weight.shape[2]
        # A signal of one channel has no channels that could lie last: its windows are multiplied instead.
        self._windows = None
        if weight.shape[1] == 1 and groups == 1 and padding == 0:
            self._windows = FrozenLinear(weight[:, 0], bias, device, dtype)
            return
        # Height 1: torch has a channels-last layout for images and none for signals.
        image = weight.detach().to(device, dtype).unsqueeze(2)
        self._weight = image.contiguous(memory_format=torch.channels_last)
        self._bias = None if bias is None else bias.detach().to(device, dtype)
        # An ungrouped one is as fast from plain weights.
        self._packed = groups > 1 and multiplies_by_onednn(device, dtype)
        if self._packed:
            channels = weight.shape[1] * groups
            self._weight = torch.ops.mkldnn._reorder_convolution_weight(
                image.contiguous(),
                [0, padding],
                [1, stride],
                [1, 1],
                groups,
                [1, channels, 1, TYPICAL_FRAMES],
            )

    def __call__(self, frames: Tensor) -> Tensor:
        if self._windows is not None:
            return self._windows(frames.squeeze(2).unfold(1, self._kernel, self._stride))
        image = frames.transpose(1, 2).unsqueeze(2)  # (N, C, 1, T), channels last
        padding, stride, dilation, groups = [0, self._padding], [1, self._stride], [1, 1], self._groups
        if self._packed:
            image = torch.ops.mkldnn._convolution_pointwise(
                image, self._weight, self._bias, padding, stride, dilation, groups, "none", [], ""
            )
        else:
            image = F.conv2d(image, self._weight, self._bias, stride, padding, dilation, groups)
        return image.squeeze(2).transpose(1, 2)
