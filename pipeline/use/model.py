"""`EmotionRankCLAP`: speech and sentences about how it sounds as points of one space, compared by their cosine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline.encoders import Recording, as_sentences, as_sounds
from pipeline.support import Progress
from pipeline.use.embedding import Embedder, Embeddings
from pipeline.use.folder import write_model
from pipeline.use.hearing import heard_starts, heard_windows, in_batches

Given = Embeddings | Tensor | Sequence[Any]
"""Embeddings as an array, a tensor or a list."""

ATTRIBUTES = ("valence", "arousal", "dominance")
"""The columns of `predict`."""

LABEL_SENTENCE = "The person is speaking in a way that sounds {}."
"""What `classify` makes of a label."""


@dataclass(frozen=True)
class Windows:
    """A recording in windows, W of them."""

    embeddings: Embeddings
    """(W, E)"""
    start: npt.NDArray[np.float64]
    """(W,) seconds into the recording."""
    end: npt.NDArray[np.float64]
    """(W,)"""


class EmotionRankCLAP(Embedder):
    """A trained model: two frozen encoders, loaded when they are first needed, and two small heads.

    `from_pretrained` loads one. On a CPU what it makes of a recording or a sentence is the same to the last bit
    alone, among others, and in any order.
    """

    def save_pretrained(self, folder: str | PathLike[str]) -> None:
        """Write the model as a folder: its heads, what they are, its captions and a card; no encoder.

        A card that is there is kept.
        """
        from pipeline.use.card import write_card

        write_model(self.model, Path(folder))
        write_card(self.model, Path(folder))

    def encode_speech(
        self,
        inputs: Recording | Sequence[Recording],
        *,
        sampling_rate: int | None = None,
        windows: bool = False,
        hop_seconds: float | None = None,
        batch_size: int = 32,
        show_progress_bar: bool = False,
        convert_to_tensor: bool = False,
        normalize_embeddings: bool = True,
    ) -> Any:
        """Recordings to embeddings (N, E) float32, and a single one to (E,).

        Args:
            inputs: a recording or a list of N. A recording is the path of a file, of any rate and number of
                channels; `{"array": samples, "sampling_rate": rate}`; a pair of both; or samples alone:
                (samples,), (channels, samples) or (samples, channels), of floats in -1..1 or PCM of int16,
                int32 or uint8.
            sampling_rate: in Hz, of samples that come alone.
            windows: embed all of a recording, in windows as long as what one embedding hears, one every
                `hop_seconds` (by default end to end), and return `Windows`, or a list of N. Otherwise a longer
                recording is cropped, with a warning.
            batch_size: recordings or windows that are in memory, and on a GPU computed, at once.
            convert_to_tensor: a tensor instead of an array.
            normalize_embeddings: to length one, as the model was trained.

        Raises ValueError, which says which recording, for one that cannot be heard, and RuntimeError where a
        feature is not finite.
        """
        sounds, alone = as_sounds(inputs, sampling_rate, called="inputs")
        _check_size(batch_size, "batch_size")
        if hop_seconds is not None and not windows:
            raise ValueError("hop_seconds must come with windows=True, found it alone")
        seconds = self.crop_seconds
        heard = heard_windows(sounds, seconds, hop_seconds) if windows else heard_starts(sounds, seconds)
        told = Progress("speech", len(sounds), "recordings") if show_progress_bar else nullcontext()
        places, spans, rows = [], [], [np.empty((0, self.embedding_size), np.float32)]
        with told as progress:
            for batch in in_batches(heard, batch_size):
                rows.append(self._embedded([window.waveform for _, window in batch], normalize_embeddings))
                places += [place for place, _ in batch]
                spans += [(window.start, window.end) for _, window in batch]
                if progress is not None:
                    progress.to(places[-1] + (not windows))
            if progress is not None:
                progress.to(len(sounds))
        embeddings = _as_asked(np.concatenate(rows), convert_to_tensor)
        if not windows:
            return embeddings[0] if alone else embeddings
        of, at = np.array(places, np.int64), np.array(spans, np.float64).reshape(-1, 2)
        each = [Windows(embeddings[of == place], *at[of == place].T) for place in range(len(sounds))]
        return each[0] if alone else each

    def encode_text(
        self,
        inputs: str | Iterable[str],
        *,
        batch_size: int = 1024,
        show_progress_bar: bool = False,
        convert_to_tensor: bool = False,
        normalize_embeddings: bool = True,
    ) -> Any:
        """Sentences to embeddings (M, E) float32, and a single one to (E,); options as of `encode_speech`.

        Raises ValueError, which says which one, for an empty sentence and for what is none.
        """
        sentences, alone = as_sentences(inputs)
        _check_size(batch_size, "batch_size")
        told = Progress("text", len(sentences), "sentences") if show_progress_bar else nullcontext()
        rows = [np.empty((0, self.embedding_size), np.float32)]
        with told as progress:
            for batch in in_batches(iter(sentences), batch_size):
                rows.append(self.embed_sentences(batch, normalize=normalize_embeddings))
                if progress is not None:
                    progress.advance(len(batch))
        embeddings = _as_asked(np.concatenate(rows), convert_to_tensor)
        return embeddings[0] if alone else embeddings

    encode_document = encode_speech
    encode_query = encode_text

    def similarity(self, a: Given, b: Given) -> Any:
        """The cosine of each of N embeddings with each of M, (N, M), from -1 to 1; a tensor where one is given.

        A single embedding (E,) counts as one of one. An embedding of zeros, of which a head says nothing, has 0.
        """
        left, right = self._unit(a, "a"), self._unit(b, "b")
        return _as_asked(left @ right.T, isinstance(a, Tensor) or isinstance(b, Tensor))

    def similarity_pairwise(self, a: Given, b: Given) -> Any:
        """The cosine of each embedding with that in its place, (N,), from -1 to 1."""
        left, right = self._unit(a, "a"), self._unit(b, "b")
        if len(left) != len(right):
            raise ValueError(f"a and b must have as many embeddings, found {len(left)} and {len(right)}")
        return _as_asked((left * right).sum(axis=1), isinstance(a, Tensor) or isinstance(b, Tensor))

    def search(
        self, query: str | Iterable[str] | Given, embeddings: Given, top_k: int = 10
    ) -> list[list[dict[str, Any]]]:
        """For each query, the nearest of N embeddings, best first: `{"corpus_id": row, "score": cosine}`.

        `query` is a sentence, several, or embeddings. An exact search; of equal scores the earlier row is first.
        """
        _check_size(top_k, "top_k")
        is_text = isinstance(query, str) or (
            isinstance(query, Sequence) and all(isinstance(one, str) for one in query)
        )
        asked = self.encode_text(cast(Any, query)) if is_text else cast(Given, query)
        scores = self._unit(asked, "query") @ self._unit(embeddings, "embeddings").T
        best = np.argsort(-scores, axis=1, kind="stable")[:, :top_k]
        return [
            [{"corpus_id": int(place), "score": float(row[place])} for place in places]
            for row, places in zip(scores, best, strict=True)
        ]

    def predict(self, speech: Any, *, sampling_rate: int | None = None) -> Embeddings:
        """Valence, arousal and dominance on 1..7, (N, 3), and of a single recording (3,): see `ATTRIBUTES`.

        By the speech encoder's own regressor, which is what it was fine-tuned for; the heads have no part in it.
        Raises RuntimeError where it has none.
        """
        sounds, alone = as_sounds(speech, sampling_rate, called="speech")
        waveforms = [window.waveform for _, window in heard_starts(sounds, self.crop_seconds)]
        told = self.attributes(self._statistics(waveforms))
        if told is None:
            raise RuntimeError(
                f"the speech encoder of {self.name} must say valence, arousal and dominance, found that it says "
                f"something else"
            )
        return cast(Embeddings, told[0]) if alone else told

    def describe(self, speech: Any, top_k: int = 5, *, sampling_rate: int | None = None) -> Any:
        """The captions that suit each recording best: `{"text", "score", "valence", "arousal"}`, best first.

        A list for a single recording, and a list of them for several. The captions are those of the model's bank,
        with the valence and arousal that each describes, on 0.5..7; a score is a cosine.
        """
        _check_size(top_k, "top_k")
        bank, embeddings = self.bank, self.encode_speech(speech, sampling_rate=sampling_rate)
        told = [bank.described(embedding, top_k) for embedding in np.atleast_2d(embeddings)]
        return told[0] if embeddings.ndim == 1 else told

    def classify(
        self,
        speech: Any,
        labels: Sequence[str] | Mapping[str, str],
        *,
        template: str = LABEL_SENTENCE,
        sampling_rate: int | None = None,
    ) -> Any:
        """Each label with its cosine and its share, best first: `{"label", "score", "share"}`.

        A list for a single recording, and a list of them for several. `labels` are words that go into `template`,
        or `{label: sentence}`. Shares add up to one: the softmax of the cosines over the temperature of the
        heads. They are no calibrated probabilities.
        """
        if isinstance(labels, Mapping):
            sentences = {str(label): str(sentence) for label, sentence in labels.items()}
        else:
            if isinstance(labels, str) or "{}" not in template:
                raise ValueError(
                    "labels must be a list of words, and template hold a {} for one, found others"
                )
            sentences = {label: template.replace("{}", label) for label in labels}
        if not sentences:
            raise ValueError("labels must be one or more, found none")
        embeddings = self.encode_speech(speech, sampling_rate=sampling_rate)
        cosines = np.atleast_2d(embeddings) @ self.encode_text(list(sentences.values())).T
        scaled = cosines.astype(np.float64) / float(self.model.heads.temperature)
        shares = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        told = [
            sorted(
                (
                    {"label": label, "score": float(cosine), "share": float(share)}
                    for label, cosine, share in zip(sentences, row, of_row, strict=True)
                ),
                key=lambda one: -cast(float, one["score"]),
            )
            for row, of_row in zip(cosines, shares, strict=True)
        ]
        return told[0] if embeddings.ndim == 1 else told

    def _statistics(self, waveforms: Sequence[Any]) -> Embeddings:
        return self.speech.encode_heard(waveforms)

    def _embedded(self, waveforms: Sequence[Any], normalize: bool) -> Embeddings:
        statistics = self._statistics(waveforms)
        if not np.isfinite(statistics).all():
            raise RuntimeError(
                "a recording must have features of finite numbers, found others: the speech encoder's weights are "
                "damaged, or overflow in this type"
            )
        return self.embed_statistics(statistics, normalize=normalize)

    def _unit(self, given: Given, name: str) -> Embeddings:
        """Embeddings (N, E) of length one, or zeros."""
        array = given.detach().cpu().numpy() if isinstance(given, Tensor) else np.asarray(given)
        if (
            array.dtype.kind not in "fiu"
            or array.ndim not in (1, 2)
            or array.shape[-1] != self.embedding_size
        ):
            raise ValueError(
                f"{name} must be embeddings ({self.embedding_size},) or (N, {self.embedding_size}), found "
                f"{array.shape} of {array.dtype}"
            )
        rows = np.atleast_2d(array.astype(np.float32))
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        return cast(Embeddings, rows / np.where(lengths > 0, lengths, 1))


def _check_size(number: object, name: str) -> None:
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise ValueError(f"{name} must be a whole number above 0, found {number!r:.60}")


def _as_asked(array: npt.NDArray[Any], as_tensor: bool) -> Any:
    return torch.from_numpy(np.ascontiguousarray(array)) if as_tensor else array
