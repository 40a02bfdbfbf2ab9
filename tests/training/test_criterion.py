"""What stands beside a rank loss: cosines that follow the distance of labels, and means that meet."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pipeline.training.criterion import Criterion, squared_gap, wanted_cosine
from pipeline.training.objectives import RankNContrast
from pipeline.training.stacked import Compared
from tests.tensors import assert_close
from tests.training.test_loop import pairs, trained_alone, with_settings
from tests.training.test_plane import plane_texts


def compared(seed: int, clips: int = 5, texts: int = 8, size: int = 6) -> Compared:
    rng = torch.Generator().manual_seed(seed)
    speech, text = (
        torch.nn.functional.normalize(torch.randn(2, rows, size, generator=rng, dtype=torch.float64), dim=-1)
        for rows in (clips, texts)
    )
    cosine = speech @ text.mT
    return Compared(speech, text, cosine, cosine / 0.3)


def test_equal_labels_want_a_cosine_of_one_and_opposite_corners_none():
    corners = torch.tensor([[0.5, 0.5], [7.0, 7.0], [0.5, 7.0]], dtype=torch.float64)
    expected = torch.tensor([[1, 0, 1 - 0.5**0.5], [0, 1, 1 - 0.5**0.5], [1 - 0.5**0.5, 1 - 0.5**0.5, 1]])
    assert_close(wanted_cosine(corners, corners), expected)


@pytest.mark.parametrize(("calibration", "gap"), [(0.0, 0.0), (2.0, 0.0), (0.0, 3.0), (2.0, 3.0)])
@pytest.mark.parametrize("with_plane", [False, True])
def test_the_criterion_is_the_objective_and_both_terms_by_their_weights(calibration, gap, with_plane):
    rng = np.random.default_rng(0)
    labels, plane = (torch.from_numpy(rng.integers(2, 13, (2, rows, 2)) / 2) for rows in (5, 3))
    plane = plane if with_plane else None
    batch, emotions = compared(1, texts=8 if with_plane else 5), torch.zeros(2, 5, dtype=torch.long)
    settings = with_settings(directions="both", calibration=calibration, gap=gap)
    objective = RankNContrast(settings)
    criterion = Criterion(objective, settings)
    found = criterion.loss(batch, criterion.targets(labels, emotions, plane))
    texts = labels if plane is None else torch.cat([labels, plane], 1)
    for i in range(2):
        errors = []
        for clip in range(5):
            for text in range(texts.shape[1]):
                apart = float((labels[i, clip] - texts[i, text]).square().sum().sqrt())
                errors.append((float(batch.cosine[i, clip, text]) - 1 + apart / (6.5 * 2**0.5)) ** 2)
        apart_means = batch.speech[i].mean(0) - batch.text[i, :5].mean(0)
        ranked = objective.loss(batch.similarity, objective.targets(labels, emotions, plane))[i]
        expected = float(ranked) + calibration * np.mean(errors) + gap * float(apart_means.square().sum())
        assert float(found[i]) == pytest.approx(expected, rel=1e-6)


def test_captions_of_the_plane_do_not_count_in_the_gap():
    batch = compared(2)
    moved = batch.text.clone()
    moved[:, 5:] = 0
    assert torch.equal(squared_gap(batch.speech, batch.text), squared_gap(batch.speech, moved))


def test_training_brings_cosines_and_means_where_they_are_wanted():
    splits, plane = (pairs(200, 1), pairs(60, 2)), plane_texts()
    settings = with_settings(
        learning_rate=0.01, plane_captions=16
    )  # one way and a temperature that falls: clouds part

    def figures(**changes: float) -> tuple[float, float]:
        trained = trained_alone("rank-n-contrast", *splits, settings.model_copy(update=changes), plane=plane)
        speech = torch.from_numpy(trained.heads.speech_embeddings(splits[1].speech))
        text = torch.from_numpy(trained.heads.text_embeddings(splits[1].text))
        labels = torch.from_numpy(splits[1].labels)
        error = (speech @ text.T - wanted_cosine(labels, labels)).square().mean()
        return float(error), float(squared_gap(speech, text))

    error, gap = figures()
    assert figures(calibration=10.0)[0] < 0.7 * error
    assert figures(gap=30.0)[1] < 0.7 * gap


def test_a_loss_that_ranks_nothing_takes_neither_term():
    splits, settings = (pairs(64, 1), pairs(32, 2)), with_settings(epochs=2)
    plain, weighted = (
        trained_alone("symmetric-cross-entropy", *splits, settings.model_copy(update=changes))
        for changes in ({}, {"calibration": 5.0, "gap": 5.0})
    )
    assert plain.history == weighted.history
