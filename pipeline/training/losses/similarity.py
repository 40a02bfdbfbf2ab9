"""What every loss asks of a matrix of similarities."""

from __future__ import annotations

from torch import Tensor


def check_floating(similarity: Tensor) -> None:
    if not similarity.is_floating_point():
        raise ValueError(f"similarity must be floating, found {similarity.dtype}")
