"""The losses that EmotionRankCLAP is compared to: a pair, or a class, against the rest of the batch."""

from __future__ import annotations

from torch import Tensor

from pipeline.training.losses.similarity import check_floating, check_tensors


def symmetric_cross_entropy(similarity: Tensor) -> Tensor:
    """CLIP's loss: utterance i against every caption, caption i against every utterance, the mean of both.

    Args:
        similarity: floating, (..., N, N), cosine over temperature.

    Returns: (...), a scalar for (N, N), at least 0, and exactly 0 for N = 1.

    Raises ValueError for another shape or dtype.

    >>> import torch
    >>> round(symmetric_cross_entropy(torch.zeros(4, 4)).item(), 4)  # log 4
    1.3863
    """
    _check_square(similarity)
    paired = similarity.diagonal(dim1=-2, dim2=-1)
    return _both_normalisers(similarity) / 2 - paired.mean(-1)


def supervised_contrastive(similarity: Tensor, labels: Tensor) -> Tensor:
    """SupCon across the modalities: every candidate that shares the anchor's label is a positive.

    Equation 2 of Khosla et al. (2020), the mean over positives outside the logarithm: −1/|P(i)| Σ_{p ∈ P(i)}
    log softmax(s_i)_p, mean over the anchors, with speech and then text as the anchors, mean of both. The
    anchor's own counterpart is among its positives, so P(i) is never empty; with labels that all differ it is
    `symmetric_cross_entropy`.

    Args:
        similarity: floating, (..., N, N), cosine over temperature.
        labels: integers, (..., N).

    Returns: (...), a scalar for (N, N), at least 0.

    Raises ValueError for another shape or dtype.

    >>> import torch
    >>> round(supervised_contrastive(torch.zeros(4, 4), torch.tensor([0, 0, 1, 2])).item(), 4)  # log 4
    1.3863
    """
    _check_square(similarity)
    check_tensors(labels=labels)
    if labels.shape != similarity.shape[:-1] or labels.is_floating_point():
        raise ValueError(
            f"labels must be integers and {tuple(similarity.shape[:-1])}, "
            f"found {labels.dtype} and {tuple(labels.shape)}"
        )
    positive = (labels[..., :, None] == labels[..., None, :]).to(similarity.dtype)
    # Text i has the positives of speech i, so that both directions weigh s_ij by what its row and column count.
    weight = 1 / positive.sum(-1)
    both = positive * (weight[..., :, None] + weight[..., None, :])
    count = 2 * similarity.shape[-1]
    return _both_normalisers(similarity) / 2 - (both * similarity).sum((-2, -1)) / count


def one_way_contrast(similarity: Tensor, anchors: Tensor, candidates: Tensor) -> Tensor:
    """One direction of `supervised_contrastive`, of some anchors among all candidates.

    The mean over the anchors of −1/|P(i)| Σ_{p ∈ P(i)} log softmax(s_i)_p, where P(i) are the candidates that
    share the anchor's label, at least one. With labels that all differ it is one direction of
    `symmetric_cross_entropy`.

    Args:
        similarity: floating, (..., n, N), cosine over temperature.
        anchors: integers, (..., n).
        candidates: integers, (..., N).

    Returns: (...), a scalar for (n, N), at least 0.

    >>> import torch
    >>> round(one_way_contrast(torch.zeros(1, 4), torch.tensor([2]), torch.arange(4)).item(), 4)  # log 4
    1.3863
    """
    positive = (anchors[..., :, None] == candidates[..., None, :]).to(similarity.dtype)
    means = (positive * similarity).sum(-1) / positive.sum(-1)
    return (similarity.logsumexp(-1) - means).mean(-1)


def _both_normalisers(similarity: Tensor) -> Tensor:
    """The mean over rows of log Σ exp, and that over columns, added."""
    return similarity.logsumexp(-1).mean(-1) + similarity.logsumexp(-2).mean(-1)


def _check_square(similarity: Tensor) -> None:
    check_tensors(similarity=similarity)
    if similarity.ndim < 2 or similarity.shape[-2] != similarity.shape[-1] or not similarity.numel():
        raise ValueError(f"similarity must be (..., N, N), N at least 1, found {tuple(similarity.shape)}")
    check_floating(similarity)
