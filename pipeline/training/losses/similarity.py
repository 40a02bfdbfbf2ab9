"""What every loss asks of its arguments."""

from __future__ import annotations

from torch import Tensor


def check_tensors(**given: object) -> None:
    """Raise ValueError, which names the argument, for what is no tensor of real numbers."""
    for name, value in given.items():
        if not isinstance(value, Tensor):
            raise ValueError(f"{name} must be a torch tensor, found a {type(value).__name__}")
        if value.is_complex():
            raise ValueError(f"{name} must hold real numbers, found {value.dtype}")


def check_floating(similarity: Tensor) -> None:
    """Raise ValueError for a matrix that no gradient could flow through."""
    if not similarity.is_floating_point():
        raise ValueError(f"similarity must be floating, found {similarity.dtype}")
