"""Trains the sample profile's text encoder: a small RoBERTa classifier, taught on sentences no corpus has.

It names the cell of the valence-arousal plane that a sentence describes, so that its `<s>` feature carries the
order of both attributes. Its sentences come from frames that neither captions nor prompts are made with.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import transformers
from safetensors.torch import save
from tokenizers import ByteLevelBPETokenizer
from torch import Tensor, nn

from pipeline.captions import GRADES, describe
from pipeline.sample.annotators import AROUSAL, VALENCE
from pipeline.sample.fitting import Steps
from pipeline.sample.reproducible import reproducible

SPECIAL_TOKENS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
"""In the order of their ids, which are RoBERTa's but for the mask's."""

VOCABULARY = 2000
MOST_TOKENS = 128

CELLS = [(valence, arousal) for valence in range(1, 8) for arousal in range(1, 8)]
"""The classes: whole steps of valence and arousal."""

TARGET_WIDTH = 1.5
"""Standard deviation of a target around the labels: neighbouring cells share in it.

So wide, because the logits of a Gaussian are linear in the labels, with a slope of one over its square: a gentle
slope leaves the features nearly linear in them, as far as the corners of the plane.
"""

BATCH, EPOCHS, PEAK_LEARNING_RATE = 64, 5, 2e-3


def train(
    folder: Path,
    seed: int = 0,
    *,
    sentences: int = 60_000,
    epochs: int = EPOCHS,
    progress: Callable[[str], None] | None = None,
) -> None:
    """Train the checkpoint and write a folder as the hub has them: config, safetensors and tokenizer.

    On one machine the same seed gives the same bytes. `progress` is told a line now and then.
    """
    tell = progress or (lambda _: None)
    rng = np.random.default_rng(seed)
    labels = draw_labels(sentences, rng)
    texts = [describe(v, a, rng, frames="workshop") for v, a in labels.tolist()]
    tokenizer = _train_tokenizer(texts)
    with reproducible(seed):
        model = transformers.RobertaForSequenceClassification(_config(len(tokenizer)))
        _fit(model, tokenizer(texts)["input_ids"], _targets(labels), epochs, rng, tell)
    folder.mkdir(parents=True, exist_ok=True)
    model.config.save_pretrained(folder)
    tensors = {name: tensor.detach().contiguous() for name, tensor in model.state_dict().items()}
    (folder / "model.safetensors").write_bytes(save(tensors, metadata={"format": "pt"}))
    tokenizer.save_pretrained(folder)


def draw_labels(count: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Valence and arousal (count, 2): half of them even over 0.5..7, half as common as in MSP-Podcast."""
    even = rng.uniform(GRADES[0], GRADES[-1], size=(count - count // 2, 2))
    means, deviations = zip(VALENCE, AROUSAL, strict=True)
    common = rng.normal(means, deviations, size=(count // 2, 2))
    labels: npt.NDArray[np.float64] = np.clip(np.concatenate([even, common]), GRADES[0], GRADES[-1])
    return labels


def _train_tokenizer(texts: list[str]) -> transformers.RobertaTokenizer:
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(
        texts, vocab_size=VOCABULARY, special_tokens=SPECIAL_TOKENS, show_progress=False
    )
    bpe = json.loads(trained.to_str())["model"]
    merges: Any = [tuple(pair) for pair in bpe["merges"]]  # which transformers takes, but declares as texts
    return transformers.RobertaTokenizer(vocab=bpe["vocab"], merges=merges, model_max_length=MOST_TOKENS)


def _config(vocabulary: int) -> transformers.RobertaConfig:
    names = [f"valence {valence}, arousal {arousal}" for valence, arousal in CELLS]
    return transformers.RobertaConfig(
        architectures=["RobertaForSequenceClassification"],
        vocab_size=vocabulary,
        hidden_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=256,
        max_position_embeddings=MOST_TOKENS + 2,  # positions count from one after the pad's id
        type_vocab_size=1,
        layer_norm_eps=1e-5,
        id2label=dict(enumerate(names)),
        label2id={name: i for i, name in enumerate(names)},
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
        dtype="float32",
    )


def _targets(labels: npt.NDArray[np.float64]) -> Tensor:
    """How much each cell is meant, (N, 49) that sum to one: a Gaussian of the distance in the plane."""
    squares = np.square(labels[:, None] - np.array(CELLS)).sum(axis=2)  # (N, 49)
    weights = np.exp(-(squares - squares.min(axis=1, keepdims=True)) / (2 * TARGET_WIDTH**2))
    return torch.from_numpy(weights / weights.sum(axis=1, keepdims=True)).float()


def _fit(
    model: transformers.RobertaForSequenceClassification,
    tokens: list[list[int]],
    targets: Tensor,
    epochs: int,
    rng: np.random.Generator,
    tell: Callable[[str], None],
) -> None:
    """Cross-entropy with the soft targets."""
    model.train()
    steps = Steps(model, PEAK_LEARNING_RATE, epochs * math.ceil(len(tokens) / BATCH))
    for epoch in range(epochs):
        losses = []
        order = rng.permutation(len(tokens))
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH].tolist()
            ids, mask = _padded([tokens[i] for i in rows])
            logits = model(input_ids=ids, attention_mask=mask).logits
            loss = nn.functional.cross_entropy(logits, targets[rows])
            steps.take(loss)
            losses.append(loss.detach())
        tell(f"epoch {epoch + 1} of {epochs}: cross-entropy {torch.stack(losses).mean():.3f}")


def _padded(rows: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Token ids and their attention mask, (N, longest)."""
    sequences = [torch.tensor(row) for row in rows]
    ids = nn.utils.rnn.pad_sequence(sequences, batch_first=True, padding_value=SPECIAL_TOKENS.index("<pad>"))
    return ids, (ids != SPECIAL_TOKENS.index("<pad>")).long()
