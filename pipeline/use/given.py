"""What people hand to `similarity` and `search`: embeddings in any container, numbers of what they want."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline.support import shown

Embeddings = npt.NDArray[np.float32]

Given = npt.NDArray[Any] | Tensor | Sequence[Any]
"""Embeddings as an array, a tensor or a list."""


def unit_rows(given: object, size: int, name: str) -> Embeddings:
    """Embeddings (E,) or (N, E) as rows (N, E) of length one, or of zeros where all of an embedding is zero.

    Raises ValueError for what is none, or has numbers that are not finite.
    """
    array = _as_array(given, name)
    if array.shape == (0,):
        array = array.reshape(0, size)
    if array.dtype.kind not in "fiu" or array.ndim not in (1, 2) or array.shape[-1] != size:
        raise ValueError(
            f"{name} must be embeddings ({size},) or (N, {size}), found {array.shape} of {array.dtype}"
        )
    with np.errstate(over="ignore"):  # which is then not finite
        rows = np.atleast_2d(array).astype(np.float32, copy=False)
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
    if wrong := np.flatnonzero(~np.isfinite(lengths)).tolist():
        raise ValueError(f"{name} must be finite numbers of float32, found others in row {wrong[0]}")
    unit = np.empty_like(rows)
    return np.divide(rows, np.where(lengths > 0, lengths, 1)[:, None], out=unit, casting="same_kind")


def unit_mean(rows: Embeddings) -> Embeddings:
    """What stands for a recording in windows, (W, E) to (E,): their mean, of length one or zeros."""
    mean = rows.mean(axis=0)
    unit: Embeddings = mean / max(float(np.linalg.norm(mean)), 1e-12)
    return unit


def cosines(rows: Embeddings, embedding: Embeddings) -> Embeddings:
    """The cosine of each of N embeddings (N, E) with one (E,), of length one: (N,) within -1..1.

    Each row by itself: in a product of matrices its last bit would depend on its place, and equals differ.
    """
    found: Embeddings = np.clip(np.einsum("ij,j->i", rows, embedding), -1, 1)
    return found


def are_sentences(given: object) -> TypeGuard[str | Sequence[str]]:
    """Whether it is a sentence, or a list, an array or anything like it that holds nothing else."""
    if isinstance(given, str):
        return True
    if isinstance(given, np.ndarray):
        return given.dtype.kind == "U" or (given.dtype == object and are_sentences(given.tolist()))
    return isinstance(given, Sequence) and all(isinstance(one, str) for one in given)


def check_count(number: object, name: str) -> int:
    """A whole number above 0. Raises ValueError for anything else."""
    if not isinstance(number, Integral) or isinstance(number, bool) or number < 1:
        raise ValueError(f"{name} must be a whole number above 0, found {shown(repr(number), 60)}")
    return int(number)


def as_asked(array: npt.NDArray[Any], as_tensor: bool) -> Any:
    """The array, or a tensor of it."""
    return torch.from_numpy(np.ascontiguousarray(array)) if as_tensor else array


def like(array: npt.NDArray[Any], *given: object) -> Any:
    """The array, or a tensor on the device of the first tensor among what was given."""
    for one in given:
        if isinstance(one, Tensor):
            return as_asked(array, True).to(one.device)
    return array


def _as_array(given: object, name: str) -> npt.NDArray[Any]:
    try:
        if isinstance(given, list | tuple) and any(isinstance(one, Tensor) for one in given):
            given = torch.stack([torch.as_tensor(one).cpu() for one in given])
        if isinstance(given, Tensor):
            given = given.detach().cpu()
            given = (given.float() if given.dtype == torch.bfloat16 else given).numpy()
        return np.asarray(given)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ValueError(f"{name} must be embeddings in an array, found {shown(error, 80)}") from None
