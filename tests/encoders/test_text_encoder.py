"""The text encoder against plain transformers, and checkpoints that do not fit."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from pipeline.encoders import TextEncoder

SENTENCES = [
    "The person is speaking in a hushed, slow voice.",
    "The person is speaking fast.",
    "The person is speaking " + "very " * 40 + "loudly.",
]


def reference(folder, sentence: str, max_tokens: int) -> np.ndarray:
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        output = model.roberta(
            **tokenizer(sentence, return_tensors="pt", truncation=True, max_length=max_tokens)
        )
    return output.last_hidden_state[0, 0].numpy()


@pytest.mark.parametrize("batch_tokens", [1, 200, 4096])
def test_features_agree_with_transformers_one_by_one(text_checkpoint, batch_tokens):
    encoder = TextEncoder.from_pretrained(str(text_checkpoint), max_tokens=100, batch_tokens=batch_tokens)
    features = encoder.encode(SENTENCES)
    assert features.shape == (3, 32)
    for sentence, feature in zip(SENTENCES, features, strict=True):
        wanted = reference(text_checkpoint, sentence, 100)
        assert np.allclose(feature, wanted, atol=1e-5)


def test_a_long_sentence_is_cut_and_says_so_in_the_recipe(text_checkpoint):
    short, long = (TextEncoder.from_pretrained(str(text_checkpoint), max_tokens=n) for n in (20, 100))
    assert not np.allclose(short.encode(SENTENCES[2:]), long.encode(SENTENCES[2:]), atol=1e-3)
    assert short.recipe.digest != long.recipe.digest


def test_more_tokens_than_the_model_has_positions_are_refused(text_checkpoint):
    with pytest.raises(ValueError, match="max_tokens must be 3 to 128 .* found 512"):
        TextEncoder.from_pretrained(str(text_checkpoint), max_tokens=512)
    assert TextEncoder.from_pretrained(str(text_checkpoint)).recipe.max_length == 128


def test_an_empty_sentence_is_refused(text_checkpoint):
    with pytest.raises(ValueError, match="must have words"):
        TextEncoder.from_pretrained(str(text_checkpoint), max_tokens=64).encode(["one", "  "])


def test_the_positions_that_older_checkpoints_carry_are_accepted(text_checkpoint, tmp_path):
    folder = tmp_path / "older"
    shutil.copytree(text_checkpoint, folder)
    tensors = load_file(folder / "model.safetensors")
    tensors["roberta.embeddings.position_ids"] = torch.arange(130)[None]
    save_file(tensors, folder / "model.safetensors")
    old, new = (
        TextEncoder.from_pretrained(str(f), max_tokens=64).encode(SENTENCES)
        for f in (folder, text_checkpoint)
    )
    assert np.array_equal(old, new)


def test_a_missing_tensor_is_listed(text_checkpoint, tmp_path):
    folder = tmp_path / "broken"
    shutil.copytree(text_checkpoint, folder)
    tensors = load_file(folder / "model.safetensors")
    del tensors["classifier.dense.weight"]
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(RuntimeError, match=r"missing 1 tensor: classifier\.dense\.weight"):
        TextEncoder.from_pretrained(str(folder), max_tokens=64)


def test_a_folder_without_a_tokenizer_is_refused(text_checkpoint, tmp_path):
    folder = tmp_path / "mute"
    folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        shutil.copy(text_checkpoint / name, folder)
    with pytest.raises(RuntimeError, match="must hold tokenizer.json, or vocab.json and merges.txt"):
        TextEncoder.from_pretrained(str(folder), max_tokens=64)


def test_the_older_tokenizer_files_give_the_same_features(text_checkpoint, tmp_path):
    folder = tmp_path / "vocab-and-merges"
    folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        shutil.copy(text_checkpoint / name, folder)
    tokenizer = json.loads((text_checkpoint / "tokenizer.json").read_text())
    (folder / "vocab.json").write_text(json.dumps(tokenizer["model"]["vocab"]))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    old, new = (
        TextEncoder.from_pretrained(str(f), max_tokens=64).encode(SENTENCES)
        for f in (folder, text_checkpoint)
    )
    assert np.array_equal(old, new)


def test_another_kind_of_model_is_refused(speech_checkpoint):
    with pytest.raises(RuntimeError, match="model_type 'roberta', found 'ser'"):
        TextEncoder.from_pretrained(str(speech_checkpoint), max_tokens=64)


def test_a_config_that_is_not_json_is_named(text_checkpoint, tmp_path):
    folder = tmp_path / "garbled"
    shutil.copytree(text_checkpoint, folder)
    (folder / "config.json").write_text("{")
    with pytest.raises(RuntimeError, match=r"config\.json must be JSON"):
        TextEncoder.from_pretrained(str(folder), max_tokens=64)


def test_remote_code_in_the_config_is_never_run(text_checkpoint, tmp_path):
    folder = tmp_path / "remote"
    shutil.copytree(text_checkpoint, folder)
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoModel": "evil.Model", "AutoTokenizer": ["evil.Tokenizer", None]}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    TextEncoder.from_pretrained(str(folder), max_tokens=64).encode(SENTENCES)
    assert not (tmp_path / "ran").exists()
