"""A model's folder brought to life: its heads, its captions, and its frozen encoders once they are needed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from os import PathLike
from pathlib import Path
from threading import Lock
from typing import Any, Self, cast

import numpy as np
import torch

from pipeline.encoders import Access, Pooling, SpeechEncoder, TextEncoder
from pipeline.recipe import Recipe
from pipeline.support import check_device, check_dtype, choose_device, in_order, shown, torch_threads
from pipeline.use.bank import CaptionBank
from pipeline.use.folder import Encoder, Model, read_model
from pipeline.use.given import Embeddings


class Embedder:
    """Two frozen encoders, loaded when first needed, and two small heads: windows and sentences embedded."""

    def __init__(
        self,
        model: Model,
        *,
        name: str = "model",
        device: str | torch.device = "auto",
        dtype: torch.dtype | str | None = None,
        speech_encoder: str | PathLike[str] | None = None,
        text_encoder: str | PathLike[str] | None = None,
        access: Access | None = None,
    ) -> None:
        self.model, self.name = model, name
        self.device = choose_device(device) if device == "auto" else check_device(device)
        self._dtype = check_dtype(dtype) if dtype is not None else None
        self._access = access or Access()
        self.encoder_folders = {"speech": speech_encoder, "text": text_encoder}
        """Where the encoders are, in place of those that the model names; None where it is right."""
        self._loading = {"speech": Lock(), "text": Lock()}
        self._speech: SpeechEncoder | None = None
        self._text: TextEncoder | None = None

    @classmethod
    def from_pretrained(
        cls,
        model: str | PathLike[str],
        *,
        revision: str | None = None,
        cache_folder: str | Path | None = None,
        local_files_only: bool = False,
        token: str | None = None,
        device: str | torch.device = "auto",
        dtype: torch.dtype | str | None = None,
        speech_encoder: str | PathLike[str] | None = None,
        text_encoder: str | PathLike[str] | None = None,
    ) -> Self:
        """Load a model from a folder that `save_pretrained` or `erclap export` wrote, or by its hub name.

        The encoders are those that the heads were trained on, at the same commits: from the hub, its cache, or
        the folders that `speech_encoder` and `text_encoder` name. They compute in the type that they computed in
        for training, or in `dtype`. Raises ValueError for a name that leads nowhere, RuntimeError for files that
        are damaged and, when it is loaded, for an encoder that is another.
        """
        access = Access(cache_folder, local_files_only, token)
        if not isinstance(model, str | PathLike) or not str(model):
            raise ValueError(
                f"a model must be the path of a folder or a hub name, found {shown(repr(model), 60)}"
            )
        if Path(model).is_dir():
            if revision is not None:
                raise ValueError(
                    f"a local folder has no revision: remove revision {revision!r} or the folder {model}"
                )
            folder, name = Path(model), Path(model).resolve().name
        else:
            from pipeline.use.hub import fetch_model

            folder, name = fetch_model(str(model), revision, access), str(model)
        return cls(
            read_model(folder),
            name=name,
            device=device,
            dtype=dtype,
            speech_encoder=speech_encoder,
            text_encoder=text_encoder,
            access=access,
        )

    @property
    def speech(self) -> SpeechEncoder:
        """The frozen speech encoder, of statistics (N, 2F); loaded by the first thread that asks for it."""
        with self._loading["speech"]:
            if self._speech is None:
                self._speech = self._load_speech()
            return self._speech

    @property
    def text(self) -> TextEncoder:
        """The frozen text encoder; loaded by the first thread that asks for it."""
        with self._loading["text"]:
            if self._text is None:
                self._text = self._load_text()
            return self._text

    def _load_speech(self) -> SpeechEncoder:
        wanted = self.model.speech.recipe
        source, revision = self._source("speech", self.model.speech)
        encoder = SpeechEncoder.from_pretrained(
            source,
            "attentive-stats",
            revision=revision,
            access=self._access,
            padding=cast(Any, wanted.padding),
            crop_seconds=wanted.max_length,
            device=self.device,
            dtype=self._dtype or check_dtype(wanted.compute_dtype),
        )
        self._check("speech", encoder.recipe_of(cast(Pooling, wanted.pooling)), wanted)
        return encoder

    def _load_text(self) -> TextEncoder:
        wanted = self.model.text.recipe
        source, revision = self._source("text", self.model.text)
        encoder = TextEncoder.from_pretrained(
            source,
            revision=revision,
            access=self._access,
            max_tokens=int(wanted.max_length),
            device=self.device,
            dtype=self._dtype or check_dtype(wanted.compute_dtype),
        )
        self._check("text", encoder.recipe, wanted)
        return encoder

    def _source(self, kind: str, encoder: Encoder) -> tuple[str | PathLike[str], str | None]:
        named = self.encoder_folders[kind]
        if named is not None:
            return named, encoder.revision if encoder.revision and not Path(named).is_dir() else None
        if encoder.was_a_folder:
            raise ValueError(
                f"the {kind} encoder of {self.name} was a local folder, {encoder.model!r}: say where it is with "
                f"{kind}_encoder"
            )
        return encoder.model, encoder.revision

    def _check(self, kind: str, found: Recipe, wanted: Recipe) -> None:
        if replace(found, compute_dtype=wanted.compute_dtype).digest != wanted.digest:
            raise RuntimeError(
                f"{self.name} must have the {kind} encoder that its heads were trained on, {wanted.model} at "
                f"{wanted.revision:.19}, found {found.model} at {found.revision:.19}"
                + ("" if found.revision != wanted.revision else ", which reads or pools otherwise")
            )

    @property
    def crop_seconds(self) -> float:
        """How much of a recording one embedding hears, and the length of a window."""
        return float(self.model.speech.recipe.max_length)

    @property
    def embedding_size(self) -> int:
        """E, the dimensions of the space."""
        return int(self.model.heads.sizes["embedding_size"])

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits: models with the same give the same embeddings."""
        return self.model.digest

    @property
    def bank(self) -> CaptionBank:
        """The captions that `describe` chooses among. Raises RuntimeError where the model has none."""
        if self.model.bank is None:
            raise RuntimeError(
                f"{self.name} must have captions to describe by, found none: export it again, or "
                f"classify by labels"
            )
        return self.model.bank

    def embed_statistics(self, statistics: Embeddings, *, normalize: bool = True) -> Embeddings:
        """What the speech encoder made of N windows, (N, 2F), to embeddings (N, E)."""
        pooling = cast(Pooling, self.model.speech.recipe.pooling)
        return self._head("speech", self.speech.pooled(statistics, pooling), normalize)

    def attributes(self, statistics: Embeddings) -> Embeddings | None:
        """Valence, arousal, dominance on 1..7 of N windows, (N, 2F) to (N, 3); None where no encoder says."""
        return self.speech.attributes(statistics)

    def embed_sentences(self, sentences: Sequence[str], *, normalize: bool = True) -> Embeddings:
        """Sentences to embeddings (M, E)."""
        return self.embed_text_features(self.text.encode(list(sentences)), normalize=normalize)

    def embed_text_features(self, features: Embeddings, *, normalize: bool = True) -> Embeddings:
        """What the text encoder made of M sentences, (M, F), to embeddings (M, E)."""
        return self._head("text", features, normalize)

    def _head(self, kind: str, features: Embeddings, normalize: bool) -> Embeddings:
        """Each row alone and by one thread, so that no other can touch its last bit."""
        heads = self.model.heads
        embed = {"speech": heads.embed_speech, "text": heads.embed_text}[kind]
        project = embed if normalize else {"speech": heads.speech, "text": heads.text}[kind]

        @torch.inference_mode()
        def one(row: Embeddings) -> Embeddings:
            found: Embeddings = project(torch.tensor(row)[None])[0].numpy()
            return found

        with torch_threads() as pool, closing(in_order(pool, one, features, 64)) as rows:
            return np.array(list(rows), np.float32).reshape(len(features), self.embedding_size)
