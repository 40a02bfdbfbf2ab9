"""The text checkpoint of the sample profile: its format, its size, and that it hears sentences it never saw."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file
from scipy.stats import kendalltau

from pipeline.captions.captioning import word_prompts
from pipeline.captions.lexicon import describe
from pipeline.captions.prompts import ordinality_plan
from pipeline.captions.scales import GRADES
from pipeline.encoders.checkpoint import locate
from pipeline.encoders.text import TextEncoder
from pipeline.measures.probe import concordance
from pipeline.sample import text_checkpoint
from pipeline.sample.annotators import AROUSAL, VALENCE
from pipeline.sample.text_checkpoint import CELLS, draw_labels
from pipeline.sentences import PROMPTS_PER_LIST

BUILTIN = "builtin:sample-text"
SENTENCE = "The person is speaking in a hushed voice at a drawn-out pace, sounding deeply fulfilled."


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    return TextEncoder.from_pretrained(BUILTIN, max_tokens=128)


def test_training_again_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "other"):
        text_checkpoint.train(tmp_path / name, sentences=150, epochs=1)
    for file in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "other" / file).read_bytes()
    features = TextEncoder.from_pretrained(str(tmp_path / "one"), max_tokens=128).encode([SENTENCE])
    assert features.shape == (1, 96)


def test_training_leaves_torch_as_it_was(tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    text_checkpoint.train(tmp_path, sentences=64, epochs=1)
    assert torch.rand(1) == expected
    assert torch.get_num_threads() == threads


def test_training_hears_even_and_common_labels_within_the_grades() -> None:
    labels = draw_labels(2000, np.random.default_rng(0))
    assert labels.shape == (2000, 2)
    assert labels.min() >= 0.5
    assert labels.max() <= 7
    assert (labels < 1).any(axis=0).all()
    assert labels[1000:].mean(axis=0) == pytest.approx([VALENCE[0], AROUSAL[0]], abs=0.1)


def test_checkpoint_is_in_the_public_format_and_small() -> None:
    folder = locate(BUILTIN).folder
    config = json.loads((folder / "config.json").read_text())
    assert config["architectures"] == ["RobertaForSequenceClassification"]
    assert config["model_type"] == "roberta"
    assert len(config["id2label"]) == len(CELLS) == 49
    tensors = load_file(folder / "model.safetensors")
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float32}
    assert {name.split(".")[0] for name in tensors} == {"roberta", "classifier"}
    assert sum(file.stat().st_size for file in folder.iterdir()) < 2_000_000


def test_transformers_loads_it_unaided() -> None:
    folder = locate(BUILTIN).folder
    model, notes = transformers.AutoModelForSequenceClassification.from_pretrained(
        folder, output_loading_info=True
    )
    assert not notes["missing_keys"]
    assert not notes["unexpected_keys"]
    tokens = transformers.AutoTokenizer.from_pretrained(folder)(SENTENCE, return_tensors="pt")
    cell = CELLS[int(model.train(False)(**tokens).logits.argmax())]
    assert model.config.id2label[CELLS.index(cell)] == f"valence {cell[0]}, arousal {cell[1]}"
    assert cell[0] > 4 > cell[1]


def test_tokenizer_has_robertas_special_tokens_and_loses_nothing() -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(locate(BUILTIN).folder)
    assert tokenizer.convert_tokens_to_ids(["<s>", "<pad>", "</s>", "<unk>"]) == [0, 1, 2, 3]
    for text in (SENTENCE, "Ünïcödé 7 speech!"):
        ids = tokenizer(text)["input_ids"]
        assert (ids[0], ids[-1]) == (0, 2)
        assert tokenizer.decode(ids, skip_special_tokens=True) == text


def probe(encoder: TextEncoder, labels: np.ndarray, seed: int) -> Callable[[list[str]], np.ndarray]:
    """A ridge regression from features to labels, fitted on a sentence of each."""
    rng = np.random.default_rng(seed)
    features = encoder.encode([describe(v, a, rng) for v, a in labels.tolist()]).astype(float)
    centre, middle = features.mean(axis=0), labels.mean(axis=0)
    x = features - centre
    weights = np.linalg.solve(x.T @ x + np.eye(96), x.T @ (labels - middle))
    return lambda texts: (encoder.encode(texts) - centre) @ weights + middle


def test_features_tell_common_labels_of_frames_it_was_not_taught(encoder: TextEncoder) -> None:
    rng = np.random.default_rng(1)
    labels = rng.normal((VALENCE[0], AROUSAL[0]), (0.84, 0.94), size=(1600, 2)).clip(1, 7).round(1)
    shown, held_out = labels[:1200], labels[1200:]
    predicted = probe(encoder, shown, seed=2)([describe(v, a, rng) for v, a in held_out.tolist()])
    assert (concordance(predicted, held_out) >= 0.9).all()


def test_features_carry_the_order_of_both_attributes_over_the_whole_plane(encoder: TextEncoder) -> None:
    labels = np.random.default_rng(1).uniform(GRADES[0], GRADES[-1], size=(1200, 2))
    prompts = word_prompts(ordinality_plan(14), seed=2)
    along = probe(encoder, labels, seed=2)([prompt.text for prompt in prompts])
    lists = along.reshape(2, 14, PROMPTS_PER_LIST, 2)
    for test in range(2):  # voc, where valence rises, and aoc, where arousal does
        taus = [kendalltau(values[:, test], range(PROMPTS_PER_LIST)).statistic for values in lists[test]]
        assert np.mean(taus) >= 0.9
