"""Equations 3 and 4: cross-modal Rank-N-Contrast, at once or with the candidates ranked ahead."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, cast, get_args

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from pipeline.training.losses.similarity import check_floating, check_tensors

Candidates = Literal["farther", "farther-or-equal"]

MAX_SPAN = 1000.0
"""How far apart two similarities of a row may be, so that the exponentials of both fit in a float64.

Cosines over a temperature of at least 0.01 span 200.
"""

LARGEST = torch.finfo(torch.float64).max

ELEMENTS_AT_ONCE = {"cpu": 1 << 16, "cuda": 1 << 23}
"""Of a large matrix, so that what a row needs on the way stays small, on a CPU as small as its cache."""


def rank_n_contrast(
    similarity: Tensor,
    label_distance: Tensor,
    *,
    candidates: Candidates = "farther",
    weights: Tensor | None = None,
) -> Tensor:
    """Cross-modal Rank-N-Contrast: every pair is a positive against the pairs that lie farther in label.

    Equations 3 and 4: the mean over all i, j of −log(exp(s_ij) / Σ_{k ∈ S_ij} exp(s_ik)). In `farther`, S_ij
    holds the k with d_ik > d_ij, so the positive is not in its own denominator, the loss has no lower bound,
    and a pair with an empty set (the farthest of a row, so a whole row of ties) adds 0 to the sum and 1 to
    the count. In `farther-or-equal`, the original Rank-N-Contrast, S_ij holds the k with d_ik ≥ d_ij, j among
    them, and the loss is at least 0.

    Args:
        similarity: floating, (..., N, M), cosine over temperature.
        label_distance: integers, float32 or float64, (..., N, M). Only the order within a row counts, so the
            squared distance serves as well as the distance, and ties are exact equality: take integers.
        candidates: which S_ij.
        weights: floating, (..., N, M), what the term of each positive is multiplied by; 1 without them. 0
            leaves a pair out as a positive, as within a modality each utterance beside itself.

    Returns: (...), a scalar for (N, M), of the dtype of `similarity`. Time O(N M log M), memory O(N M). It can
    be differentiated once.

    Raises ValueError for shapes or dtypes that do not fit and, on a CPU, for a row whose similarities span
    over 1000 or whose distances hold nan. On a GPU, where a look at them would wait for the device, such a loss
    may be anything.

    >>> similarity = torch.tensor([[1.0, 0.5, 0.0]])
    >>> round(rank_n_contrast(similarity, torch.tensor([[0, 1, 2]])).item(), 4)
    -0.1753
    """
    _check_rank_n_contrast(similarity, label_distance, candidates, weights)
    values = similarity.detach()
    if values.device.type == "cpu":
        _check_span(values)
        _check_distance(label_distance.detach())
    terms = torch.empty(values.shape[:-1], dtype=torch.float64, device=values.device)
    gradient = torch.empty_like(values, memory_format=torch.contiguous_format)
    for rows, matrix, distance, weight in _rows_at_once(values, label_distance.detach(), weights):
        ranking = rank_candidates(distance, candidates=candidates, weights=weight)
        terms.view(-1)[rows], gradient.view(-1, values.shape[-1])[rows] = _rows_of_terms(matrix, ranking)
    return _mean_of_terms(similarity, terms, gradient)


class Ranking(NamedTuple):
    """Each row's candidates in order from the farthest to the nearest, with what follows from their ties.

    All (..., N, M). It depends on labels alone, so that it can be had for many batches before their
    similarities, and places count from a row's farthest.
    """

    order: Tensor
    """int64, the column of the candidate at each place."""
    bound: Tensor
    """int64, the last place of the set S of the positive at each place; 0 where S is empty."""
    reach: Tensor
    """int64, counted from the nearest, the last place whose positive has this candidate in its S; 0 for none."""
    weight: Tensor
    """float64, of the positive at each place; 0 where its S is empty."""
    used: Tensor
    """float64, 1 where the candidate is in some S, otherwise 0."""


def rank_candidates(
    label_distance: Tensor, *, candidates: Candidates = "farther", weights: Tensor | None = None
) -> Ranking:
    """Sort the candidates of every row by label distance: what `ranked_contrast` needs of the labels.

    Arguments as those of `rank_n_contrast`. On a GPU nothing waits for the device.
    """
    order, distance = _from_the_farthest(label_distance.detach())
    count = order.shape[-1]
    place = torch.arange(count, device=order.device)
    begins = torch.ones_like(order, dtype=torch.bool)
    torch.ne(distance[..., 1:], distance[..., :-1], out=begins[..., 1:])
    ends = begins.roll(-1, -1)  # a row's first begins, so its last ends
    # How many lie farther, and how many lie nearer: where a tie group begins, seen from either end.
    farther = (place * begins).cummax(-1).values
    nearer = (place * ends.flip(-1)).cummax(-1).values.flip(-1)
    if candidates == "farther":
        weight, used = farther.clamp(max=1).double(), nearer.clamp(max=1).double()
        bound, reach = farther.sub_(1).clamp_(min=0), nearer.sub_(1).clamp_(min=0)
    else:
        weight = used = torch.ones_like(order, dtype=torch.float64)
        bound, reach = count - 1 - nearer, count - 1 - farther
    if weights is not None:
        weight = weight * weights.detach().gather(-1, order)
    return Ranking(order, bound, reach, weight, used)


def ranked_contrast(similarity: Tensor, ranking: Ranking) -> Tensor:
    """`rank_n_contrast` of similarities whose candidates were ranked before: for a training loop.

    It looks at no value: the caller answers for a span of at most 1000 in a row, which cosines over a
    temperature of at least 0.01 keep. Beyond it the loss may be infinite or nan.

    >>> ranking = rank_candidates(torch.tensor([[0, 1, 2]]))
    >>> round(ranked_contrast(torch.tensor([[1.0, 0.5, 0.0]]), ranking).item(), 4)
    -0.1753
    """
    return _mean_of_terms(similarity, *_rows_of_terms(similarity.detach(), ranking))


def _rows_of_terms(similarity: Tensor, ranking: Ranking) -> tuple[Tensor, Tensor]:
    """The terms of each row, summed, (..., N) float64, and what they are differentiated by similarity.

    With E_p the sum of exp(s) over the set of the positive at place p, its term is w_p (log E_p − s_p). The
    candidate at place q therefore has the gradient exp(s_q) Σ w_p / E_p − w_q over the p whose sets hold q.
    The sets are the first places of a row, as many as the ties say: both sums are cumulative ones, of which
    every term is positive, so that float64 keeps their relative precision from end to end.
    """
    middle = (similarity.amax(-1, keepdim=True).double() + similarity.amin(-1, keepdim=True).double()) / 2
    centred = similarity.gather(-1, ranking.order).double() - middle  # a shift of a row changes no term
    mass = centred.exp()
    total = mass.cumsum(-1).gather(-1, ranking.bound)
    terms = (ranking.weight * (total.log() - centred)).sum(-1)
    share = (ranking.weight / total).flip(-1).cumsum(-1).gather(-1, ranking.reach)
    # A candidate in no set has a share of another's, which may be too large for it.
    gradient = share.mul_(mass).clamp_(max=LARGEST).mul_(ranking.used).sub_(ranking.weight)
    unsorted = torch.empty_like(similarity, memory_format=torch.contiguous_format)
    return terms, unsorted.scatter_(-1, ranking.order, gradient.to(similarity.dtype))


def _mean_of_terms(similarity: Tensor, terms: Tensor, gradient: Tensor) -> Tensor:
    count = similarity.shape[-2] * similarity.shape[-1]
    value = (terms.sum(-1) / count).to(similarity.dtype)
    return cast(Tensor, _Differentiated.apply(similarity, value, gradient.div_(count)))  # type: ignore[no-untyped-call]


class _Differentiated(torch.autograd.Function):
    """A value (...) of a matrix (..., N, M) whose gradient was computed beside it."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, value: Tensor, gradient: Tensor) -> Tensor:
        ctx.save_for_backward(gradient)
        return value

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return outer[..., None, None] * gradient, None, None


def _from_the_farthest(label_distance: Tensor) -> tuple[Tensor, Tensor]:
    """Per row, the columns from the largest to the smallest, int64, and the values in that order."""
    if label_distance.device.type != "cpu":
        distance, order = torch.sort(label_distance, dim=-1, descending=True, stable=True)
        return order, distance
    count = label_distance.shape[-1]
    bits = max(count - 1, 1).bit_length()
    if not label_distance.is_floating_point():
        nearest, farthest = label_distance.aminmax()
        if max(-int(nearest), int(farthest)) < 1 << (62 - bits):
            # One number for a distance and its column: sorting values is four times as fast as argsort.
            keys = (label_distance.long().neg() << bits) | torch.arange(count)
            packed = torch.from_numpy(np.sort(keys.numpy(), axis=-1))
            return packed & ((1 << bits) - 1), (packed >> bits).neg_()
    order = torch.from_numpy(np.argsort(-label_distance.numpy(), axis=-1, kind="stable"))
    return order, label_distance.gather(-1, order)


def _rows_at_once(
    values: Tensor, label_distance: Tensor, weights: Tensor | None
) -> Iterator[tuple[slice, Tensor, Tensor, Tensor | None]]:
    """The rows of all batches, as many at a time as `ELEMENTS_AT_ONCE` allows."""
    similarity, distance = values.flatten(0, -2), label_distance.flatten(0, -2)
    weight = None if weights is None else weights.flatten(0, -2)
    step = max(1, ELEMENTS_AT_ONCE.get(values.device.type, 1 << 23) // values.shape[-1])
    for start in range(0, len(similarity), step):
        rows = slice(start, start + step)
        yield rows, similarity[rows], distance[rows], None if weight is None else weight[rows]


def _check_rank_n_contrast(
    similarity: Tensor, label_distance: Tensor, candidates: str, weights: Tensor | None
) -> None:
    if candidates not in get_args(Candidates):
        raise ValueError(f"candidates must be one of {', '.join(get_args(Candidates))}, found {candidates!r}")
    check_tensors(similarity=similarity, label_distance=label_distance)
    if similarity.ndim < 2 or similarity.numel() == 0 or similarity.shape != label_distance.shape:
        raise ValueError(
            "similarity and label_distance must be the same (..., N, M), none 0, "
            f"found {tuple(similarity.shape)} and {tuple(label_distance.shape)}"
        )
    check_floating(similarity)
    if label_distance.dtype in (torch.bool, torch.float16, torch.bfloat16):
        raise ValueError(
            f"label_distance must hold integers, float32 or float64, found {label_distance.dtype}"
        )
    if weights is not None:
        check_tensors(weights=weights)
    if weights is not None and (weights.shape != similarity.shape or not weights.is_floating_point()):
        raise ValueError(
            f"weights must be floating and {tuple(similarity.shape)}, "
            f"found {weights.dtype} and {tuple(weights.shape)}"
        )


def _check_distance(label_distance: Tensor) -> None:
    """What is not a number has no place in an order."""
    if label_distance.is_floating_point() and label_distance.isnan().any():
        row = int(label_distance.isnan().flatten(0, -2).any(-1).nonzero()[0])
        raise ValueError(f"label_distance must hold numbers, found nan in row {row} of its rows")


def _check_span(similarity: Tensor) -> None:
    span = (similarity.amax(-1).double() - similarity.amin(-1).double()).max().item()
    if span > MAX_SPAN:
        raise ValueError(
            f"similarity must span at most {MAX_SPAN:g} in a row, found {span:g}: raise the temperature"
        )
