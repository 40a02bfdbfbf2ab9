"""What is handed to a measure: arrays of finite numbers, and what is said of anything else."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST = 1e150
"""Of a number that is measured by: the squares of larger ones add up to no float64."""


def numbers(name: str, given: object) -> NDArray[Any]:
    """An array, list or tensor as an array of real numbers, all finite and within ±1e150.

    Raises ValueError, which names the argument and the first row that holds another value.
    """
    array = _array(name, given)
    # The least and the largest are nan where any value is: a pass each, and no array of flags.
    if array.size and not (float(array.min()) >= -LARGEST and float(array.max()) <= LARGEST):
        place = np.unravel_index(int(np.argmin(np.abs(array.astype(np.float64)) <= LARGEST)), array.shape)
        row = f" in row {', '.join(map(str, place[:-1] or place))} of {array.shape}" if array.ndim else ""
        raise ValueError(f"{name} must be finite and within ±{LARGEST:g}, found {array[place]}{row}")
    return array


def floats(name: str, given: object) -> NDArray[np.floating[Any]]:
    """As `numbers`, integers of any width as float64: what is subtracted must not wrap."""
    array = numbers(name, given)
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def number(name: str, given: object, *, positive: bool = False) -> float:
    """A finite number. Raises ValueError, which names the argument, for anything else."""
    found = float(given) if isinstance(given, int | float | np.integer | np.floating) else float("nan")
    if not np.isfinite(found) or found < 0 or (positive and found == 0):
        kind = "positive and finite" if positive else "finite and not negative"
        raise ValueError(f"{name} must be {kind}, found {given!r}")
    return found


def _array(name: str, given: Any) -> NDArray[Any]:
    if isinstance(given, np.ma.MaskedArray) and np.ma.is_masked(given):
        raise ValueError(f"{name} must have no masked values, which would be measured: leave them out")
    try:
        if hasattr(given, "detach"):  # a tensor of any device, in any precision
            given = given.detach().cpu()
            given = (given.double() if given.is_floating_point() else given).numpy()
        array = np.asarray(given)
    except (ValueError, TypeError, RuntimeError):
        array = np.asarray(None)
    if array.dtype.kind not in "biuf":
        found = f"{array.dtype}" if isinstance(given, np.ndarray) else f"a {type(given).__name__}"
        raise ValueError(f"{name} must be an array of real numbers, found {found}")
    return array
