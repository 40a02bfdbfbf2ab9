"""The simulated worlds have the moments that they claim, and the study's losses are the library's."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from pipeline.config import load_params
from pipeline.methods import METHODS, settings_of
from pipeline.training.density import LabelDensity
from pipeline.training.losses import rank_n_contrast, squared_label_distance
from pipeline.training.objectives import objective_of
from tests.imports import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))

import study
from plus_study import results
from plus_study.candidates import CANDIDATES, PAPER, WINNER, Candidate
from plus_study.heads import Rows, StackedHeads
from plus_study.losses import batch_loss, rank_n_contrast as rank_n_contrast_of_ranks, rank_pairs
from worlds.labels import PUBLISHED, listen
from worlds.speech import CONCORDANCE, probe
from worlds.text import words, write_bank
from worlds.world import Sizes, World, simulate

SIZES = Sizes({"train": 6000, "development": 500, "test1": 3000}, speech=96, text=64, prompt_lists=2)


@pytest.fixture(scope="module")
def worlds(tmp_path_factory) -> list[World]:
    folder = tmp_path_factory.mktemp("encoded")
    return [simulate(seed, SIZES, words, folder) for seed in (3, 4)]


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
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_the_winner_and_both_baselines_are_the_librarys_methods(worlds):
    train = load_params(ROOT / "params.yaml").train
    names = {
        "emotionrankclap": "emotionrankclap",
        "clap-sce": "clap-sce",
        WINNER: "emotionrankclap-plus",
    }
    density = LabelDensity(worlds[0].splits["development"].pairs.labels)  # as the study's, of its own split
    for candidate, name in names.items():
        rows, heads = batch(worlds[0], 40, CANDIDATES[candidate])
        found = batch_loss(heads, rows, CANDIDATES[candidate])
        assert METHODS[name].overrides.get("relu", True) is (CANDIDATES[candidate].head == "relu")
        similarity = heads.embed("speech", rows.speech) @ heads.embed("text", rows.text).mT
        objective = objective_of(METHODS[name].loss, settings_of(train, name), density)
        targets = objective.targets(rows.labels[..., :2], torch.zeros(1, 40, dtype=torch.long))
        torch.testing.assert_close(found, objective.loss(similarity, targets), rtol=1e-4, atol=1e-5)


def test_every_candidate_of_the_study_has_finite_gradients(worlds):
    for candidate in CANDIDATES.values():
        rows = Rows.of([worlds[0]], "development")
        heads = StackedHeads(candidate, rows, torch.tensor([0]), [0], 16)
        loss = batch_loss(heads, rows.take(torch.arange(40)[None]), candidate)
        loss.sum().backward()
        gradients = [p.grad for p in heads.parameters() if p.grad is not None]
        assert gradients
        assert all(bool(gradient.isfinite().all()) for gradient in gradients), candidate


def test_a_stage_can_be_run_and_read_again(tmp_path, monkeypatch, worlds):
    monkeypatch.setattr(results, "RESULTS", tmp_path / "study.jsonl")
    monkeypatch.setattr(study, "simulate", lambda seed, sizes, encode, kind: worlds[seed])
    stage = replace(study.STAGES["compare"], worlds=(0, 1), seeds=(0, 1), embedding=16, epochs=1)
    monkeypatch.setitem(study.STAGES, "compare", stage)
    study.run_stage("compare", ["clap-sce"], "words")
    rows = results.read_results()
    assert [(row["world"], row["seed"]) for row in rows] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert all(-1 <= row["aoc"] <= 1 and row["w1"] >= 0 for row in rows)
