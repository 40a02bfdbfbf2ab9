"""Ids of sentences: the library's against RoBERTa's algorithm written out, and in a recipe where they differ."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest
import transformers
from hypothesis import assume, given, settings, strategies as st
from tokenizers import Tokenizer, normalizers, pre_tokenizers, trainers
from tokenizers.models import BPE
from tokenizers.processors import RobertaProcessing

from pipeline.encoders import TextEncoder, planned_recipes
from pipeline.encoders.tokens import PROBES, ids_of, load_tokenizer, published_ids, tokens_digest
from pipeline.features import FeatureStore, extract_text
from pipeline.recipe import Recipe
from tests.encoders.test_planned import settings as asked

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Path:
    """The tokenizer files of a RoBERTa checkpoint, with merges learnt from this project's own text."""
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=1500,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    root = Path(__file__).parents[2]
    tokenizer.train_from_iterator([(root / "README.md").read_text(), *PROBES], trainer)
    tokenizer.post_processor = RobertaProcessing(("</s>", 2), ("<s>", 0), True, False)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "RobertaTokenizer", "add_prefix_space": False})
    )
    (folder / "config.json").write_text(json.dumps({"model_type": "roberta"}))
    return folder


@pytest.fixture(scope="session")
def older(trained, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("older")
    model = json.loads((trained / "tokenizer.json").read_text())["model"]
    (folder / "vocab.json").write_text(json.dumps(model["vocab"]))
    merges = "".join(f"{left} {right}\n" for left, right in model["merges"])
    (folder / "merges.txt").write_text(f"#version: 0.2\n{merges}", encoding="utf-8")
    for name in ("tokenizer_config.json", "config.json"):
        shutil.copy(trained / name, folder)
    return folder


@pytest.mark.parametrize("files", ["trained", "older"])
@pytest.mark.parametrize("max_tokens", [None, 16, 512])
def test_ids_are_those_of_the_algorithm_and_of_transformers(request, files, max_tokens):
    folder = request.getfixturevalue(files)
    found = ids_of(load_tokenizer(folder, max_tokens), PROBES)
    assert found == published_ids(folder, PROBES, max_tokens)
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    assert (
        found == theirs(list(PROBES), truncation=max_tokens is not None, max_length=max_tokens)["input_ids"]
    )


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), min_size=1))
def test_any_sentence_has_the_algorithms_ids(trained, sentence):
    assume(not any(token in sentence for token in SPECIAL))  # which the algorithm knows nothing of
    assert ids_of(load_tokenizer(trained), [sentence]) == published_ids(trained, [sentence])


@pytest.mark.parametrize("token", SPECIAL)
def test_a_special_token_in_a_sentence_is_read_as_transformers_reads_it(trained, token):
    sentences = [token, f"A {token} voice."]
    theirs = transformers.AutoTokenizer.from_pretrained(trained)
    assert ids_of(load_tokenizer(trained), sentences) == theirs(sentences)["input_ids"]


def test_published_ids_leave_no_trace_in_a_recipe(trained, older):
    for folder in (trained, older):
        assert tokens_digest(folder, load_tokenizer(folder)) == ""
        assert tokens_digest(folder, load_tokenizer(folder, 16)) == ""


def test_other_ids_are_said_by_a_digest(trained):
    tokenizer = load_tokenizer(trained)
    tokenizer.normalizer = normalizers.Lowercase()
    lower = tokens_digest(trained, tokenizer)
    tokenizer.normalizer = normalizers.NFD()
    assert lower
    assert tokens_digest(trained, tokenizer) not in ("", lower)


def test_a_vocabulary_of_another_kind_has_no_published_ids(trained, tmp_path):
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    (tmp_path / "tokenizer.json").write_text(
        json.dumps({"model": {"type": "WordPiece", "vocab": {"<s>": 0}}})
    )
    assert published_ids(tmp_path, PROBES) is None


def test_recipes_from_before_are_todays(text_checkpoint):
    recipe = TextEncoder.from_pretrained(str(text_checkpoint), max_tokens=64).recipe
    assert "tokens" not in recipe.to_dict()
    before = {name: value for name, value in asdict(recipe).items() if name != "tokens"}
    assert Recipe.from_dict(before) == recipe
    assert recipe.to_json() == json.dumps(before, sort_keys=True)


def test_features_from_before_are_taken_and_those_of_other_ids_are_kept_apart(
    text_checkpoint, tmp_path, monkeypatch, speech_checkpoint
):
    sentences = ["One.", "Two, loudly."]
    encoder = TextEncoder.from_pretrained(str(text_checkpoint), max_tokens=64)
    before = Recipe.from_dict(
        {name: value for name, value in asdict(encoder.recipe).items() if name != "tokens"}
    )
    for _ in extract_text(sentences, encoder, FeatureStore(tmp_path, before)):
        pass
    keys = FeatureStore(tmp_path, before).keys()
    assert FeatureStore(tmp_path, encoder.recipe).missing(keys) == []

    # A release that gives other ids for the same files.
    read = Tokenizer.from_file

    def changed(path):
        tokenizer = read(path)
        tokenizer.normalizer = normalizers.Lowercase()
        return tokenizer

    monkeypatch.setattr("pipeline.encoders.tokens.Tokenizer.from_file", changed, raising=False)
    monkeypatch.setattr(
        "pipeline.encoders.tokens.Tokenizer", type("T", (), {"from_file": staticmethod(changed)})
    )
    other = TextEncoder.from_pretrained(str(text_checkpoint), max_tokens=64)
    assert other.recipe.tokens
    assert other.recipe.digest != before.digest
    assert len(FeatureStore(tmp_path, other.recipe).missing(keys)) == 2
    planned = planned_recipes(asked(str(speech_checkpoint), str(text_checkpoint)))[1]
    assert planned.tokens == other.recipe.tokens


@pytest.mark.parametrize("normalised", [False, True])
def test_sentences_that_are_cut_are_counted(text_checkpoint, normalised):
    encoder = TextEncoder.from_pretrained(str(text_checkpoint), max_tokens=20)
    if normalised:
        encoder.tokenizer.normalizer = normalizers.NFKD()
    # 18 letters, a byte each, and the two ids around them.
    assert encoder.cut_short(["x" * 18, "y" * 19, "short", "é" * 9, "é" * 10]) == (2 if not normalised else 3)


def test_a_tokenizer_file_that_is_broken_is_one_line(trained, tmp_path):
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(RuntimeError, match="must hold a tokenizer that loads") as error:
        load_tokenizer(tmp_path)
    assert "\n" not in str(error.value)
