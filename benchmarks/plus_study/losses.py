"""What the candidates minimise, of many batches at once.

A part of the study, no command.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from pipeline.training.losses.label_distance import LABEL_STEPS
from plus_study.candidates import Candidate
from plus_study.heads import Beside, Rows, StackedHeads

FARTHEST = 6.5 * math.sqrt(2)
"""Of two labels on 0.5 to 7."""


def rank_pairs(
    labels: Tensor, candidate: Candidate, disagreement: Tensor, others: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Labels (K, N, 3) to ranks from the farthest and squared distances in label units, both (K, N, M).

    Distances are those from `others` (K, M, 3), or from each other.
    """
    scale = torch.tensor([1.0, 1.0, math.sqrt(candidate.dominance)], dtype=torch.float64)
    size = min(3 if candidate.dominance else 2, labels.shape[-1])
    steps, theirs = (
        (of[..., :size] * scale[:size] * LABEL_STEPS).round().long()
        for of in (labels, labels if others is None else others)
    )
    squares = (steps[:, :, None] - theirs[:, None]).square().sum(-1)
    distance = squares
    if candidate.bin or candidate.bin_by_annotators:
        width = candidate.bin + candidate.bin_by_annotators * disagreement[..., None].clamp(min=0.2)
        distance = (squares.double().sqrt() / LABEL_STEPS / width).floor().long()
    # One number for a distance and its column: sorting values is several times as fast as argsort.
    bits = distance.shape[-1].bit_length()
    packed = torch.from_numpy(
        np.sort(((distance << bits) | torch.arange(distance.shape[-1])).numpy(), axis=-1)
    )
    order, ascending = packed & ((1 << bits) - 1), packed >> bits
    rank = torch.zeros_like(order)
    rank[..., 1:] = ascending[..., 1:] != ascending[..., :-1]
    rank = rank.cumsum(-1)
    rank = torch.empty_like(rank).scatter_(-1, order, rank[..., -1:] - rank)
    return rank, (squares.double() / LABEL_STEPS**2).float()


def rank_n_contrast(similarity: Tensor, rank: Tensor, *, equal: bool, alone: bool = False) -> Tensor:
    """The terms of equation 3, (K, N, N); `alone` leaves out each row's own pair, as within a modality."""
    centred = similarity - (similarity.amax(-1, keepdim=True) - 30).detach()
    mass = centred.exp()
    itself = torch.eye(similarity.shape[-1], dtype=torch.bool)
    if alone:
        mass = mass.masked_fill(itself, 0)
    groups = torch.zeros_like(mass).scatter_add(-1, rank, mass).cumsum(-1)
    index = rank if equal else (rank - 1).clamp(min=0)
    terms = groups.gather(-1, index).clamp(min=1e-30).log() - centred
    if not equal:
        terms = terms.masked_fill(rank == 0, 0)
    return terms.masked_fill(itself, 0) if alone else terms


def batch_loss(
    heads: StackedHeads, batch: Rows, candidate: Candidate, beside: Beside | None = None
) -> Tensor:
    """(K,); `beside` are captions of no clip and mixed speech."""
    count = batch.labels.shape[1]
    text_features, text_labels, speech_features, speech_labels = (
        batch.text, batch.labels, batch.speech, batch.labels,
    )  # fmt: skip
    if beside is not None:
        text_features, text_labels = (
            torch.cat(both, 1) for both in ((batch.text, beside.text), (batch.labels, beside.text_labels))
        )
        speech_features, speech_labels = (
            torch.cat(both, 1)
            for both in ((batch.speech, beside.speech), (batch.labels, beside.speech_labels))
        )
    speech, text = heads.embed("speech", speech_features), heads.embed("text", text_features)
    temperature = heads.log_temperature.exp()[:, None, None]
    cosine = speech @ text.transpose(1, 2)
    similarity = cosine / temperature
    paired = similarity[:, :count, :count]
    anchor = batch.density**-candidate.density  # (K, N)
    anchor = anchor / anchor.mean(1, keepdim=True)
    of_text = _extended(anchor, text.shape[1], candidate.plane_weight)
    of_speech = _extended(anchor, speech.shape[1], 1.0)
    of_columns = _extended(torch.ones_like(anchor), text.shape[1], candidate.plane_weight)
    total = torch.zeros(len(similarity))

    def ranked(of: Tensor, mine: Tensor, theirs: Tensor, weight: Tensor) -> Tensor:
        rank, squares = rank_pairs(mine, candidate, batch.disagreement, theirs)
        if candidate.near:
            near = (-squares / (2 * candidate.near**2)).exp()
            weight = weight * near / near.mean((1, 2), keepdim=True)
        return (rank_n_contrast(of, rank, equal=candidate.equal) * weight).mean((1, 2))

    def both_ways(of: Tensor, mine: Tensor, theirs: Tensor) -> Tensor:
        one = ranked(of, mine, theirs, of_speech[..., None] * of_columns[:, None])
        if not candidate.both:
            return one
        return (one + ranked(of.transpose(1, 2), theirs, mine, of_text[..., None])) / 2

    if candidate.rank and candidate.halves:
        size = speech.shape[-1] // 2
        for half, part in enumerate((slice(size), slice(size, None))):
            of_half = 2 * speech[..., part] @ text[..., part].transpose(1, 2) / temperature
            alone = speech_labels[..., half, None], text_labels[..., half, None]
            total = total + candidate.rank * both_ways(of_half, *alone) / 2
    elif candidate.rank:
        total = total + candidate.rank * both_ways(similarity, speech_labels, text_labels)
    if candidate.within:
        rank, _ = rank_pairs(batch.labels, candidate, batch.disagreement)
        inner = [
            (
                rank_n_contrast(
                    e[:, :count] @ e[:, :count].transpose(1, 2) / temperature,
                    rank,
                    equal=candidate.equal,
                    alone=True,
                )
                * anchor[..., None]
            ).mean((1, 2))
            for e in (speech, text)
        ]
        total = total + candidate.within * (inner[0] + inner[1]) / 2
    if candidate.cross_entropy or candidate.soft:
        logs = (paired.log_softmax(2) + paired.log_softmax(1)) / 2
        if candidate.cross_entropy:
            total = total - candidate.cross_entropy * (logs.diagonal(dim1=1, dim2=2) * anchor).mean(1)
        if candidate.soft:
            _, squares = rank_pairs(batch.labels, candidate, batch.disagreement)
            target = (-squares / (2 * candidate.width**2)).softmax(-1)
            both = paired.log_softmax(2) + paired.transpose(1, 2).log_softmax(2)
            total = total - candidate.soft * (target * both * anchor[..., None]).sum((1, 2)) / (2 * count)
    if candidate.calibrated:
        apart = torch.cdist(speech_labels[..., :2], text_labels[..., :2]).float() / FARTHEST
        total = total + candidate.calibrated * (cosine - 1 + apart).square().mean((1, 2))
    if candidate.regression:
        errors = [
            (heads._linear("regression", e) - (labels[..., :2] - 4).float()).square().mean(2)
            for e, labels in ((speech, speech_labels), (text, text_labels))
        ]
        error = (errors[0] * of_speech).mean(1) + (errors[1] * of_text).mean(1)
        total = total + candidate.regression * error
    if candidate.gap:
        apart_means = speech[:, :count].mean(1) - text[:, :count].mean(1)
        total = total + candidate.gap * apart_means.square().sum(1)
    return total


def _extended(weight: Tensor, size: int, value: float) -> Tensor:
    """(K, N) to (K, size): what comes after the pairs weighs `value`."""
    return torch.cat([weight, weight.new_full((len(weight), size - weight.shape[1]), value)], 1)
