"""How two modalities lie in one space: the gap between them, how near pairs are, and how spread each is."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from pipeline.measures.alignment import mean_kernel
from pipeline.measures.arguments import floats

Embeddings = NDArray[np.floating[Any]]

LEAST_KERNEL = math.exp(-8.001)
"""Of two rows of length one, exp(−2‖u − v‖²), less rounding."""

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
    speech, text = floats("speech", speech), floats("text", text)
    if (
        speech.ndim != 2
        or text.ndim != 2
        or speech.shape[1] != text.shape[1]
        or not speech.size
        or not text.size
    ):
        raise ValueError(
            f"speech and text must be (N, E) and (M, E), neither empty, found {speech.shape} and {text.shape}"
        )
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
    speech, text = floats("speech", speech), floats("text", text)
    if speech.ndim != 2 or speech.shape != text.shape or not speech.size:
        raise ValueError(
            f"speech and text must both be (N, E) and not empty, found {speech.shape} and {text.shape}"
        )
    distances = np.empty(len(speech))
    for start in range(0, len(speech), BLOCK_ROWS):
        rows = slice(start, start + BLOCK_ROWS)
        distances[rows] = np.square(speech[rows].astype(np.float64) - text[rows]).sum(axis=1)
    return float(distances.mean())


def spread(embeddings: Embeddings) -> float:
    """The mean Euclidean distance of two different rows.

    Args:
        embeddings: (N, E), at least two rows.

    Returns: at least 0; within [0, 2] for rows of length one, and 0 where all coincide.

    Raises ValueError for another shape and values that are not finite.

    >>> import numpy as np
    >>> round(spread(np.array([[1.0, 0.0], [0.0, 1.0]])), 6)
    1.414214
    """
    embeddings = floats("embeddings", embeddings)
    count = len(embeddings) if embeddings.ndim == 2 else 0
    if count < 2:
        raise ValueError(f"embeddings must be (N, E), at least two rows, found {embeddings.shape}")
    total = 0.0
    for start in range(0, count, BLOCK_ROWS):
        block = embeddings[start : start + BLOCK_ROWS].astype(np.float64)
        for other in range(start, count, BLOCK_ROWS):
            distances = cdist(block, embeddings[other : other + BLOCK_ROWS].astype(np.float64))
            total += float(distances.sum()) * (1 if other == start else 2)
    return total / (count * (count - 1))


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
    embeddings = floats("embeddings", embeddings)
    count = len(embeddings) if embeddings.ndim == 2 else 0
    if count < 2:
        raise ValueError(f"embeddings must be (N, E), at least two rows, found {embeddings.shape}")
    with_itself = mean_kernel(embeddings, gamma=2.0)
    of_others = (count * with_itself - 1) / (count - 1)
    if of_others < LEAST_KERNEL:
        raise ValueError("embeddings must be of length one, found rows further apart than such can be")
    return float(np.log(of_others))
