"""Processes that train the same heads together, each with a share of every batch: torch.distributed.

A rank embeds the rows whose features it has. All ranks then hold all embeddings of the batch, and each takes the
terms of the loss whose anchors are of its share, among all candidates. What those terms say of an embedding goes
back to the rank that made it, summed, never averaged: the loss is the sum of the ranks' terms. The gradients of
the weights are summed over the ranks before each takes the same step.

Axes: S seeds, N clips of a batch, M texts, n and m those that a rank has the features of.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, cast

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable

from pipeline.support import Share, counted
from pipeline.training.stacked import Compared, StackedHeads

SECONDS_TO_ANSWER = 600.0
"""A rank that takes longer than the others by so much is taken for lost."""


class UnansweredError(RuntimeError):
    """A rank does not answer."""


def plain(error: BaseException) -> str:
    """What torch says, in a line, without places in its source and pictures."""
    line, _, _ = str(error).partition("\n")
    return re.sub(r"(?<!\S)\[?/\S+:\d+\S* ?", "", line).encode("ascii", "ignore").decode().strip()


class Placed(NamedTuple):
    """Where a rank's rows belong in a batch of `clips` N and `texts` M."""

    clips: int
    texts: int
    places: Tensor
    """(..., n + m), among the clips and then the texts; N + M for a row that is none of them."""


class Own(NamedTuple):
    """What a process embeds of batches: rows of what it has the features of, (..., n)."""

    rows: Tensor
    placed: Placed | None = None
    """None for one process alone, which has all of them in their order."""

    def at(self, index: Any) -> Own:
        """Of some of the batches."""
        places = self.placed and self.placed._replace(places=self.placed.places[index])
        return Own(self.rows[index], places)

    def to(self, device: torch.device) -> Own:
        """The same on a device."""
        places = self.placed and self.placed._replace(places=self.placed.places.to(device))
        return Own(self.rows.to(device), places)


class Features(NamedTuple):
    """What is embedded of a batch; the leading axes are the batch's."""

    speech: Tensor
    """(..., n, F)"""
    text: Tensor
    """(..., m, F)"""
    placed: Placed | None = None

    def repeated(self, seeds: int) -> Features:
        """The same for each of so many seeds, on a leading axis."""
        speech, text, placed = self
        places = placed and placed._replace(places=placed.places.expand(seeds, *placed.places.shape))
        return Features(speech.expand(seeds, *speech.shape), text.expand(seeds, *text.shape), places)


@dataclass(frozen=True)
class Ranks:
    """This process among those that train together."""

    share: Share
    group: dist.ProcessGroup | None = None
    """None for all processes."""

    @property
    def first(self) -> bool:
        """Whether it is the one that tells and writes."""
        return self.share.number == 0

    def own(self, batches: Tensor, own: slice, drawn: int) -> Own:
        """What this rank embeds of batches (..., N) of a block, where it has the features of rows `own`.

        Its rows are counted from the first of those; n is the most that a batch has of them, and where one has
        fewer, the others have no place. The texts are the same rows' captions, and then its share of so many
        captions of the plane that are `drawn` beside each batch.
        """
        clips = batches.shape[-1]
        mine = (batches >= own.start) & (batches < own.stop)
        most = max(1, int(mine.sum(-1).max()))
        places = mine.logical_not().byte().argsort(dim=-1, stable=True)[..., :most]
        there, none = mine.gather(-1, places), torch.tensor(2 * clips + drawn)
        rows = (batches.gather(-1, places) - own.start).clamp_(0, own.stop - own.start - 1)
        of_plane = torch.arange(2 * clips, 2 * clips + drawn)[self.share.rows(drawn)]
        everything = [
            places.where(there, none),
            (places + clips).where(there, none),
            of_plane.expand(*places.shape[:-1], -1),
        ]
        return Own(rows, Placed(clips, clips + drawn, torch.cat(everything, -1)))

    def compare(self, heads: StackedHeads, features: Features, *, both_ways: bool) -> Compared:
        """As `StackedHeads.compare` of all ranks' features, the similarities those of the rank's share."""
        clips, texts, places = cast(Placed, features.placed)
        embedded = torch.cat(
            [self._embed(heads, "speech", features.speech), self._embed(heads, "text", features.text)], -2
        )
        everything = cast(Tensor, _Gathered.apply(embedded, places, clips + texts, self))  # type: ignore[no-untyped-call]
        speech, text = torch.split(everything, [clips, texts], -2)
        return heads.compare_share(speech, text, self.share, both_ways=both_ways)

    def sum(self, *tensors: Tensor) -> None:
        """Each tensor becomes its sum over the ranks, the same bits on all of them."""
        for tensor in tensors:
            self._answered(partial(dist.all_reduce, tensor, group=self.group))

    def sum_gradients(self, parameters: Iterable[Tensor]) -> None:
        """The gradient of the sum of the ranks' losses."""
        gradients = [cast(Tensor, parameter.grad) for parameter in parameters]
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        self.sum(flat)
        sizes = [gradient.numel() for gradient in gradients]
        for gradient, summed in zip(gradients, torch.split(flat, sizes), strict=True):
            gradient.copy_(summed.view_as(gradient))

    def take_first(self, parameters: Iterable[Tensor]) -> None:
        """The first rank's weights on all: on unlike processors a step may round otherwise."""
        for parameter in parameters:
            self._answered(partial(dist.broadcast, parameter.detach(), group=self.group, group_src=0))

    def check_alike(self, what: str, *described: object) -> None:
        """Raise RuntimeError where a rank describes it, in values of JSON, otherwise than the first."""
        hashed = hashlib.sha256()
        for part in described:
            hashed.update(json.dumps(part, sort_keys=True).encode() + b"\n")
        digest = torch.frombuffer(bytearray(hashed.digest()), dtype=torch.uint8)
        digests = torch.zeros(self.share.shares, len(digest), dtype=torch.int64)
        digests[self.share.number] = digest
        self.sum(digests)
        others = [rank for rank, theirs in enumerate(digests) if not torch.equal(theirs, digests[0])]
        if others:
            raise RuntimeError(
                f"all ranks must train on the same {what}, found another on {counted(len(others), 'rank')}, the "
                f"first of them {others[0]}: give every machine the same project and the same version of it"
            )

    def _embed(self, heads: StackedHeads, modality: Any, features: Tensor) -> Tensor:
        """(S, ..., n, F) → (S, ..., n, E)"""
        flat = heads.embed(modality, features.flatten(1, -2))
        return flat.view(*features.shape[:-1], flat.shape[-1])

    def _answered(self, exchange: Callable[[], object]) -> None:
        asked = time.monotonic()
        try:
            exchange()
        except RuntimeError as error:
            silent = time.monotonic() - asked >= SECONDS_TO_ANSWER
            found = f"has said nothing for {SECONDS_TO_ANSWER:g} s" if silent else "has ended"
            (said, _, _) = plain(error).partition(". ")  # what follows is torch's advice
            raise UnansweredError(
                f"every rank must answer, but one {found}: look at what its own log says ({said})"
            ) from error


class _Gathered(torch.autograd.Function):
    """The ranks' rows (..., n, E) at their places among all of a batch, (..., N, E), on every rank.

    Each adds its own to zeros, which is exact, whatever number of rows each has. What the ranks' losses say of a
    row is summed, and goes to the rank that has it.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, places: Tensor, count: int, ranks: Ranks) -> Tensor:
        at = places[..., None].expand_as(rows)
        everything = rows.new_zeros(*rows.shape[:-2], count + 1, rows.shape[-1]).scatter_(-2, at, rows)
        everything = everything[..., :count, :].contiguous()
        ranks.sum(everything)
        ctx.save_for_backward(at)
        ctx.ranks = ranks
        return everything

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor, None, None, None]:
        (at,) = ctx.saved_tensors
        padded = outer.new_zeros(*outer.shape[:-2], outer.shape[-2] + 1, outer.shape[-1])
        summed = outer.clone(memory_format=torch.contiguous_format)
        ctx.ranks.sum(summed)
        padded[..., :-1, :] = summed  # of a row that is none, nothing
        return padded.gather(-2, at), None, None, None
