"""How far labels lie from each other, so that ties are exact."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pipeline.training.losses.similarity import check_tensors

LABEL_STEPS = 2520
"""Steps a unit that labels are rounded to: the least common multiple of 1 to 10."""


LONGEST = 2**62 / LABEL_STEPS**2
"""Squared distance, in label units, whose whole steps fit in an int64."""


def squared_label_distance(anchors: Tensor, candidates: Tensor) -> Tensor:
    """Squared L2 distance between labels, in whole steps of 1/2520, so that ties and their order are exact.

    Tenths, quarters, eighths and means over up to ten annotators are whole numbers of steps, and so are means
    written with at least four decimals, once rounded: what ties on paper ties here. Hundredths, a scale of 0 to
    100 and means over eleven are not: they are rounded to the next step, and some of their ties are lost.

    Args:
        anchors: (..., N, D) labels, (valence, arousal) in the paper. Integers or floats, on any scale.
        candidates: (..., M, D), the same attributes.

    Returns: int64 (..., N, M), 0 for equal labels. Divide by 2520² for the squared distance in label units.

    Raises ValueError unless both have the same dimensions, at least two, and as many attributes and, on a CPU, for
    labels that are not finite, or so far apart that their distance does not fit. On a GPU nobody waits for a look.

    >>> squared_label_distance(torch.tensor([[4.1, 5.0]]), torch.tensor([[4.2, 5.0], [4.0, 5.0], [4.1, 6.0]]))
    tensor([[  63504,   63504, 6350400]])
    """
    check_tensors(anchors=anchors, candidates=candidates)
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
    _check_labels("anchors", anchors)
    if candidates is not anchors:
        _check_labels("candidates", candidates)
    ours, theirs = _whole_steps(anchors), _whole_steps(candidates)
    shape = (*ours.shape[:-1], theirs.shape[-2])
    distance = torch.zeros(shape, dtype=torch.int64, device=ours.device)
    for attribute in range(ours.shape[-1]):
        difference = ours[..., :, None, attribute] - theirs[..., None, :, attribute]
        distance.addcmul_(difference, difference)
    return distance


def _check_labels(name: str, labels: Tensor) -> None:
    if labels.device.type != "cpu" or not labels.numel():
        return
    low, high = labels.detach().aminmax()
    most = math.sqrt(LONGEST / labels.shape[-1]) / 2
    if not (-most <= float(low) and float(high) <= most):  # nan is on neither side
        rows = labels.detach().flatten(0, -2).double()
        row = int((rows.abs() <= most).all(-1).logical_not().nonzero()[0])
        raise ValueError(
            f"{name} must be finite and within ±{most:.3g}, found {rows[row].tolist()} in row {row}"
        )


def _whole_steps(labels: Tensor) -> Tensor:
    return (labels.detach().double() * LABEL_STEPS).round().long()
