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
from plus_study.heads import Rows, StackedHeads


def rank_pairs(labels: Tensor, candidate: Candidate, disagreement: Tensor) -> tuple[Tensor, Tensor]:
    """Labels (K, N, 3) to ranks from the farthest and squared distances in label units, both (K, N, N)."""
    scale = torch.tensor([1.0, 1.0, math.sqrt(candidate.dominance)], dtype=torch.float64)
    used = labels[..., : 3 if candidate.dominance else 2]
    steps = (used * scale[: used.shape[-1]] * LABEL_STEPS).round().long()
    squares = (steps[:, :, None] - steps[:, None]).square().sum(-1)
    distance = squares
    if candidate.bin or candidate.bin_by_annotators:
        width = candidate.bin + candidate.bin_by_annotators * disagreement[..., None].clamp(min=0.2)
        distance = (squares.double().sqrt() / LABEL_STEPS / width).floor().long()
    order = torch.from_numpy(np.argsort(distance.numpy(), axis=-1))
    ascending = distance.gather(-1, order)
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


def batch_loss(heads: StackedHeads, batch: Rows, candidate: Candidate) -> Tensor:
    """(K,)"""
    speech, text = heads.embed("speech", batch.speech), heads.embed("text", batch.text)
    temperature = heads.log_temperature.exp()[:, None, None]
    similarity = speech @ text.transpose(1, 2) / temperature
    rank, squares = rank_pairs(batch.labels, candidate, batch.disagreement)
    count = similarity.shape[-1]
    weight = torch.ones_like(squares)
    if candidate.near:
        weight = (-squares / (2 * candidate.near**2)).exp()
        weight = weight / weight.mean((1, 2), keepdim=True)
    anchor = batch.density**-candidate.density  # (K, N)
    anchor = anchor / anchor.mean(1, keepdim=True)
    weight = weight * anchor[..., None]
    total = torch.zeros(len(similarity))

    def ranked(of: Tensor, alone: bool = False) -> Tensor:
        return (rank_n_contrast(of, rank, equal=candidate.equal, alone=alone) * weight).mean((1, 2))

    if candidate.rank:
        one = ranked(similarity)
        total = total + candidate.rank * (
            (one + ranked(similarity.transpose(1, 2))) / 2 if candidate.both else one
        )
    if candidate.within:
        inner = [ranked(e @ e.transpose(1, 2) / temperature, alone=True) for e in (speech, text)]
        total = total + candidate.within * (inner[0] + inner[1]) / 2
    if candidate.cross_entropy or candidate.soft:
        logs = (similarity.log_softmax(2) + similarity.log_softmax(1)) / 2
        if candidate.cross_entropy:
            total = total - candidate.cross_entropy * (logs.diagonal(dim1=1, dim2=2) * anchor).mean(1)
        if candidate.soft:
            target = (-squares / (2 * candidate.width**2)).softmax(-1)
            both = similarity.log_softmax(2) + similarity.transpose(1, 2).log_softmax(2)
            total = total - candidate.soft * (target * both * anchor[..., None]).sum((1, 2)) / (2 * count)
    if candidate.regression:
        wanted = (batch.labels[..., :2] - 4).float()
        errors = [(heads._linear("regression", e) - wanted).square().mean(2) for e in (speech, text)]
        error = ((errors[0] + errors[1]) * anchor).mean(1)
        total = total + candidate.regression * error
    if candidate.gap:
        total = total + candidate.gap * (speech.mean(1) - text.mean(1)).square().sum(1)
    return total
