"""Ranks of torch.distributed: the loss, its gradients and the heads that one process comes to."""

from __future__ import annotations

import os
import re
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from threading import Event

import numpy as np
import pytest
import torch
import torch.distributed as dist
from hypothesis import given, strategies as st

from pipeline.features import PlaneTexts
from pipeline.features.pairs import Pairs
from pipeline.methods import METHODS, settings_of
from pipeline.support import WHOLE, Share
from pipeline.training import launched
from pipeline.training.criterion import Criterion
from pipeline.training.density import LabelDensity
from pipeline.training.heads import ProjectionHeads
from pipeline.training.launched import launched_ranks
from pipeline.training.loop import train
from pipeline.training.losses import (
    one_way_contrast,
    supervised_contrastive,
    symmetric_cross_entropy,
)
from pipeline.training.objectives import RankNContrast, objective_of
from pipeline.training.ranks import Features, Ranks, UnansweredError, plain
from pipeline.training.stacked import StackedHeads
from pipeline.training.stepping import Stepping
from stages.terminating import Terminated, unwinding_on_sigterm
from tests.tensors import assert_close
from tests.training.ranks import on_ranks
from tests.training.test_loop import pairs, with_settings
from tests.training.test_plane import plane_texts

RANKED = [
    {
        "candidates": candidates,
        "directions": directions,
        "anchor_weights": weights,
        "plane_captions": plane,
        "plane_weight": 0.5 if even else 1.0,
        "calibration": 2.0 * even,
        "gap": 3.0 * even,
        "relu": not even,
    }
    for number, (candidates, directions, weights, plane) in enumerate(
        product(
            ("farther", "farther-or-equal"), ("speech-to-text", "both"), ("equal", "inverse-density"), (0, 5)
        )
    )
    for even in [number.bit_count() % 2 == 0]
]
"""Each option with each value of every other, half of all there are."""

CASES = [("symmetric-cross-entropy", {}), ("supervised-contrastive", {})] * 4
CASES += [("rank-n-contrast", case) for case in RANKED]

TRAINED = ("clap-sce", "supconclap", "emotionrankclap", "emotionrankclap-plus")
"""A method for each loss, and for all that stands beside one."""


@dataclass(frozen=True)
class Streamed:
    """Pairs in blocks of random rows, of each a share."""

    pairs: Pairs
    sizes: tuple[int, ...]
    share: Share

    def __len__(self) -> int:
        return len(self.pairs)

    def __getattr__(self, name: str):
        return getattr(self.pairs, name)

    def blocks(self, order: int) -> Iterator[Pairs]:
        rows = np.random.default_rng(order).permutation(len(self.pairs))
        p = self.pairs
        for part in np.split(rows, self.sizes):
            block = Pairs(
                [p.ids[i] for i in part],
                p.speech[part],
                p.text[part],
                p.labels[part],
                [p.emotions[i] for i in part],
            )
            yield shared(block, self.share)


def shared(whole: Pairs, share: Share) -> Pairs:
    """As a rank reads them."""
    own = share.rows(len(whole))
    return replace(whole, speech=whole.speech[own], text=whole.text[own], share=share)


def gradients(
    loss: str, options: dict, seed: int, ranks: Ranks | None, dtype: torch.dtype
) -> dict[str, torch.Tensor]:
    """Of the loss of random batches of a random shape, with the loss itself, of two seeds."""
    RankNContrast.RANKED_AHEAD = (512, 0)[seed % 3 % 2]
    drawing = np.random.default_rng(seed)
    clips = int(drawing.integers(4, 14))
    held, share = clips + int(drawing.integers(0, 20)), ranks.share if ranks else WHOLE
    speech, text, plane = (
        torch.from_numpy(drawing.standard_normal((rows, size))).to(dtype)
        for rows, size in ((held, 6), (held, 4), (9, 4))
    )
    labels, of_plane = (torch.from_numpy(drawing.integers(2, 9, (rows, 2)) / 2) for rows in (held, 9))
    emotions = torch.from_numpy(drawing.integers(0, 3, held))
    batches = torch.stack([torch.from_numpy(drawing.permutation(held)[:clips]) for _ in range(2)])
    settings = with_settings(**options, batch_size=clips)
    drawn = torch.stack(
        [torch.from_numpy(drawing.permutation(9)[: settings.plane_captions]) for _ in range(2)]
    )
    torch.manual_seed(seed)
    heads = StackedHeads([ProjectionHeads(6, 4, 5, 0.3, relu=settings.relu).to(dtype) for _ in range(2)])
    density = LabelDensity(labels.numpy())
    criterion = Criterion(objective_of(loss, settings, density, share), settings, share)
    stepping = Stepping(heads, criterion, settings, ranks)
    targets = criterion.targets(
        labels[batches], emotions[batches], of_plane[drawn] if settings.plane_captions else None
    )
    if ranks is None:
        features = Features(speech[batches], torch.cat([text[batches], plane[drawn]], 1))
    else:
        rows = share.rows(held)
        own = ranks.own(batches, rows, settings.plane_captions)
        beside = plane[drawn[:, share.rows(settings.plane_captions)]]
        features = Features(speech[rows][own.rows], torch.cat([text[rows][own.rows], beside], 1), own.placed)
    losses = criterion.loss(stepping.compare(features), targets)
    losses.sum().backward()
    losses = losses.detach()
    if ranks is not None:
        ranks.sum_gradients(heads.parameters.values())
        ranks.sum(losses)
    return {"loss": losses} | {name: one.grad for name, one in heads.parameters.items()}


def farthest_of_gradients(ranks: Ranks) -> tuple[list, dict[str, float]]:
    """By 4 ranks and by 2, beside one process: those that differ by 1e-6 or more, and the most by which any do."""
    torch.set_num_threads(1)
    rank = ranks.share.number
    of_two = [dist.new_group([0, 1]), dist.new_group([2, 3])][rank // 2]
    most: dict[str, float] = {}
    wrong = []
    for case, (loss, options) in enumerate(CASES):
        dtype = (torch.float32, torch.float64)[case // 2 % 2]
        expected = gradients(loss, options, case, None, dtype)
        for together in (ranks, Ranks(Share(rank % 2, 2), of_two)):
            found = gradients(loss, options, case, together, dtype)
            for name, theirs in expected.items():
                apart = float((found[name] - theirs).abs().max() / theirs.abs().max().clamp(min=1))
                kind = f"{loss}, {dtype}"
                most[kind] = max(most.get(kind, 0.0), apart)
                if not apart <= 1e-6:
                    wrong.append((loss, options, together.share.shares, name, apart))
    return wrong, most


def test_the_gradients_of_2_and_of_4_ranks_are_those_of_one_process():
    for wrong, most in on_ranks(farthest_of_gradients, 4):
        assert wrong == []
        assert len(most) == 6
        assert max(apart for kind, apart in most.items() if "float64" in kind) < 1e-12


def heads_of(ranks: Ranks | None) -> dict[str, tuple]:
    """What each method comes to after an epoch, in memory and streamed, of two seeds."""
    torch.set_num_threads(1)
    RankNContrast.RANKED_AHEAD = 512
    share = ranks.share if ranks else WHOLE
    found = {}
    plane: PlaneTexts = plane_texts()
    for name in TRAINED:
        settings = settings_of(with_settings(methods=[name], epochs=1, seeds=2), name)
        settings = settings.model_copy(update={"plane_captions": min(settings.plane_captions, 7)})
        for kind in ("in memory", "streamed") if settings.plane_captions else ("streamed",):
            splits = (
                [shared(pairs(100, 1), share), shared(pairs(40, 2), share)]
                if kind == "in memory"
                else [Streamed(pairs(100, 1), (32, 80), share), Streamed(pairs(40, 2), (23,), share)]
            )
            trained = train(METHODS[name].loss, *splits, settings, plane=plane, ranks=ranks)
            found[f"{name}, {kind}"] = tuple(
                ({k: v.numpy() for k, v in one.heads.state_dict().items()}, one.history) for one in trained
            )
    return found


def test_two_ranks_train_the_heads_that_one_process_trains():
    first, second = on_ranks(heads_of, 2)
    alone = heads_of(None)
    assert alone.keys() == first.keys()
    for name, expected in alone.items():
        for ours, others, (weights, history) in zip(first[name], second[name], expected, strict=True):
            assert ours[1] == others[1]  # all ranks know the same
            assert ours[1][0].train_loss == pytest.approx(history[0].train_loss, abs=1e-5)
            assert ours[1][0].validation_loss == pytest.approx(history[0].validation_loss, abs=1e-5)
            for part, theirs in weights.items():
                np.testing.assert_allclose(ours[0][part], theirs, rtol=0, atol=1e-5)
                np.testing.assert_array_equal(ours[0][part], others[0][part])


def failing(ranks: Ranks, how: str) -> None:
    """Two of three ranks wait for one that will not come."""
    torch.set_num_threads(1)
    if ranks.share.number == 1 and how == "raises":
        raise ValueError("labels must be finite")
    if ranks.share.number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    ranks.sum(torch.zeros(4))


def test_an_error_on_one_rank_ends_all_and_is_told_once():
    assert on_ranks(failing, 3, "raises") == [1, (ValueError, "labels must be finite"), 1]


def test_a_rank_that_is_killed_ends_all_and_is_told_of_once():
    first, killed, third = on_ranks(failing, 3, "is killed")
    assert killed is None
    (told,) = [answer for answer in (first, third) if answer != 1]
    assert told[0] is UnansweredError
    beginning = "every rank must answer, but one has ended: look at what its own log says ("
    assert told[1].startswith(beginning)
    assert re.search(r"Connection (reset|closed) by peer( \[127\.0\.0\.1\]:\d+)?\)$|[Bb]roken pipe", told[1])
    assert "pytorch" not in told[1]


def test_a_rank_that_is_silent_is_told_of_by_how_long(monkeypatch):
    def times_out(*_, **__):
        raise RuntimeError("[/__w/gloo/unbound_buffer.cc:78] Timed out waiting 0ms for recv")

    monkeypatch.setattr("pipeline.training.ranks.SECONDS_TO_ANSWER", 0.0)
    monkeypatch.setattr(dist, "all_reduce", times_out)
    with pytest.raises(
        UnansweredError, match=r"one has said nothing for 0 s: .* \(Timed out waiting 0ms for"
    ):
        Ranks(Share(0, 2)).sum(torch.zeros(4))


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (
            "[/__w/pytorch/gloo/transport/tcp/pair.cc:537] Read error [127.0.0.1]:25: reset. GLHF! 🏖️",
            "Read error [127.0.0.1]:25: reset. GLHF!",
        ),
        ("NCCL error in: /__w/torch/NCCL.cpp:94, unhandled\nLast error", "NCCL error in: unhandled"),
        ("Timed out after 4 seconds. 1/2 clients joined.", "Timed out after 4 seconds. 1/2 clients joined."),
    ],
)
def test_what_torch_says_is_told_in_a_plain_line(said, line):
    assert plain(RuntimeError(said)) == line


def unlike(ranks: Ranks) -> None:
    ranks.check_alike("labels", "the same")
    ranks.check_alike("labels", "others" if ranks.share.number == 2 else "the same")


def test_ranks_with_other_labels_are_found_out():
    answers = on_ranks(unlike, 3)
    (told,) = [answer for answer in answers if answer != 1]
    assert told[0] is RuntimeError
    assert "must train on the same labels, found another on 1 rank, the first of them 2" in told[1]


FIRST = {"WORLD_SIZE": "2", "RANK": "0"}


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"RANK": "0"}, "WORLD_SIZE must be a whole number, as torchrun sets it, found none"),
        (
            {"WORLD_SIZE": "2"},
            "RANK must be a whole number below WORLD_SIZE 2, as torchrun sets it, found none",
        ),
        ({"WORLD_SIZE": "2", "RANK": "2"}, "RANK must be a whole number below WORLD_SIZE 2, .* found '2'"),
        (FIRST, "MASTER_PORT must be a whole number, as torchrun sets it, found none"),
        (FIRST | {"MASTER_PORT": "1"}, "MASTER_ADDR must be the first rank's address, .* found none"),
        (
            FIRST | {"MASTER_PORT": "65536", "MASTER_ADDR": "a"},
            "MASTER_PORT must be from 1 to 65535, found 65536",
        ),
    ],
)
def test_a_launcher_that_says_half_is_named(monkeypatch, told, message):
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=message), launched_ranks():
        pass


@pytest.fixture
def first(monkeypatch):
    """This process as the first of two ranks."""
    for name, value in (FIRST | {"MASTER_ADDR": "nosuch.host", "MASTER_PORT": "1"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TORCH_CPP_LOG_LEVEL", "FATAL")


@pytest.mark.usefixtures("first")
def test_an_address_that_nobody_knows_is_an_error_at_once(monkeypatch):
    def unknown(*_):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    message = "2 ranks must find each other at nosuch.host:1, they did not: no machine is known by the name"
    with pytest.raises(RuntimeError, match=message), launched_ranks():
        pass


@pytest.mark.usefixtures("first")
def test_a_sigterm_ends_the_wait_for_other_ranks(monkeypatch):
    def waits(*_):
        os.kill(os.getpid(), signal.SIGTERM)
        Event().wait()
        yield

    monkeypatch.setattr(launched, "_met", waits)
    with pytest.raises(Terminated), unwinding_on_sigterm(), launched_ranks():
        pass


@pytest.mark.parametrize("told", [{}, {"WORLD_SIZE": "1", "RANK": "0"}])
def test_one_process_is_no_rank(monkeypatch, told):
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    with launched_ranks() as ranks:
        assert ranks is None


def test_more_ranks_than_a_batch_has_rows_are_refused():
    ranks = Ranks(Share(0, 17))
    with pytest.raises(ValueError, match="at least as many as train together, 17 ranks, found 16"):
        train("rank-n-contrast", pairs(64, 1), pairs(32, 2), with_settings(), ranks=ranks)


@given(count=st.integers(0, 200), shares=st.integers(1, 40))
def test_shares_are_all_rows_each_once_and_even(count, shares):
    rows = [range(count)[Share(number, shares).rows(count)] for number in range(shares)]
    assert [row for of_one in rows for row in of_one] == list(range(count))
    assert max(map(len, rows)) - min(map(len, rows)) <= 1


@pytest.mark.parametrize("by_emotion", [False, True])
def test_one_way_of_a_contrast_is_half_of_both(by_emotion):
    rng = torch.Generator().manual_seed(0)
    similarity = torch.randn(2, 6, 6, generator=rng, dtype=torch.float64)
    labels = torch.randint(0, 3, (2, 6), generator=rng) if by_emotion else torch.arange(6).expand(2, 6)
    both = supervised_contrastive(similarity, labels) if by_emotion else symmetric_cross_entropy(similarity)
    ways = [one_way_contrast(way, labels, labels) for way in (similarity, similarity.mT)]
    assert_close((ways[0] + ways[1]) / 2, both)
    parts = [
        one_way_contrast(similarity[:, rows], labels[:, rows], labels) for rows in ([0, 1], [2, 3, 4, 5])
    ]
    assert_close(parts[0] * 2 / 6 + parts[1] * 4 / 6, ways[0])
