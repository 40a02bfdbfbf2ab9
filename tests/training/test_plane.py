"""Captions of no clip in training: the rectangular loss, what is drawn, and who learns from them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pipeline.features import PlaneTexts
from pipeline.training.density import LabelDensity
from pipeline.training.loop import train
from pipeline.training.objectives import RankNContrast
from pipeline.training.plane import Plane, filling_shares
from tests.tensors import assert_close
from tests.training.test_loop import pairs, trained_alone, with_settings

RANKED = with_settings(epochs=3, directions="both", plane_captions=8)


def plane_texts(draws: int = 2, seed: int = 5) -> PlaneTexts:
    """Captions of a grid over 0.5..7, in the world of `pairs`."""
    steps = np.arange(0.5, 7.1, 0.5)
    labels = np.stack(np.meshgrid(steps, steps, indexing="ij"), -1).reshape(-1, 2).repeat(draws, 0)
    world = np.random.default_rng(99)
    world.standard_normal((2, 24))
    features = (labels - 4) / 2 @ world.standard_normal((2, 20))
    noise = np.random.default_rng(seed).standard_normal(features.shape)
    return PlaneTexts((features + 0.3 * noise).astype(np.float32), labels)


def one_way(similarity, anchors, candidates, anchor_weight, candidate_weight, *, equal: bool) -> float:
    """The mean over all i, j of w_i v_j times equation 3's term."""
    mine, theirs = (np.rint(np.asarray(of) * 2520).astype(int) for of in (anchors, candidates))
    total = 0.0
    for i in range(len(mine)):
        distance = [int(((mine[i] - other) ** 2).sum()) for other in theirs]
        for j in range(len(theirs)):
            held = [k for k, d in enumerate(distance) if d > distance[j] or (equal and d == distance[j])]
            if held:
                mass = sum(math.exp(similarity[i, k]) for k in held)
                total += anchor_weight[i] * candidate_weight[j] * (math.log(mass) - similarity[i, j])
    return total / similarity.size


@pytest.mark.parametrize("ranked_ahead", [512, 4])
@pytest.mark.parametrize("candidates", ["farther", "farther-or-equal"])
@pytest.mark.parametrize("weights", ["equal", "inverse-density"])
@pytest.mark.parametrize("directions", ["speech-to-text", "both"])
def test_the_loss_with_the_plane_is_equation_3_over_all_captions(
    ranked_ahead, candidates, weights, directions, monkeypatch
):
    monkeypatch.setattr(RankNContrast, "RANKED_AHEAD", ranked_ahead)
    rng = np.random.default_rng(3)
    labels, plane = rng.integers(2, 13, (2, 6, 2)) / 2, rng.integers(1, 15, (2, 4, 2)) / 2
    similarity = rng.standard_normal((2, 6, 10)) * 3
    density = LabelDensity(labels.reshape(-1, 2))
    settings = with_settings(candidates=candidates, directions=directions, plane_captions=4, plane_weight=0.5)
    objective = RankNContrast(settings, density if weights == "inverse-density" else None)
    targets = objective.targets(
        torch.from_numpy(labels), torch.zeros(2, 6, dtype=torch.long), torch.from_numpy(plane)
    )
    found = objective.loss(torch.from_numpy(similarity), targets).numpy()
    for batch in range(2):
        texts = np.concatenate([labels[batch], plane[batch]])
        mine = np.ones(6)
        if weights == "inverse-density":
            mine = density.weights(torch.from_numpy(labels[batch])).numpy()
        equal = candidates == "farther-or-equal"
        of_texts = np.array([1.0] * 6 + [0.5] * 4)
        expected = one_way(similarity[batch], labels[batch], texts, mine, of_texts, equal=equal)
        if directions == "both":
            anchors = np.concatenate([mine, np.full(4, 0.5)])
            back = one_way(similarity[batch].T, texts, labels[batch], anchors, np.ones(6), equal=equal)
            expected = (expected + back) / 2
        np.testing.assert_allclose(found[batch], expected, rtol=1e-9)


@pytest.mark.parametrize("ranked_ahead", [512, 4])
def test_the_gradient_of_the_rectangular_loss_is_that_of_its_value(ranked_ahead, monkeypatch):
    monkeypatch.setattr(RankNContrast, "RANKED_AHEAD", ranked_ahead)
    rng = np.random.default_rng(0)
    labels, plane = (torch.from_numpy(rng.integers(2, 13, (count, 2)) / 2) for count in (5, 3))
    objective = RankNContrast(with_settings(directions="both", plane_captions=3))
    targets = objective.targets(labels, torch.zeros(5, dtype=torch.long), plane)
    similarity = torch.from_numpy(rng.standard_normal((5, 8))).requires_grad_()
    assert torch.autograd.gradcheck(lambda s: objective.loss(s, targets), similarity)


def test_a_batch_draws_no_caption_twice_and_all_are_drawn_alike():
    plane = Plane(plane_texts(), pairs(50, 1).labels, with_settings(plane_captions=40))
    drawn = plane.draw(2000, torch.Generator().manual_seed(0))
    assert drawn.shape == (2000, 40)
    assert all(len(set(row)) == 40 for row in drawn[:50].tolist())
    counts = torch.bincount(drawn.flatten(), minlength=392)
    assert counts.min() > 0.6 * counts.max()
    assert torch.equal(plane.fixed(7), plane.fixed(7))


def test_filling_draws_what_the_corpus_lacks():
    middle = np.random.default_rng(0).normal(4, 0.8, (4000, 2)).clip(1, 7)
    texts = plane_texts()
    shares = filling_shares(middle, texts.labels, 64, 64)
    filled = Plane(texts, middle, with_settings(batch_size=64, plane_captions=64, plane_drawn="filling"))
    drawn = texts.labels[filled.draw(500, torch.Generator().manual_seed(0)).numpy().ravel()]
    rows = np.random.default_rng(1).integers(len(middle), size=(500 * 64))
    together = np.concatenate([middle[rows], drawn])
    alike = np.random.default_rng(2).integers(len(texts), size=len(drawn))
    evenly = np.concatenate([middle[rows], texts.labels[alike]])

    def unevenness(labels: np.ndarray) -> float:
        counts, _, _ = np.histogram2d(*labels.T, bins=7, range=[[0.25, 7.25]] * 2)
        return float(counts.std() / counts.mean())

    assert unevenness(together) < 0.85 * unevenness(evenly)
    assert shares.min() > 0
    at = {tuple(label): share for label, share in zip(texts.labels.tolist(), shares, strict=True)}
    assert at[0.5, 7.0] > 20 * at[4.0, 4.0]


@pytest.mark.parametrize("seeds_a_stack", [1, 3])
def test_seeds_with_the_plane_come_to_what_each_comes_to_alone(seeds_a_stack):
    settings = RANKED.model_copy(update={"seed": 4, "seeds": 3})
    splits, plane = (pairs(100, 1), pairs(40, 2)), plane_texts()
    for one in train("rank-n-contrast", *splits, settings, plane=plane, seeds_a_stack=seeds_a_stack):
        alone_settings = settings.model_copy(update={"seed": one.seed, "seeds": 1})
        alone = trained_alone("rank-n-contrast", *splits, alone_settings, plane=plane)
        for name, tensor in one.heads.state_dict().items():
            assert_close(tensor, alone.heads.state_dict()[name], rtol=1e-5, atol=1e-6)


def test_the_plane_teaches_the_corners_that_no_clip_has():
    rng = np.random.default_rng(0)

    def around_the_middle(seed: int, count: int):
        found = pairs(6 * count, seed)
        near = np.flatnonzero(np.abs(found.labels - 4).max(1) < 1.2)[:count]
        return type(found)(
            [found.ids[i] for i in near], found.speech[near], found.text[near], found.labels[near],
            [found.emotions[i] for i in near],
        )  # fmt: skip

    splits = around_the_middle(1, 300), around_the_middle(2, 60)
    settings = with_settings(epochs=6, directions="both", plane_captions=0)
    without = trained_alone("rank-n-contrast", *splits, settings)
    with_plane = trained_alone(
        "rank-n-contrast", *splits, settings.model_copy(update={"plane_captions": 32}), plane=plane_texts()
    )
    corners, far = plane_texts(seed=9), pairs(600, 7)
    queries = rng.permutation(len(corners))[:100]

    def order_kept(heads) -> float:
        found = heads.text_embeddings(corners.text[queries]) @ heads.speech_embeddings(far.speech).T
        best = far.labels[found.argmax(1)]
        return float(np.mean([np.corrcoef(best[:, a], corners.labels[queries, a])[0, 1] for a in (0, 1)]))

    assert order_kept(with_plane.heads) > order_kept(without.heads)


def test_without_captions_of_the_plane_it_changes_nothing():
    splits, settings = (pairs(64, 1), pairs(32, 2)), with_settings(epochs=2)
    one, other = (
        trained_alone("rank-n-contrast", *splits, settings, plane=plane) for plane in (None, plane_texts())
    )
    assert one.history == other.history


def test_a_loss_that_ranks_nothing_has_no_use_for_the_plane():
    splits, settings = (pairs(64, 1), pairs(32, 2)), with_settings(epochs=2, plane_captions=8)
    one, other = (
        trained_alone("symmetric-cross-entropy", *splits, settings, plane=plane)
        for plane in (None, plane_texts())
    )
    assert one.history == other.history


@pytest.mark.parametrize("temperature", [0.3, 0.1])
def test_equal_bounds_fix_the_temperature(temperature):
    settings = RANKED.model_copy(update={"temperature": temperature, "temperature_bounds": [temperature] * 2})
    trained = trained_alone("rank-n-contrast", pairs(64, 1), pairs(32, 2), settings, plane=plane_texts())
    assert {round(epoch.temperature, 5) for epoch in trained.history} == {temperature}


def test_captions_that_are_not_there_are_asked_for_in_one_line():
    splits = pairs(64, 1), pairs(32, 2)
    with pytest.raises(
        ValueError, match=r"train\.plane_captions must have captions to draw from, found no plane"
    ):
        train("rank-n-contrast", *splits, RANKED)
    few = PlaneTexts(plane_texts().text[:7], plane_texts().labels[:7])
    with pytest.raises(ValueError, match=r"as a batch takes, 8, found 7: name a method"):
        train("rank-n-contrast", *splits, RANKED, plane=few)
