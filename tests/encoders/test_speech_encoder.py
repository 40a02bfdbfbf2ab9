"""The speech encoder against a slow reference, its poolings and paddings, and checkpoints that do not fit."""

from __future__ import annotations

import functools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings, strategies as st
from safetensors.torch import load_file, save_file

from pipeline.encoders import SpeechEncoder
from tests.conftest import SMALL_BACKBONE, write_ser_checkpoint

MEAN, STD = -8.278621631819787e-05, 0.08485510250851999


def plain_model(folder: Path, backbone: dict) -> tuple[transformers.WavLMModel, dict[str, torch.Tensor]]:
    """The checkpoint in plain transformers, and all its tensors."""
    tensors = load_file(folder / "model.safetensors")
    with torch.device("meta"):  # values drawn at random only to be replaced take seconds
        model = transformers.WavLMModel(
            transformers.WavLMConfig(**backbone, attn_implementation="eager")
        ).eval()
    ours = {
        name.removeprefix("ssl_model."): t for name, t in tensors.items() if name.startswith("ssl_model.")
    }
    model.load_state_dict(ours, assign=True)
    return model, tensors


def reference(folder: Path, backbone: dict, waveform: np.ndarray, *, samples: int | None = None) -> dict:
    """One clip through plain transformers and the pooling written out frame by frame, in float64."""
    return reference_by(*plain_model(folder, backbone), waveform, samples=samples)


def reference_by(
    model: transformers.WavLMModel,
    tensors: dict[str, torch.Tensor],
    waveform: np.ndarray,
    *,
    samples: int | None = None,
) -> dict:
    padded = np.zeros(samples or len(waveform), dtype=np.float32)
    padded[: len(waveform)] = waveform
    with torch.no_grad():
        frames = (
            model(torch.tensor((padded - MEAN) / (STD + 1e-6))[None]).last_hidden_state[0].double().numpy()
        )
    weight = {name: tensor.double().numpy() for name, tensor in tensors.items() if "ssl_model" not in name}
    scores = []
    for frame in frames:
        hidden = np.tanh(
            weight["pool_model.sap_linear.weight"] @ frame + weight["pool_model.sap_linear.bias"]
        )
        scores.append(float(hidden @ weight["pool_model.attention"][:, 0]))
    shares = np.exp(np.array(scores) - max(scores))
    shares /= shares.sum()
    mean, square = np.zeros(frames.shape[1]), np.zeros(frames.shape[1])
    for share, frame in zip(shares, frames, strict=True):
        mean += share * frame
        square += share * frame**2
    deviation = np.sqrt(np.maximum(square - mean**2, 1e-5))
    hidden = (
        weight["ser_model.fc.0.0.weight"] @ np.concatenate([mean, deviation])
        + weight["ser_model.fc.0.0.bias"]
    )
    hidden = (hidden - hidden.mean()) / np.sqrt(hidden.var() + 1e-5)
    hidden = np.maximum(hidden * weight["ser_model.fc.0.1.weight"] + weight["ser_model.fc.0.1.bias"], 0)
    return {
        "attentive-mean": mean,
        "attentive-std": deviation,
        "attentive-stats": np.concatenate([mean, deviation]),
        "regressor-hidden": hidden,
    }


def relative_error(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


@pytest.mark.parametrize(
    "pooling", ["attentive-mean", "attentive-std", "attentive-stats", "regressor-hidden"]
)
@pytest.mark.parametrize("padding", ["masked", "literal"])
def test_every_pooling_and_padding_agrees_with_the_reference(speech_checkpoint, noise, pooling, padding):
    clips = [noise(seconds) for seconds in (0.9, 0.4, 1.7)]
    encoder = SpeechEncoder.from_pretrained(
        str(speech_checkpoint), pooling, padding=padding, crop_seconds=2.0
    )
    features = encoder.encode(clips)
    assert features.shape == (3, encoder.recipe.feature_size)
    assert features.dtype == np.float32
    for clip, feature in zip(clips, features, strict=True):
        samples = 32_000 if padding == "literal" else None
        wanted = reference(speech_checkpoint, SMALL_BACKBONE, clip, samples=samples)[pooling]
        assert relative_error(feature, wanted) < 1e-4


@functools.cache
def load_once(folder: Path) -> SpeechEncoder:
    return SpeechEncoder.from_pretrained(str(folder))


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(400, 24_000), min_size=2, max_size=8), st.integers(1, 3), st.randoms())
def test_a_clip_has_one_embedding_to_the_bit_in_any_company(speech_checkpoint, lengths, threads, random):
    rng = np.random.default_rng(sum(lengths))
    clips = [0.1 * rng.standard_normal(length).astype(np.float32) for length in lengths]
    encoder = load_once(speech_checkpoint)
    alone = [encoder.encode([clip])[0] for clip in clips]
    order = list(range(len(clips)))
    random.shuffle(order)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        together = encoder.encode([clips[i] for i in order])
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(together, np.stack([alone[i] for i in order]))


def test_a_machine_with_other_threads_gives_the_same_embeddings_to_the_bit(speech_checkpoint, noise):
    clips, found, before = [noise(0.3), noise(0.7)], set(), torch.get_num_threads()
    try:
        for threads in (1, 2, 3, 5):
            torch.set_num_threads(threads)
            encoder = SpeechEncoder.from_pretrained(str(speech_checkpoint))
            assert torch.get_num_threads() == threads
            found.add(encoder.encode(clips).tobytes())
    finally:
        torch.set_num_threads(before)
    assert len(found) == 1


@pytest.mark.parametrize("norm", ["layer", "group"])
@pytest.mark.parametrize("padding", ["masked", "literal"])
def test_a_batch_as_a_gpu_takes_it_gives_the_same_embeddings(tmp_path, noise, norm, padding):
    backbone = SMALL_BACKBONE | {"feat_extract_norm": norm, "do_stable_layer_norm": norm == "layer"}
    folder = write_ser_checkpoint(tmp_path / "checkpoint", backbone)
    encoder = SpeechEncoder.from_pretrained(str(folder), padding=padding, crop_seconds=2.0)
    clips = [noise(seconds) for seconds in (0.5, 1.1, 0.03, 1.9)]
    for found, clip in zip(encoder._start(clips)(), clips, strict=True):
        assert relative_error(found, encoder.encode([clip])[0]) < 1e-5
        samples = 32_000 if padding == "literal" else None
        wanted = reference(folder, backbone, clip, samples=samples)["attentive-mean"]
        assert relative_error(found, wanted) < 1e-4


@pytest.fixture
def planning_for_a_gpu(speech_checkpoint):
    encoder = SpeechEncoder.from_pretrained(str(speech_checkpoint), batch_seconds=21.0)
    encoder.device = torch.device("cuda")  # only the plan is asked for
    return encoder


def test_a_gpus_batches_keep_to_the_budget_and_a_cpus_are_single_clips(speech_checkpoint, planning_for_a_gpu):
    seconds = [9.0, 3.0, 30.0, 4.0, 3.5]
    assert list(load_once(speech_checkpoint).batches(seconds)) == [[2], [0], [3], [4], [1]]
    assert list(planning_for_a_gpu.batches(seconds)) == [[2, 0], [3, 4, 1]]
    assert [len(batch) for batch in planning_for_a_gpu.batches([0.025] * 300)] == [127, 127, 46]
    planning_for_a_gpu.padding = "literal"
    assert [len(batch) for batch in planning_for_a_gpu.batches(seconds)] == [2, 2, 1]


def test_a_gpus_batch_is_padded_to_the_next_eight_frames(planning_for_a_gpu):
    front_end = planning_for_a_gpu.wavlm.front_end
    for frames in range(1, 18):
        for longest in (front_end.sample_count(frames), front_end.sample_count(frames + 1) - 1):
            padded = planning_for_a_gpu._padded_samples(longest)
            assert padded >= longest
            assert front_end.frame_count(padded) == -(-frames // 8) * 8


def test_a_batch_that_the_memory_cannot_take_is_halved(speech_checkpoint, noise, monkeypatch):
    encoder = SpeechEncoder.from_pretrained(str(speech_checkpoint))
    clips = [noise(0.2 + 0.1 * i) for i in range(5)]
    wanted = encoder._start(clips)()
    compute, sizes = encoder._compute, []

    def short_of_memory(batch):
        sizes.append(len(batch))
        if len(batch) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return compute(batch)

    monkeypatch.setattr(encoder, "_compute", short_of_memory)
    assert np.allclose(encoder._start(clips)(), wanted, atol=1e-5)
    assert sizes == [5, 2, 3, 1, 2]


def test_a_clip_that_the_memory_cannot_take_is_one_line(speech_checkpoint, noise, monkeypatch):
    encoder = SpeechEncoder.from_pretrained(str(speech_checkpoint))

    def no_memory(batch):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(encoder, "_compute", no_memory)
    with pytest.raises(RuntimeError, match="must have the memory for a clip of 10 s"):
        encoder.encode([noise(1.0)])


def test_only_the_first_seconds_are_heard(speech_checkpoint, noise):
    encoder = SpeechEncoder.from_pretrained(str(speech_checkpoint), crop_seconds=1.0)
    clip = noise(3.0)
    assert np.array_equal(encoder.encode([clip]), encoder.encode([clip[:16_000]]))


def test_no_clips_give_no_rows(speech_checkpoint):
    assert SpeechEncoder.from_pretrained(str(speech_checkpoint)).encode([]).shape == (0, 48)


@pytest.mark.parametrize(
    ("clip", "message"),
    [
        (np.zeros(399, np.float32), "at least 25 ms"),
        (np.zeros(16_000, np.float32), "silent"),
        (np.full(16_000, np.nan, np.float32), "not finite"),
    ],
)
def test_a_clip_that_cannot_be_heard_is_refused(speech_checkpoint, clip, message):
    with pytest.raises(ValueError, match=message):
        SpeechEncoder.from_pretrained(str(speech_checkpoint)).encode([clip])


def change(folder: Path, target: Path, edit) -> Path:
    shutil.copytree(folder, target)
    tensors = load_file(target / "model.safetensors")
    edit(tensors)
    save_file(tensors, target / "model.safetensors")
    return target


def test_a_missing_a_left_over_and_a_misshapen_tensor_are_all_listed(speech_checkpoint, tmp_path):
    def edit(tensors):
        del tensors["pool_model.sap_linear.weight"]
        tensors["pool_model.surprise"] = torch.zeros(3)
        tensors["ser_model.out.0.bias"] = torch.zeros(4)

    folder = change(speech_checkpoint, tmp_path / "broken", edit)
    with pytest.raises(RuntimeError) as error:
        SpeechEncoder.from_pretrained(str(folder))
    for part in (
        "missing 1 tensor: pool_model.sap_linear.weight",
        "left over 1 tensor: pool_model.surprise",
        "ser_model.out.0.bias has shape (4,) instead of (3,)",
        str(folder),
    ):
        assert part in str(error.value)
    assert "\n" not in str(error.value)


def test_weights_in_several_files_load(speech_checkpoint, tmp_path, noise):
    folder = tmp_path / "sharded"
    folder.mkdir()
    shutil.copy(speech_checkpoint / "config.json", folder)
    tensors = load_file(speech_checkpoint / "model.safetensors")
    weight_map = {}
    for part in (0, 1):
        file = f"model-0000{part + 1}-of-00002.safetensors"
        names = sorted(tensors)[part::2]
        save_file({name: tensors[name] for name in names}, folder / file)
        weight_map |= dict.fromkeys(names, file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    sharded, whole = (
        SpeechEncoder.from_pretrained(str(f)).encode([noise(1.0)]) for f in (folder, speech_checkpoint)
    )
    assert np.array_equal(sharded, whole)


def test_a_folder_without_weights_is_refused(speech_checkpoint, tmp_path):
    shutil.copy(speech_checkpoint / "config.json", tmp_path)
    with pytest.raises(
        RuntimeError, match=r"must have model.safetensors or pytorch_model.bin, found neither"
    ):
        SpeechEncoder.from_pretrained(str(tmp_path))


def test_a_file_that_the_index_names_must_be_there(speech_checkpoint, tmp_path):
    shutil.copy(speech_checkpoint / "config.json", tmp_path)
    index = {"weight_map": {"ser_model.out.0.bias": "../model-1.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(
        RuntimeError, match=r"must have the files of .*index.json, has no model-1.safetensors"
    ):
        SpeechEncoder.from_pretrained(str(tmp_path))


def test_a_truncated_weights_file_is_named(speech_checkpoint, tmp_path):
    folder = tmp_path / "truncated"
    shutil.copytree(speech_checkpoint, folder)
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RuntimeError, match=r"model.safetensors must be a whole safetensors file"):
        SpeechEncoder.from_pretrained(str(folder))


def test_another_kind_of_model_is_refused(text_checkpoint):
    with pytest.raises(RuntimeError, match="model_type 'ser', found 'roberta'"):
        SpeechEncoder.from_pretrained(str(text_checkpoint))


def test_an_unknown_backbone_must_be_described(speech_checkpoint, tmp_path):
    folder = tmp_path / "unknown"
    shutil.copytree(speech_checkpoint, folder)
    config = json.loads((folder / "config.json").read_text())
    del config["ssl_config"]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(RuntimeError, match="'ssl_config' or be one of"):
        SpeechEncoder.from_pretrained(str(folder))


def test_an_absent_checkpoint_is_one_clear_line(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ValueError, match="must be one of .* a folder, or a hub name") as error:
        SpeechEncoder.from_pretrained("./nowhere")
    assert "\n" not in str(error.value)


def test_unknown_pooling_is_refused(speech_checkpoint):
    with pytest.raises(ValueError, match="pooling must be one of .* found 'max'"):
        SpeechEncoder.from_pretrained(str(speech_checkpoint), "max")


def test_recipe_follows_the_weights_and_not_the_folder(speech_checkpoint, tmp_path):
    copy = tmp_path / "elsewhere"
    shutil.copytree(speech_checkpoint, copy)
    changed = change(speech_checkpoint, tmp_path / "changed", lambda t: t["ser_model.out.0.bias"].add_(1))
    here, there, other = (
        SpeechEncoder.from_pretrained(str(f)).recipe.digest for f in (speech_checkpoint, copy, changed)
    )
    assert here == there != other


def test_recipe_does_not_know_batch_or_device(speech_checkpoint):
    small = SpeechEncoder.from_pretrained(str(speech_checkpoint), batch_seconds=1)
    large = SpeechEncoder.from_pretrained(str(speech_checkpoint), batch_seconds=99)
    assert small.recipe == large.recipe
    literal = SpeechEncoder.from_pretrained(str(speech_checkpoint), padding="literal")
    assert literal.recipe.digest != small.recipe.digest
