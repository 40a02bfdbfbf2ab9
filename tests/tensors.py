"""Tensors that must be close, as torch.testing has it, which imports distributed tensors for it (.7 s)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

TOLERANCES = {torch.float32: (1.3e-6, 1e-5), torch.float64: (1e-7, 1e-7)}
"""Relative and absolute; whole numbers must be equal."""


def assert_close(
    actual: Tensor, expected: Tensor, *, rtol: float | None = None, atol: float | None = None
) -> None:
    """Of one type and shape, and within what is named, or what their type has."""
    assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape)
    assert (rtol is None) == (atol is None)
    if rtol is None or atol is None:
        rtol, atol = TOLERANCES.get(actual.dtype, (0.0, 0.0))
    np.testing.assert_allclose(
        actual.detach().numpy(), expected.detach().numpy(), rtol=rtol, atol=atol, equal_nan=False
    )
