"""The frozen text encoder: sentences to the features of their first token."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer
from torch import Tensor
from transformers import RobertaConfig

from pipeline.encoders.asking import ANYBODY, Access
from pipeline.encoders.batching import batches_by_length
from pipeline.encoders.checkpoint import Checkpoint, exactly, load_exactly, locate, unfilled
from pipeline.encoders.contents import CONFIG
from pipeline.encoders.hub import Revision
from pipeline.encoders.inputs import as_sentences, check_finite
from pipeline.encoders.published import RobertaClassifier
from pipeline.encoders.recipes import text_recipe
from pipeline.encoders.roberta import FrozenRoberta
from pipeline.encoders.settings import (
    MOST_LAYERS,
    TEXT,
    check_heads,
    check_settings,
    check_type,
    described_by,
)
from pipeline.encoders.tokens import ids_of, load_tokenizer, tokens_digest
from pipeline.support import check_device, check_dtype, in_order, torch_threads

BATCH_TOKENS = 8192
"""Padded tokens at once on a GPU."""


class TextEncoder:
    """A RoBERTa emotion classifier, frozen, whose `<s>` of the last layer stands for the sentence."""

    def __init__(
        self,
        model: RobertaClassifier,
        tokenizer: Tokenizer,
        checkpoint: Checkpoint,
        *,
        max_tokens: int | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        batch_tokens: int = BATCH_TOKENS,
    ) -> None:
        config: RobertaConfig = model.config
        self.pad = config.pad_token_id if config.pad_token_id is not None else 1
        capacity = config.max_position_embeddings - self.pad - 1
        max_tokens = min(512, capacity) if max_tokens is None else max_tokens
        if not isinstance(max_tokens, int) or not 2 < max_tokens <= capacity:
            raise ValueError(
                f"max_tokens must be 3 to {capacity} for {checkpoint.model}, found {max_tokens!r}"
            )
        self.device, self.dtype = check_device(device), check_dtype(dtype)
        self.roberta = FrozenRoberta(model, device=self.device, pad=self.pad)
        self.tokenizer = tokenizer
        self.tokenizer.enable_truncation(max_tokens)
        self.max_tokens, self.batch_tokens = max_tokens, batch_tokens
        self.recipe = text_recipe(
            checkpoint,
            model.config.hidden_size,
            max_tokens=max_tokens,
            compute_dtype=str(self.dtype).removeprefix("torch."),
            tokens=tokens_digest(checkpoint.folder, tokenizer),
        )

    @classmethod
    def from_pretrained(
        cls,
        model: str | os.PathLike[str],
        *,
        revision: Revision = None,
        access: Access = ANYBODY,
        max_tokens: int | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        batch_tokens: int = BATCH_TOKENS,
    ) -> TextEncoder:
        """Load a RoBERTa classifier from a builtin name, a local folder or a hub name with a revision.

        A revision may be several, which hold the same weights, and `access` says how a hub is asked: see
        `pipeline.encoders.hub`.

        Sentences are cut at `max_tokens`, by default 512 or fewer where the model has no more; `batch_tokens`
        padded tokens go through the model at once on a GPU. Raises ValueError for a name that leads nowhere and
        RuntimeError for a checkpoint with a tensor missing or left over.
        """
        device, dtype = check_device(device), check_dtype(dtype)
        checkpoint = locate(model, revision, access)
        return cls(
            load_classifier(checkpoint),
            load_tokenizer(checkpoint.folder),
            checkpoint,
            max_tokens=max_tokens,
            device=device,
            dtype=dtype,
            batch_tokens=batch_tokens,
        )

    def encode(self, sentences: str | Iterable[str]) -> npt.NDArray[np.float32]:
        """Sentences in a list, an array or a series to features (N, F) float32, and a single one to (F,).

        Raises ValueError, which says which one, for an empty sentence and for what is none, RuntimeError where a
        feature comes out not finite.
        """
        listed, alone = as_sentences(sentences)
        features = np.empty((len(listed), self.recipe.feature_size), dtype=np.float32)
        if not listed:
            return features
        tokens = ids_of(self.tokenizer, listed)
        lengths = [len(row) for row in tokens]
        if (
            self.device.type == "cpu"
        ):  # each alone, by one thread, so that nothing of a batch can touch a feature
            order = [row for (row,) in batches_by_length(lengths, 0)]
            with (
                torch_threads() as pool,
                closing(in_order(pool, self._encode_batch, ([tokens[i]] for i in order), 64)) as encoded,
            ):
                for i, row in zip(order, encoded, strict=True):
                    features[i] = row[0]
        else:
            for batch in batches_by_length(lengths, self.batch_tokens):
                features[batch] = self._encode_batch([tokens[i] for i in batch])
        check_finite(features, "sentences")
        return features[0] if alone else features

    def cut_short(self, sentences: str | Iterable[str]) -> int:
        """How many of the sentences have more than `max_tokens`, whose rest is not read."""
        # Ids are joined bytes, so that few sentences have to be looked at.
        bytes_alone = self.tokenizer.normalizer is None
        long = [
            s for s in as_sentences(sentences)[0] if not bytes_alone or len(s.encode()) + 3 > self.max_tokens
        ]
        return sum(bool(encoding.overflowing) for encoding in self.tokenizer.encode_batch(long))

    @torch.inference_mode()
    def _encode_batch(self, tokens: Sequence[Sequence[int]]) -> npt.NDArray[np.float32]:
        longest = max(len(row) for row in tokens)
        ids = torch.full((len(tokens), longest), self.pad)
        heard = torch.zeros(ids.shape, dtype=torch.bool)
        for i, row in enumerate(tokens):
            ids[i, : len(row)] = torch.tensor(row)
            heard[i, : len(row)] = True
        padding = None if bool(heard.all()) else heard.to(self.device)
        reduced = self.dtype != torch.float32
        with exactly(self.device), torch.autocast(self.device.type, dtype=self.dtype, enabled=reduced):
            states = self.roberta(ids.to(self.device), padding)
        first: npt.NDArray[np.float32] = states[:, 0].float().cpu().numpy()
        return first


def load_classifier(checkpoint: Checkpoint) -> RobertaClassifier:
    """Build and load a RoBERTa classifier. Raises RuntimeError where config.json or the tensors do not fit."""
    written = checkpoint.config
    check_type(written, "roberta", "text", checkpoint.folder)
    file = checkpoint.folder / CONFIG
    check_settings(written, TEXT, file)
    with described_by(file, "RoBERTa"):
        config = RobertaConfig.from_dict(written)
    check_heads(config.hidden_size, config.num_attention_heads, file)
    tensors = checkpoint.tensors()
    _check_sizes(config, tensors, file)
    # Older transformers also wrote the positions 0, 1, 2 … that every model has.
    positions = tensors.pop("roberta.embeddings.position_ids", None)
    if positions is not None and not torch.equal(positions.flatten(), torch.arange(positions.numel())):
        raise RuntimeError(f"roberta.embeddings.position_ids of {checkpoint.folder} must count from 0")
    with described_by(file, "RoBERTa"), unfilled():
        classifier = RobertaClassifier(config)
    load_exactly(classifier, tensors, str(checkpoint.folder))
    return classifier


def _check_sizes(config: RobertaConfig, tensors: Mapping[str, Tensor], file: Path) -> None:
    """Raise RuntimeError where config.json says another size than the weights have, before it takes memory."""
    layer = "encoder.layer.{}.intermediate.dense.weight"
    of = {
        "vocab_size": "embeddings.word_embeddings.weight",
        "max_position_embeddings": "embeddings.position_embeddings.weight",
        "type_vocab_size": "embeddings.token_type_embeddings.weight",
        "intermediate_size": layer.format(0),
    }
    for name, tensor in of.items():
        found = tensors.get(f"roberta.{tensor}")
        if found is not None and found.shape != (getattr(config, name), config.hidden_size):
            raise RuntimeError(
                f"{file}: {name} and hidden_size must be {' and '.join(map(str, found.shape))}, as in the "
                f"weights, found {getattr(config, name)} and {config.hidden_size}"
            )
    layers = sum(f"roberta.{layer.format(number)}" in tensors for number in range(MOST_LAYERS))
    if layers != config.num_hidden_layers:
        raise RuntimeError(
            f"{file}: num_hidden_layers must be {layers}, as in the weights, found {config.num_hidden_layers}"
        )
