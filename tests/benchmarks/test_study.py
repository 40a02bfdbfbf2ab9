"""The simulated worlds have the moments that they claim, and the study's losses are the library's."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.training.criterion import Criterion
from pipeline.training.density import LabelDensity
from pipeline.training.losses import rank_n_contrast, squared_label_distance
from pipeline.training.objectives import objective_of
from pipeline.training.stacked import Compared
from tests.imports import ROOT
from tests.tensors import assert_close

sys.path.insert(0, str(ROOT / "benchmarks"))

import study
from plus_study import results
from plus_study.by_library import library_settings
from plus_study.candidates import CANDIDATES, PAPER, Candidate
from plus_study.drawing import Drawing
from plus_study.heads import Rows, StackedHeads
from plus_study.losses import batch_loss, rank_n_contrast as rank_n_contrast_of_ranks, rank_pairs
from worlds.kinds import KINDS
from worlds.labels import PUBLISHED, listen
from worlds.speech import CONCORDANCE, probe
from worlds.text import words, write_bank
from worlds.world import Sizes, World, simulate

SIZES = Sizes({"train": 6000, "development": 500, "test1": 3000}, speech=96, text=64, prompt_lists=2)


@pytest.fixture(scope="module")
def encoded(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("encoded")


@pytest.fixture(scope="module")
def worlds(encoded) -> list[World]:
    return [simulate(seed, SIZES, words, encoded) for seed in (3, 4)]


def test_labels_have_the_published_moments(worlds):
    for world in worlds:
        for name in ("train", "test1"):
            labels, asked = world.splits[name].pairs.labels, PUBLISHED[name]
            means, deviations = zip(asked.valence, asked.arousal, strict=True)
            np.testing.assert_allclose(labels.mean(axis=0), means, atol=0.06)
            np.testing.assert_allclose(labels.std(axis=0), deviations, atol=0.05)
            assert np.corrcoef(labels.T)[0, 1] == pytest.approx(asked.correlation, abs=0.05)
            assert labels.min() >= 1
            assert labels.max() <= 7


def test_labels_tie_as_those_of_msp_podcast():
    split = listen(28_601, PUBLISHED["train"], np.ones(2), np.random.default_rng(0))
    assert len(np.unique(split.labels.round(6), axis=0)) == pytest.approx(4449, rel=0.1)


def test_a_probe_of_the_speech_reaches_the_published_concordance(worlds):
    for world in worlds:
        training, test = world.splits["train"].pairs, world.splits["test1"].pairs
        found = probe(training.speech, training.labels, test.speech, test.labels)
        np.testing.assert_allclose(found, CONCORDANCE, atol=0.03)


def test_a_seed_gives_the_same_world_and_another_seed_another(worlds, tmp_path):
    again = simulate(3, SIZES, words, tmp_path)
    first, other = worlds
    np.testing.assert_array_equal(first.splits["test1"].pairs.speech, again.splits["test1"].pairs.speech)
    np.testing.assert_array_equal(first.splits["train"].pairs.text, again.splits["train"].pairs.text)
    assert np.abs(first.prompt_features - other.prompt_features).max() > 0.1


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "plain"])
def test_a_world_of_every_kind_can_be_drawn(kind, encoded):
    sizes = Sizes({"train": 400, "development": 100, "test1": 200}, speech=24, text=16, prompt_lists=1)
    world = simulate(5, sizes, words, encoded, kind=kind)
    plane, labels = world.plane
    assert len(plane) == len(labels) == 27 * 27 * 4
    assert (labels.min(), labels.max()) == (0.5, 7.0)
    assert plane.shape[1] == world.prompt_features.shape[1] == (512 if kind == "raw text" else 16)
    assert all(np.isfinite(split.pairs.speech).all() for split in world.splits.values())


def test_prompts_are_no_captions(worlds):
    captions = set(write_bank())
    for world in worlds:
        assert len(world.prompts) == 2 * 2 * 14
        assert not {prompt.text for prompt in world.prompts} & captions


def batch(world: World, count: int, candidate: Candidate = PAPER) -> tuple[Rows, StackedHeads]:
    rows = Rows.of([world], "development")
    heads = StackedHeads(candidate, rows, torch.tensor([0]), [0], 16)
    return rows.take(torch.arange(count)[None]), heads


@pytest.mark.parametrize("equal", [False, True])
def test_the_studys_rank_n_contrast_is_the_librarys(worlds, equal):
    rows, _ = batch(worlds[0], 40)
    similarity = 3 * torch.randn(1, 40, 40, generator=torch.Generator().manual_seed(0))
    rank, _ = rank_pairs(rows.labels, PAPER, rows.disagreement)
    distance = squared_label_distance(rows.labels[0, :, :2], rows.labels[0, :, :2])
    expected = rank_n_contrast(similarity[0], distance, candidates="farther-or-equal" if equal else "farther")
    found = rank_n_contrast_of_ranks(similarity, rank, equal=equal).mean()
    assert_close(found, expected, rtol=1e-4, atol=1e-5)


BY_LIBRARY = [
    "emotionrankclap",
    "clap-sce",
    "linear, density 1",
    "plane 64",
    "plane 64, weight 0.5",
    "plane 64, equal",
    "fixed, filling, calibrated 1, gap 1",
]


@pytest.mark.parametrize("candidate", BY_LIBRARY)
def test_what_the_library_trains_is_what_the_study_would(worlds, candidate):
    asked = CANDIDATES[candidate]
    loss, settings = library_settings(asked, study.STAGES["plane"])
    density = LabelDensity(worlds[0].splits["development"].pairs.labels)  # as the study's, of its own split
    rows, heads = batch(worlds[0], 40, asked)
    beside = Drawing(asked, worlds[:1], [0], [0]).beside(rows) if asked.plane else None
    found = batch_loss(heads, rows, asked, beside)
    text, plane = heads.embed("text", rows.text), None
    if beside is not None:
        text, plane = torch.cat([text, heads.embed("text", beside.text)], 1), beside.text_labels[..., :2]
    criterion = Criterion(objective_of(loss, settings, density), settings)
    targets = criterion.targets(rows.labels[..., :2], torch.zeros(1, 40, dtype=torch.long), plane)
    speech = heads.embed("speech", rows.speech)
    cosine = speech @ text.mT
    expected = criterion.loss(Compared(speech, text, cosine, cosine / asked.temperature), targets)
    assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert settings.relu is (asked.head == "relu")


def test_what_the_library_cannot_train_the_study_does():
    stage = study.STAGES["plane"]
    for name in (
        "fixed, centred",
        "fixed, halves",
        "fixed, linear, Monge",
        "both, soft 1",
        "plane 64, temperature 1 to 0.3",
    ):
        assert library_settings(CANDIDATES[name], stage) is None
    _, settings = library_settings(CANDIDATES["plane 64, filling, temperature 0.3 fixed"], stage)
    assert settings.temperature_bounds == [0.3, 0.3]
    assert (settings.plane_captions, settings.plane_drawn, settings.directions) == (64, "filling", "both")


def test_every_candidate_of_the_study_has_finite_gradients(worlds):
    for candidate in CANDIDATES.values():
        rows, heads = batch(worlds[0], 40, candidate)
        beside = None
        if candidate.plane or candidate.mixed:
            beside = Drawing(candidate, worlds[:1], [0], [0]).beside(rows)
        loss = batch_loss(heads, rows, candidate, beside)
        loss.sum().backward()
        gradients = [p.grad for p in heads.parameters() if p.grad is not None]
        assert gradients
        assert all(bool(gradient.isfinite().all()) for gradient in gradients), candidate


def test_a_stage_can_be_run_and_read_again(tmp_path, monkeypatch, worlds):
    monkeypatch.setattr(results, "RESULTS", tmp_path / "study.jsonl")
    monkeypatch.setattr(study, "simulate", lambda seed, sizes, encode, kind: replace(worlds[seed], seed=seed))
    stage = replace(study.STAGES["compare"], worlds=(0, 1), seeds=(0, 1), embedding=16, epochs=1)
    monkeypatch.setitem(study.STAGES, "compare", stage)
    study.run_stage("compare", ["clap-sce"], "words")
    rows = results.read_results()
    assert [(row["world"], row["seed"]) for row in rows] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert all(-1 <= row["aoc"] <= 1 and row["w1"] >= 0 for row in rows)
