"""The steps by which the sample's checkpoints are trained."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Steps:
    """AdamW, the learning rate up and down once along half a cosine, gradients no longer than one."""

    def __init__(self, model: nn.Module, peak_learning_rate: float, count: int) -> None:
        self._model = model
        self._optimizer = torch.optim.AdamW(model.parameters(), lr=peak_learning_rate, weight_decay=0.01)
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimizer, peak_learning_rate, count, pct_start=0.15
        )

    def take(self, loss: Tensor) -> None:
        """One step down a loss."""
        self._optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self._model.parameters(), 1.0)
        self._optimizer.step()
        self._schedule.step()
