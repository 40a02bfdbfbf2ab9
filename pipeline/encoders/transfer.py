"""Between the memory of the machine and that of a GPU, without waiting; on a CPU there is nothing to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Item = TypeVar("Item")
Result = TypeVar("Result")


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """A small tensor on its way to the device, in the order of the work that is queued there."""
    if device.type == "cpu":
        return tensor
    return tensor.pin_memory().to(device, non_blocking=True)


class Transfers:
    """Large tensors there and back: a batch goes there while the device is at the one before."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._copies: torch.cuda.Stream | None = None
        if device.type == "cuda":
            self._copies = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def zeros(self, *shape: int) -> Tensor:
        """A tensor to fill that can be sent without waiting."""
        return torch.zeros(*shape, pin_memory=self._copies is not None)

    def there(self, tensor: Tensor) -> Tensor:
        """The tensor on the device; what is queued from now on waits for it."""
        if self._copies is None:
            return tensor
        computing = torch.cuda.current_stream(self._device)
        with torch.cuda.stream(self._copies):
            copy = tensor.to(self._device, non_blocking=True)
        computing.wait_stream(self._copies)
        copy.record_stream(computing)
        return copy

    def back(self, tensor: Tensor) -> Callable[[], npt.NDArray[np.float32]]:
        """What waits for a result of the device's and returns it."""
        if self._copies is None:
            return tensor.numpy
        result = torch.empty(tensor.shape, pin_memory=True)
        result.copy_(tensor, non_blocking=True)
        arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
        arrived.record(torch.cuda.current_stream(self._device))

        def wait() -> npt.NDArray[np.float32]:
            arrived.synchronize()
            return result.numpy()

        return wait


def one_ahead(start: Callable[[Item], Callable[[], Result]], items: Iterable[Item]) -> Iterator[Result]:
    """Results in order, each item started before the result of the one before is waited for."""
    ready: Callable[[], Result] | None = None
    for item in items:
        started = start(item)
        if ready is not None:
            yield ready()
        ready = started
    if ready is not None:
        yield ready()


def halving(
    start: Callable[[Sequence[Item]], Callable[[], npt.NDArray[np.float32]]], items: Sequence[Item]
) -> Callable[[], npt.NDArray[np.float32]]:
    """Start a batch; where the device's memory cannot take it, start one half and then the other.

    Raises torch.OutOfMemoryError where it cannot take a single item.
    """
    try:
        return start(items)
    except torch.OutOfMemoryError:
        if len(items) == 1:
            raise
    # Outside of the handler, which keeps the failed batch's tensors alive.
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    half = len(items) // 2
    rows = [halving(start, part)() for part in (items[:half], items[half:])]
    return lambda: np.concatenate(rows)
