"""How far labels lie from each other, so that ties are exact."""

from __future__ import annotations

import torch
from torch import Tensor

LABEL_STEPS = 2520
"""Steps a unit that labels are rounded to: the least common multiple of 1 to 10."""


def squared_label_distance(anchors: Tensor, candidates: Tensor) -> Tensor:
    """Squared L2 distance between labels, in whole steps of 1/2520, so that ties and their order are exact.

    Means over up to ten annotators and labels in tenths are whole numbers of steps, and so are means written
    with at least four decimals, once rounded. Float differences of such labels tie by accident only.

    Args:
        anchors: (..., N, D) labels, (valence, arousal) in the paper. Integers or floats, on any scale.
        candidates: (..., M, D), the same attributes.

    Returns: int64 (..., N, M), 0 for equal labels. Divide by 2520² for the squared distance in label units.

    Raises ValueError unless both have the same dimensions, at least two, and as many attributes.

    >>> squared_label_distance(torch.tensor([[4.1, 5.0]]), torch.tensor([[4.2, 5.0], [4.0, 5.0], [4.1, 6.0]]))
    tensor([[  63504,   63504, 6350400]])
    """
    batches = anchors.shape[:-2], candidates.shape[:-2]
    if (
        min(anchors.ndim, candidates.ndim) < 2
        or batches[0] != batches[1]
        or anchors.shape[-1] != candidates.shape[-1]
    ):
        raise ValueError(
            "anchors and candidates must be (..., N, D) and (..., M, D), "
            f"found {tuple(anchors.shape)} and {tuple(candidates.shape)}"
        )
    ours, theirs = _whole_steps(anchors), _whole_steps(candidates)
    shape = (*ours.shape[:-1], theirs.shape[-2])
    distance = torch.zeros(shape, dtype=torch.int64, device=ours.device)
    for attribute in range(ours.shape[-1]):
        difference = ours[..., :, None, attribute] - theirs[..., None, :, attribute]
        distance.addcmul_(difference, difference)
    return distance


def _whole_steps(labels: Tensor) -> Tensor:
    return (labels.detach().double() * LABEL_STEPS).round().long()
