"""Training: it learns, it is reproducible, it keeps the best epoch, and it refuses what cannot be trained on."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pipeline.config import Train
from pipeline.heads import ProjectionHeads, load_heads, read_config, save_heads
from pipeline.methods import METHODS
from pipeline.pairs import Pairs
from pipeline.training import train

SETTINGS = Train(
    methods=["emotionrankclap"],
    seed=0,
    epochs=8,
    batch_size=16,
    learning_rate=0.003,
    embedding_size=32,
    temperature=1.0,
    candidates="farther",
    directions="speech-to-text",
)

LOSSES = sorted({m.loss for m in METHODS.values() if m.loss})


def pairs(count: int, seed: int) -> Pairs:
    """Features that carry valence and arousal linearly, with noise."""
    world = np.random.default_rng(99)
    speech_map, text_map = world.standard_normal((2, 24)), world.standard_normal((2, 20))
    rng = np.random.default_rng(seed)
    labels = np.round(rng.uniform(1, 7, (count, 2)), 1)
    centred = (labels - 4) / 2

    def features(mixing: np.ndarray) -> np.ndarray:
        return (centred @ mixing + 0.3 * rng.standard_normal((count, mixing.shape[1]))).astype(np.float32)

    emotions = ["H" if v > 4 else "S" for v in labels[:, 0]]
    return Pairs([f"u{i}" for i in range(count)], features(speech_map), features(text_map), labels, emotions)


def with_settings(**changes) -> Train:
    return SETTINGS.model_copy(update=changes)


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_falls_on_data_that_can_be_learnt(loss):
    trained = train(loss, pairs(200, 1), pairs(60, 2), SETTINGS)
    assert len(trained.history) == 8
    assert trained.history[-1].validation_loss < trained.history[0].validation_loss
    assert trained.history[-1].train_loss < trained.history[0].train_loss


def test_the_epoch_with_the_lowest_validation_loss_is_kept():
    # At this rate the loss goes up and down, so that the best epoch is not the last.
    settings = with_settings(learning_rate=0.3, epochs=12)
    trained = train("symmetric-cross-entropy", pairs(64, 1), pairs(32, 2), settings)
    lowest = min(trained.history, key=lambda epoch: epoch.validation_loss)
    assert trained.best == lowest
    assert lowest.epoch < 12
    shorter = train(
        "symmetric-cross-entropy",
        pairs(64, 1),
        pairs(32, 2),
        with_settings(learning_rate=0.3, epochs=lowest.epoch),
    )
    for name, tensor in trained.heads.state_dict().items():
        assert torch.equal(tensor, shorter.heads.state_dict()[name])


def test_a_seed_gives_the_same_heads_and_another_seed_others():
    first, again, other = (
        train("rank-n-contrast", pairs(64, 1), pairs(32, 2), with_settings(seed=seed, epochs=2))
        for seed in (0, 0, 1)
    )
    assert first.history == again.history
    assert torch.equal(first.heads.speech[0].weight, again.heads.speech[0].weight)
    assert not torch.equal(first.heads.speech[0].weight, other.heads.speech[0].weight)


def test_candidates_and_directions_change_what_is_learnt():
    histories = {
        (candidates, directions): train(
            "rank-n-contrast",
            pairs(64, 1),
            pairs(32, 2),
            with_settings(candidates=candidates, directions=directions, epochs=1),
        )
        .history[0]
        .train_loss
        for candidates in ("farther", "farther-or-equal")
        for directions in ("speech-to-text", "both")
    }
    assert len(set(histories.values())) == 4


def test_untrained_heads_are_those_that_training_begins_with():
    untrained = train(None, pairs(64, 1), pairs(32, 2), SETTINGS)
    assert untrained.history == []
    assert untrained.best is None
    barely = train(
        "rank-n-contrast", pairs(64, 1), pairs(32, 2), with_settings(learning_rate=1e-12, epochs=1)
    )
    for name, tensor in untrained.heads.state_dict().items():
        assert torch.allclose(tensor, barely.heads.state_dict()[name], atol=1e-8)


@pytest.mark.parametrize(("training", "development", "name"), [(15, 32, "training"), (32, 15, "development")])
def test_a_split_smaller_than_a_batch_is_refused(training, development, name):
    with pytest.raises(
        ValueError, match=f"the {name} split must have .* found 15 rows and train.batch_size 16"
    ):
        train("rank-n-contrast", pairs(training, 1), pairs(development, 2), SETTINGS)


def test_a_temperature_at_its_bound_still_learns():
    settings = with_settings(temperature=0.01, learning_rate=0.05, epochs=1)
    first = train("rank-n-contrast", pairs(64, 1), pairs(32, 2), settings).heads
    assert float(first.temperature.detach()) >= 0.01
    heads = ProjectionHeads(4, 4, 4, temperature=0.01)
    heads(torch.randn(4, 4), torch.randn(4, 4)).sum().backward()
    assert heads.log_temperature.grad is not None
    assert float(heads.log_temperature.grad) != 0


def test_a_diverging_loss_ends_training_with_one_line():
    with pytest.raises(
        RuntimeError, match="the loss must stay finite, .* in epoch .*lower train.learning_rate"
    ):
        train("symmetric-cross-entropy", pairs(64, 1), pairs(32, 2), with_settings(learning_rate=1e38))


def test_contrasting_emotions_needs_emotions():
    lacking = pairs(32, 1)
    lacking.emotions[3] = None
    with pytest.raises(ValueError, match="needs every utterance's emotion, found none for 1 of 64"):
        train("supervised-contrastive", lacking, pairs(32, 2), SETTINGS)
    train("rank-n-contrast", lacking, pairs(32, 2), with_settings(epochs=1))


def test_heads_give_unit_embeddings_and_the_temperature_keeps_its_bounds():
    heads = ProjectionHeads(24, 20, 32)
    assert torch.allclose(heads.embed_speech(torch.randn(5, 24)).norm(dim=1), torch.ones(5), atol=1e-6)
    assert heads(torch.randn(5, 24), torch.randn(3, 20)).shape == (5, 3)
    for value, used in ((-99.0, 0.01), (99.0, 100.0), (0.0, 1.0)):
        heads.log_temperature.data.fill_(value)
        heads.bound_temperature()
        assert float(heads.temperature.detach()) == pytest.approx(used)


def test_heads_come_back_from_their_folder(tmp_path):
    heads = ProjectionHeads(24, 20, 32, temperature=0.5)
    save_heads(heads, tmp_path, {"method": "emotionrankclap"})
    loaded = load_heads(tmp_path)
    assert read_config(tmp_path)["method"] == "emotionrankclap"
    for name, tensor in heads.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name])


@pytest.mark.parametrize("damage", ["absent", "no config", "truncated", "other sizes", "not finite"])
def test_heads_that_are_not_whole_are_named(tmp_path, damage):
    save_heads(ProjectionHeads(24, 20, 32), tmp_path, {})
    weights = tmp_path / "heads.safetensors"
    if damage == "absent":
        weights.unlink()
    if damage == "no config":
        (tmp_path / "config.json").unlink()
    if damage == "truncated":
        weights.write_bytes(weights.read_bytes()[:100])
    if damage == "not finite":
        heads = ProjectionHeads(24, 20, 32)
        heads.text[0].bias.data[0] = float("nan")
        save_heads(heads, tmp_path, {})
    if damage == "other sizes":
        save_heads(ProjectionHeads(24, 20, 16), tmp_path / "other", {})
        weights.write_bytes((tmp_path / "other" / "heads.safetensors").read_bytes())
    with pytest.raises(RuntimeError, match="run `erclap train`") as error:
        load_heads(tmp_path)
    assert "\n" not in str(error.value)
