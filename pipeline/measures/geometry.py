"""How two modalities lie in one space: the gap between them, how near pairs are, and how spread each is."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.measures.alignment import mean_kernel

Embeddings = NDArray[np.floating[Any]]

BLOCK_ROWS = 1024
"""In float64 at once."""


def modality_gap(speech: Embeddings, text: Embeddings) -> float:
    """Distance between the two modalities' mean embeddings (Liang et al. 2022).

    Args:
        speech: (N, E), each of length one.
        text: (M, E), likewise.

    Returns: within [0, 2]; 0 where the two have one centre.

    Raises ValueError for shapes that do not fit.

    >>> import numpy as np
    >>> modality_gap(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[-1.0, 0.0], [0.0, 1.0]]))
    1.0
    """
    if speech.ndim != 2 or text.ndim != 2 or speech.shape[1] != text.shape[1]:
        raise ValueError(f"speech and text must be (N, E) and (M, E), found {speech.shape} and {text.shape}")
    return float(np.linalg.norm(speech.mean(axis=0, dtype=np.float64) - text.mean(axis=0, dtype=np.float64)))


def pair_distance(speech: Embeddings, text: Embeddings) -> float:
    """Mean squared distance between a clip and its caption: the alignment loss of Wang and Isola 2020, α = 2.

    Args:
        speech: (N, E), each of length one.
        text: (N, E), the captions of the same clips.

    Returns: within [0, 4], 0 where every pair coincides.

    Raises ValueError for shapes that do not fit.

    >>> import numpy as np
    >>> pair_distance(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]))
    2.0
    """
    if speech.ndim != 2 or speech.shape != text.shape:
        raise ValueError(f"speech and text must both be (N, E), found {speech.shape} and {text.shape}")
    distances = np.empty(len(speech))
    for start in range(0, len(speech), BLOCK_ROWS):
        rows = slice(start, start + BLOCK_ROWS)
        distances[rows] = np.square(speech[rows].astype(np.float64) - text[rows]).sum(axis=1)
    return float(distances.mean())


def uniformity(embeddings: Embeddings) -> float:
    """Log of the mean of exp(−2‖u − v‖²) over pairs of two different rows (Wang and Isola 2020, t = 2).

    Args:
        embeddings: (N, E), each of length one, at least two.

    Returns: within [−8, 0]; the lower, the more evenly they spread; 0 where all coincide.

    Raises ValueError for another shape and values that are not finite.

    >>> import numpy as np
    >>> round(uniformity(np.array([[1.0, 0.0], [0.0, 1.0]])), 6)
    -4.0
    """
    count = len(embeddings)
    if count < 2:
        raise ValueError(f"uniformity needs at least two rows, found {count}")
    with_itself = mean_kernel(embeddings, gamma=2.0)
    return float(np.log((count * with_itself - 1) / (count - 1)))
