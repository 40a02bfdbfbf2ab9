"""Training that gives the same bytes from the same seed, on one machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

THREADS = 1
"""Fixed, because sums over another number of threads round differently."""


@contextmanager
def reproducible(seed: int) -> Iterator[None]:
    """Within this, torch draws from the seed and computes on one thread; afterwards both are as before."""
    threads = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(threads)
