"""Training: it learns, it is reproducible, it keeps the best epoch, and it refuses what cannot be trained on."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import asdict

import numpy as np
import pytest
import torch

from pipeline.config import Train
from pipeline.features.pairs import Pairs
from pipeline.methods import METHODS
from pipeline.training.heads import ProjectionHeads, load_heads, read_config, save_heads
from pipeline.training.loop import Trained, _at_once, train
from pipeline.training.losses import (
    rank_n_contrast,
    squared_label_distance,
    supervised_contrastive,
    symmetric_cross_entropy,
)
from pipeline.training.objectives import RankNContrast
from pipeline.training.stacked import StackedHeads
from tests.tensors import assert_close

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


def trained_alone(*args, **options) -> Trained:
    """What the only seed comes to."""
    (only,) = train(*args, **options)
    return only


def with_settings(**changes) -> Train:
    return SETTINGS.model_copy(update=changes)


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_falls_on_data_that_can_be_learnt(loss):
    trained = trained_alone(loss, pairs(200, 1), pairs(60, 2), SETTINGS)
    assert len(trained.history) == 8
    assert trained.history[-1].validation_loss < trained.history[0].validation_loss
    assert trained.history[-1].train_loss < trained.history[0].train_loss


def test_the_epoch_with_the_lowest_validation_loss_is_kept():
    # At this rate the loss goes up and down, so that the best epoch is not the last.
    settings = with_settings(learning_rate=0.3, epochs=12)
    trained = trained_alone("symmetric-cross-entropy", pairs(64, 1), pairs(32, 2), settings)
    lowest = min(trained.history, key=lambda epoch: epoch.validation_loss)
    assert trained.best == lowest
    assert lowest.epoch < 12
    shorter = trained_alone(
        "symmetric-cross-entropy",
        pairs(64, 1),
        pairs(32, 2),
        with_settings(learning_rate=0.3, epochs=lowest.epoch),
    )
    for name, tensor in trained.heads.state_dict().items():
        assert torch.equal(tensor, shorter.heads.state_dict()[name])


def test_a_seed_gives_the_same_heads_and_another_seed_others():
    first, again, other = (
        trained_alone("rank-n-contrast", pairs(64, 1), pairs(32, 2), with_settings(seed=seed, epochs=2))
        for seed in (0, 0, 1)
    )
    assert first.history == again.history
    assert torch.equal(first.heads.speech[0].weight, again.heads.speech[0].weight)
    assert not torch.equal(first.heads.speech[0].weight, other.heads.speech[0].weight)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("seeds_a_stack", [1, 2, 3])
def test_seeds_trained_together_come_to_what_each_comes_to_alone(loss, seeds_a_stack):
    settings = with_settings(seed=4, seeds=3, epochs=6, learning_rate=0.02, directions="both")
    splits = pairs(200, 1), pairs(60, 2)
    together = train(loss, *splits, settings, seeds_a_stack=seeds_a_stack)
    assert [one.seed for one in together] == [4, 5, 6]
    for one in together:
        alone = trained_alone(
            loss, *splits, with_settings(**settings.model_dump() | {"seed": one.seed, "seeds": 1})
        )
        assert one.best.epoch == alone.best.epoch
        for ours, theirs in zip(one.history, alone.history, strict=True):
            assert asdict(ours) == pytest.approx(asdict(theirs), rel=1e-4)
        for name, tensor in one.heads.state_dict().items():
            assert_close(tensor, alone.heads.state_dict()[name], rtol=1e-3, atol=1e-4)
    assert len({one.history[0].train_loss for one in together}) == 3


def plainly_trained(loss, training, development, settings) -> list[dict[str, float]]:
    """Training as torch's own modules, autograd and a loop over single batches do it."""

    def value(split, rows):
        rows = rows.tolist()
        similarity = heads(torch.from_numpy(split.speech[rows]), torch.from_numpy(split.text[rows]))
        if loss == "symmetric-cross-entropy":
            return symmetric_cross_entropy(similarity)
        if loss == "supervised-contrastive":
            return supervised_contrastive(
                similarity, torch.tensor([split.emotions[i] == "H" for i in rows]).int()
            )
        labels = torch.from_numpy(split.labels[rows])
        return rank_n_contrast(
            similarity, squared_label_distance(labels, labels), candidates=settings.candidates
        )

    torch.manual_seed(settings.seed)
    heads = ProjectionHeads(24, 20, settings.embedding_size)
    shuffle = torch.Generator().manual_seed(settings.seed)
    order = torch.randperm(len(development), generator=torch.Generator().manual_seed(0))
    held_out = torch.cat([order, order[: -len(order) % 16]]).view(-1, 16)
    optimiser = torch.optim.Adam(heads.parameters(), lr=settings.learning_rate)
    history = []
    for _ in range(settings.epochs):
        batches = torch.randperm(len(training), generator=shuffle)[: len(training) // 16 * 16].view(-1, 16)
        losses = []
        for rows in batches:
            optimiser.zero_grad()
            losses.append(value(training, rows))
            losses[-1].backward()
            optimiser.step()
            heads.bound_temperature()
        with torch.no_grad():
            validation = torch.stack([value(development, rows) for rows in held_out]).mean().item()
        train_loss = torch.stack(losses).mean().item()
        history.append(
            {"train_loss": train_loss, "validation_loss": validation, "temperature": heads.temperature.item()}
        )
    return history


@pytest.mark.parametrize("loss", LOSSES)
def test_training_is_what_a_plain_loop_with_autograd_does(loss):
    splits, settings = (pairs(200, 1), pairs(60, 2)), with_settings(epochs=4)
    trained = trained_alone(loss, *splits, settings)
    for ours, theirs in zip(trained.history, plainly_trained(loss, *splits, settings), strict=True):
        assert {k: v for k, v in asdict(ours).items() if k != "epoch"} == pytest.approx(theirs, rel=1e-4)


@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_stacked_heads_have_the_similarities_and_gradients_of_each(dtype, relu):
    apart = [ProjectionHeads(24, 20, 32, temperature=t, relu=relu).to(dtype) for t in (0.1, 1.0, 3.0)]
    stack = StackedHeads(apart)
    generator = torch.Generator().manual_seed(0)
    speech = torch.randn(3, 5, 24, generator=generator, dtype=dtype)
    text = torch.randn(3, 7, 20, generator=generator, dtype=dtype)
    outer = torch.randn(3, 5, 7, generator=generator, dtype=dtype)
    similarity = stack.similarity(speech, text)
    (similarity * outer).sum().backward()
    for seed, heads in enumerate(apart):
        expected = heads(speech[seed], text[seed])
        assert_close(similarity[seed], expected)
        (expected * outer[seed]).sum().backward()
        for name, parameter in heads.named_parameters():
            assert_close(stack.parameters[name].grad[seed], parameter.grad, rtol=1e-4, atol=1e-5)


def test_a_head_that_says_nothing_has_no_gradient_and_spoils_no_other_seed():
    silent, speaking = ProjectionHeads(4, 4, 8), ProjectionHeads(4, 4, 8)
    with torch.no_grad():
        silent.speech[0].weight.zero_()
        silent.speech[0].bias.fill_(-1)
    stack = StackedHeads([silent, speaking])
    features = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(0))
    similarity = stack.similarity(features, features)
    similarity.square().sum().backward()
    assert not similarity[0].any()
    for parameter in stack.parameters.values():
        assert parameter.grad.isfinite().all()
    assert not stack.parameters["speech.0.weight"].grad[0].any()
    assert stack.parameters["speech.0.weight"].grad[1].any()


def test_torch_has_its_threads_again_after_training():
    before = torch.get_num_threads()
    train("rank-n-contrast", pairs(64, 1), pairs(32, 2), with_settings(epochs=1, seeds=2))
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("name", ["cuda", "cuda:1"])
def test_a_gpu_may_be_named_without_its_number(monkeypatch, name):
    # What needs no GPU of it: that stacks are worked on, in order, while the device is the current one.
    entered, done = [], []

    class Current(nullcontext):
        def __init__(self, device: torch.device) -> None:
            super().__init__()
            entered.append(device)

    monkeypatch.setattr(torch.cuda, "device", Current)
    with _at_once([1, 2], torch.device(name)) as at_once:
        at_once(lambda stack, rows: done.append((stack, rows)), "rows")
    assert entered == [torch.device(name)]
    assert done == [(1, "rows"), (2, "rows")]


def test_a_batch_too_large_to_rank_ahead_is_trained_alike(monkeypatch):
    splits, settings = (pairs(64, 1), pairs(32, 2)), with_settings(epochs=2, directions="both")
    ahead = trained_alone("rank-n-contrast", *splits, settings)
    monkeypatch.setattr(RankNContrast, "RANKED_AHEAD", 8)
    as_they_come = trained_alone("rank-n-contrast", *splits, settings)
    for ours, theirs in zip(ahead.history, as_they_come.history, strict=True):
        assert asdict(ours) == pytest.approx(asdict(theirs), rel=1e-5)


def test_candidates_and_directions_change_what_is_learnt():
    histories = {
        (candidates, directions): trained_alone(
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
    untrained = trained_alone(None, pairs(64, 1), pairs(32, 2), SETTINGS)
    assert untrained.history == []
    assert untrained.best is None
    barely = trained_alone(
        "rank-n-contrast", pairs(64, 1), pairs(32, 2), with_settings(learning_rate=1e-12, epochs=1)
    )
    for name, tensor in untrained.heads.state_dict().items():
        assert torch.allclose(tensor, barely.heads.state_dict()[name], atol=1e-8)


@pytest.mark.parametrize(("training", "development", "name"), [(15, 32, "training"), (32, 15, "development")])
def test_a_split_smaller_than_a_batch_is_refused(training, development, name):
    with pytest.raises(
        ValueError, match=f"the {name} split must have .* found 15 rows and train.batch_size 16"
    ):
        trained_alone("rank-n-contrast", pairs(training, 1), pairs(development, 2), SETTINGS)


def test_a_temperature_at_its_bound_still_learns():
    settings = with_settings(temperature=0.01, learning_rate=0.05, epochs=1)
    first = trained_alone("rank-n-contrast", pairs(64, 1), pairs(32, 2), settings).heads
    assert float(first.temperature.detach()) >= 0.01
    heads = ProjectionHeads(4, 4, 4, temperature=0.01)
    heads(torch.randn(4, 4), torch.randn(4, 4)).sum().backward()
    assert heads.log_temperature.grad is not None
    assert float(heads.log_temperature.grad) != 0


def test_a_diverging_loss_ends_training_with_one_line():
    with pytest.raises(
        RuntimeError, match="the loss must stay finite, .* in epoch .*lower train.learning_rate"
    ):
        trained_alone(
            "symmetric-cross-entropy", pairs(64, 1), pairs(32, 2), with_settings(learning_rate=1e38)
        )


def test_contrasting_emotions_needs_emotions():
    lacking = pairs(32, 1)
    lacking.emotions[3] = None
    with pytest.raises(ValueError, match="needs every utterance's emotion, found none for 1 of 64"):
        trained_alone("supervised-contrastive", lacking, pairs(32, 2), SETTINGS)
    trained_alone("rank-n-contrast", lacking, pairs(32, 2), with_settings(epochs=1))


def test_heads_give_unit_embeddings_and_the_temperature_keeps_its_bounds():
    heads = ProjectionHeads(24, 20, 32)
    assert torch.allclose(heads.embed_speech(torch.randn(5, 24)).norm(dim=1), torch.ones(5), atol=1e-6)
    assert heads(torch.randn(5, 24), torch.randn(3, 20)).shape == (5, 3)
    for value, used in ((-99.0, 0.01), (99.0, 100.0), (0.0, 1.0)):
        heads.log_temperature.data.fill_(value)
        heads.bound_temperature()
        assert float(heads.temperature.detach()) == pytest.approx(used)


@pytest.mark.parametrize("relu", [True, False])
def test_heads_come_back_from_their_folder(tmp_path, relu):
    heads = ProjectionHeads(24, 20, 32, temperature=0.5, relu=relu)
    save_heads(heads, tmp_path, {"method": "emotionrankclap"})
    loaded = load_heads(tmp_path)
    assert read_config(tmp_path)["method"] == "emotionrankclap"
    for name, tensor in heads.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name])
    features = torch.randn(5, 24, generator=torch.Generator().manual_seed(0))
    assert torch.equal(heads.embed_speech(features), loaded.embed_speech(features))
    assert bool((loaded.embed_speech(features) < 0).any()) is not relu


def test_heads_without_relu_are_trained_and_may_point_anywhere():
    splits = pairs(200, 1), pairs(60, 2)
    trained = trained_alone(
        "rank-n-contrast", *splits, with_settings(relu=False, anchor_weights="inverse-density")
    )
    assert trained.history[-1].validation_loss < trained.history[0].validation_loss
    assert bool((trained.heads.embed_speech(torch.from_numpy(splits[0].speech)) < 0).any())


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


def test_heads_of_other_captions_are_refused(tmp_path):
    learnt = {"captions": "va", "captions_sha256": "a" * 64, "plane_sha256": None}
    save_heads(ProjectionHeads(24, 20, 32), tmp_path, {"learnt": learnt})
    assert load_heads(tmp_path, learnt=learnt).sizes["embedding_size"] == 32
    with pytest.raises(
        RuntimeError, match=r"trained on the captions that are there, found heads of other ones: run "
    ):
        load_heads(tmp_path, learnt=learnt | {"plane_sha256": "b" * 64})
