"""The losses that the projection heads are trained with.

Each takes similarities that are already divided by the temperature: row i is speech anchor i, column j is text
candidate j, and the diagonal of a square matrix pairs the speech and the text of one utterance. None of them
looks for nan, which costs a pass over the matrix: it comes out as a loss of nan.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

Candidates = Literal["farther", "farther-or-equal"]

LABEL_STEPS = 2520
"""Steps a unit that labels are rounded to: the least common multiple of 1 to 10."""

MAX_SPAN = 1000.0
"""How far apart two similarities of a row may be, so that the exponentials of both fit in a float64.

Cosines over a temperature of at least 0.01 span 200.
"""


def rank_n_contrast(
    similarity: Tensor, label_distance: Tensor, *, candidates: Candidates = "farther"
) -> Tensor:
    """Cross-modal Rank-N-Contrast: every pair is a positive against the pairs that lie farther in label.

    Equations 3 and 4: the mean over all i, j of −log(exp(s_ij) / Σ_{k ∈ S_ij} exp(s_ik)). In `farther`, S_ij
    holds the k with d_ik > d_ij, so the positive is not in its own denominator, the loss has no lower bound,
    and a pair with an empty set (the farthest of a row, so a whole row of ties) adds 0 to the sum and 1 to
    the count. In `farther-or-equal`, the original Rank-N-Contrast, S_ij holds the k with d_ik ≥ d_ij, j among
    them, and the loss is at least 0.

    Args:
        similarity: floating, (N, M), cosine over temperature.
        label_distance: integers, float32 or float64, (N, M). Only the order within a row counts, so the
            squared distance serves as well as the distance, and ties are exact equality: take integers.
        candidates: which S_ij.

    Returns: a scalar of the dtype of `similarity`. Time O(N M log M), memory O(N M).

    Raises ValueError for shapes or dtypes that do not fit, and for a row whose similarities span over 1000.

    >>> similarity = torch.tensor([[1.0, 0.5, 0.0]])
    >>> round(rank_n_contrast(similarity, torch.tensor([[0, 1, 2]])).item(), 4)
    -0.1753
    """
    _check_rank_n_contrast(similarity, label_distance, candidates)
    centred = _centred(similarity)
    rank = _rank_from_farthest(label_distance.detach())
    # Those at one distance have one S_ij, so everything but s_ij itself is a sum over tie groups, the farthest
    # first. Float64 keeps a cumulative sum of plain exponentials safe, at a sixth of torch.logcumsumexp's time.
    mass = torch.zeros_like(centred).scatter_add(1, rank, centred.exp()).cumsum(1)
    count = torch.zeros_like(centred).scatter_add_(1, rank, torch.ones_like(centred))
    if candidates == "farther":
        positives = centred.masked_fill(rank == 0, 0).sum()
        normalisers = (count[:, 1:] * mass[:, :-1].log()).sum()
    else:
        positives = centred.sum()
        normalisers = (count * mass.log()).sum()
    return ((normalisers - positives) / centred.numel()).to(similarity.dtype)


def _centred(similarity: Tensor) -> Tensor:
    """Float64, each row's extremes at equal distance from 0; shifting a row changes no Rank-N-Contrast."""
    values = similarity.detach()
    high, low = values.amax(1, keepdim=True).double(), values.amin(1, keepdim=True).double()
    span = (high - low).max().item()
    if span > MAX_SPAN:
        raise ValueError(
            f"similarity must span at most {MAX_SPAN:g} in a row, found {span:g}: raise the temperature"
        )
    return similarity.double() - (high + low) / 2


def _rank_from_farthest(label_distance: Tensor) -> Tensor:
    """(N, M) to int64 (N, M): 0 for a row's largest, 1 for the next smaller value, the same for ties."""
    if label_distance.device.type == "cpu":
        # Four times as fast as torch.argsort on one thread.
        order = torch.from_numpy(np.argsort(label_distance.numpy(), axis=1))
    else:
        order = label_distance.argsort(1)
    ascending = label_distance.gather(1, order)
    rank = torch.zeros_like(order)
    rank[:, 1:] = ascending[:, 1:] != ascending[:, :-1]
    rank.cumsum_(1)
    return torch.empty_like(rank).scatter_(1, order, rank[:, -1:] - rank)


def squared_label_distance(anchors: Tensor, candidates: Tensor) -> Tensor:
    """Squared L2 distance between labels, in whole steps of 1/2520, so that ties and their order are exact.

    Means over up to ten annotators and labels in tenths are whole numbers of steps, and so are means written
    with at least four decimals, once rounded. Float differences of such labels tie by accident only.

    Args:
        anchors: (N, D) labels, (valence, arousal) in the paper. Integers or floats, on any scale.
        candidates: (M, D), the same attributes.

    Returns: int64 (N, M), 0 for equal labels. Divide by 2520² for the squared distance in label units.

    Raises ValueError unless both have two dimensions and as many attributes.

    >>> squared_label_distance(torch.tensor([[4.1, 5.0]]), torch.tensor([[4.2, 5.0], [4.0, 5.0], [4.1, 6.0]]))
    tensor([[  63504,   63504, 6350400]])
    """
    if anchors.ndim != 2 or candidates.ndim != 2 or anchors.shape[1] != candidates.shape[1]:
        raise ValueError(
            "anchors and candidates must be (N, D) and (M, D), "
            f"found {tuple(anchors.shape)} and {tuple(candidates.shape)}"
        )
    ours, theirs = _whole_steps(anchors), _whole_steps(candidates)
    distance = torch.zeros(len(ours), len(theirs), dtype=torch.int64, device=ours.device)
    for attribute in range(ours.shape[1]):
        distance += (ours[:, attribute, None] - theirs[None, :, attribute]).square()
    return distance


def symmetric_cross_entropy(similarity: Tensor) -> Tensor:
    """CLIP's loss: utterance i against every caption, caption i against every utterance, the mean of both.

    Args:
        similarity: floating, (N, N), cosine over temperature.

    Returns: a scalar, at least 0, and exactly 0 for N = 1.

    Raises ValueError for another shape or dtype.

    >>> round(symmetric_cross_entropy(torch.zeros(4, 4)).item(), 4)  # log 4
    1.3863
    """
    _check_square(similarity)
    target = torch.arange(len(similarity), device=similarity.device)
    return (functional.cross_entropy(similarity, target) + functional.cross_entropy(similarity.T, target)) / 2


def supervised_contrastive(similarity: Tensor, labels: Tensor) -> Tensor:
    """SupCon across the modalities: every candidate that shares the anchor's label is a positive.

    Equation 2 of Khosla et al. (2020), the mean over positives outside the logarithm: −1/|P(i)| Σ_{p ∈ P(i)}
    log softmax(s_i)_p, mean over the anchors, with speech and then text as the anchors, mean of both. The
    anchor's own counterpart is among its positives, so P(i) is never empty; with labels that all differ it is
    `symmetric_cross_entropy`.

    Args:
        similarity: floating, (N, N), cosine over temperature.
        labels: integers, (N,).

    Returns: a scalar, at least 0.

    Raises ValueError for another shape or dtype.

    >>> round(supervised_contrastive(torch.zeros(4, 4), torch.tensor([0, 0, 1, 2])).item(), 4)  # log 4
    1.3863
    """
    _check_square(similarity)
    if labels.shape != similarity.shape[:1] or labels.is_floating_point() or labels.is_complex():
        raise ValueError(
            f"labels must be {len(similarity)} integers, found {tuple(labels.shape)} of {labels.dtype}"
        )
    positive = (labels[:, None] == labels[None, :]).to(similarity.dtype)
    weight = positive / positive.sum(1, keepdim=True)
    speech, text = similarity.log_softmax(1), similarity.T.log_softmax(1)
    return -(weight * (speech + text)).sum() / (2 * len(similarity))


def _whole_steps(labels: Tensor) -> Tensor:
    return (labels.detach().double() * LABEL_STEPS).round().long()


def _check_rank_n_contrast(similarity: Tensor, label_distance: Tensor, candidates: str) -> None:
    if candidates not in get_args(Candidates):
        raise ValueError(f"candidates must be one of {', '.join(get_args(Candidates))}, found {candidates!r}")
    if similarity.ndim != 2 or similarity.numel() == 0 or similarity.shape != label_distance.shape:
        raise ValueError(
            "similarity and label_distance must be the same (N, M), neither 0, "
            f"found {tuple(similarity.shape)} and {tuple(label_distance.shape)}"
        )
    _check_floating(similarity)
    if label_distance.dtype in (torch.bool, torch.float16, torch.bfloat16) or label_distance.is_complex():
        raise ValueError(
            f"label_distance must hold integers, float32 or float64, found {label_distance.dtype}"
        )


def _check_square(similarity: Tensor) -> None:
    if similarity.ndim != 2 or similarity.shape[0] != similarity.shape[1] or not len(similarity):
        raise ValueError(f"similarity must be (N, N), N at least 1, found {tuple(similarity.shape)}")
    _check_floating(similarity)


def _check_floating(similarity: Tensor) -> None:
    if not similarity.is_floating_point():
        raise ValueError(f"similarity must be floating, found {similarity.dtype}")
