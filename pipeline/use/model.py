"""`EmotionRankCLAP`: speech and sentences about how it sounds as points of one space, compared by their cosine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import pairwise
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.encoders import Access, Recording, as_sentences, as_sounds
from pipeline.support import Progress
from pipeline.use.classifying import LABEL_SENTENCE, ranked, sentences_of
from pipeline.use.embedding import Embedder
from pipeline.use.given import (
    Embeddings,
    Given,
    are_sentences,
    as_asked,
    check_count,
    cosines,
    like,
    unit_rows,
)
from pipeline.use.hearing import heard_starts, heard_windows, in_batches
from pipeline.use.hub import push
from pipeline.use.saving import write_model

ATTRIBUTES = ("valence", "arousal", "dominance")
"""The columns of `predict`."""

AT_ONCE = 32
"""Recordings or windows that are in memory, where nobody says how many."""


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

        A card that its owner has changed is kept. Raises ValueError where the folder is something else than a
        model's.
        """
        write_model(self.model, Path(folder))

    def push_to_hub(
        self,
        repo_id: str,
        *,
        token: str | None = None,
        private: bool | None = None,
        commit_message: str | None = None,
        exist_ok: bool = False,
        replace_model_card: bool = False,
        revision: str | None = None,
        create_pr: bool = False,
    ) -> str:
        """Put the model on the hub as `save_pretrained` writes it, in one commit; the address of that.

        Args:
            repo_id: owner/name, made where it is not there yet.
            token: of somebody who may write there, instead of HF_TOKEN.
            private: whether only its owner sees it, where it is made.
            exist_ok: whether it may be there already.
            replace_model_card: whether a card that is there is replaced.
            revision: the branch to write to, made where there is none.
            create_pr: propose the commit instead, in a repository that is there; the proposal's address.

        Raises ValueError for a name that cannot be pushed to, RuntimeError where the hub refuses or does not
        answer. Nothing is written to this machine's disk.
        """
        return push(
            self.model,
            repo_id,
            access=Access(token=token),
            private=private,
            commit_message=commit_message,
            exist_ok=exist_ok,
            replace_model_card=replace_model_card,
            revision=revision,
            create_pr=create_pr,
        )

    def encode_speech(
        self,
        inputs: Recording | Sequence[Recording],
        *,
        sampling_rate: int | None = None,
        windows: bool = False,
        hop_seconds: float | None = None,
        batch_size: int = AT_ONCE,
        show_progress_bar: bool | None = None,
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
        size = check_count(batch_size, "batch_size")
        if hop_seconds is not None and not windows:
            raise ValueError("hop_seconds must come with windows=True, found it alone")
        seconds = self.crop_seconds
        heard = heard_windows(sounds, seconds, hop_seconds) if windows else heard_starts(sounds, seconds)
        told = Progress("speech", len(sounds), "recordings") if show_progress_bar else nullcontext()
        places, spans, rows = [], [], [np.empty((0, self.embedding_size), np.float32)]
        with told as progress:
            for batch in in_batches(heard, size):
                statistics = self._statistics([window.waveform for _, window in batch])
                rows.append(self.embed_statistics(statistics, normalize=normalize_embeddings))
                places += [place for place, _ in batch]
                spans += [(window.start, window.end) for _, window in batch]
                if progress is not None:
                    progress.to(places[-1] + (not windows))
            if progress is not None:
                progress.to(len(sounds))
        embeddings = as_asked(np.concatenate(rows), convert_to_tensor)
        if not windows:
            return embeddings[0] if alone else embeddings
        ends = np.searchsorted(places, range(len(sounds)), side="right").tolist()
        at = np.array(spans, np.float64).reshape(-1, 2)
        each = [Windows(embeddings[first:end], *at[first:end].T) for first, end in pairwise([0, *ends])]
        return each[0] if alone else each

    def encode_text(
        self,
        inputs: str | Iterable[str],
        *,
        batch_size: int = 1024,
        show_progress_bar: bool | None = None,
        convert_to_tensor: bool = False,
        normalize_embeddings: bool = True,
    ) -> Any:
        """Sentences to embeddings (M, E) float32, and a single one to (E,); options as of `encode_speech`.

        Raises ValueError, which says which one, for an empty sentence and for what is none.
        """
        sentences, alone = as_sentences(inputs)
        size = check_count(batch_size, "batch_size")
        told = Progress("text", len(sentences), "sentences") if show_progress_bar else nullcontext()
        rows = [np.empty((0, self.embedding_size), np.float32)]
        with told as progress:
            for batch in in_batches(iter(sentences), size):
                rows.append(self.embed_sentences(batch, normalize=normalize_embeddings))
                if progress is not None:
                    progress.advance(len(batch))
        embeddings = as_asked(np.concatenate(rows), convert_to_tensor)
        return embeddings[0] if alone else embeddings

    encode_document = encode_speech
    encode_query = encode_text

    def similarity(self, a: Given, b: Given) -> Any:
        """The cosine of each of N embeddings with each of M, (N, M), from -1 to 1; a tensor where one is given.

        A single embedding (E,) counts as one of one. An embedding of zeros, of which a head says nothing, has 0.
        """
        left, right = self._rows(a, "a"), self._rows(b, "b")
        return like(np.clip(left @ right.T, -1, 1), a, b)

    def similarity_pairwise(self, a: Given, b: Given) -> Any:
        """The cosine of each embedding with that in its place, (N,), from -1 to 1."""
        left, right = self._rows(a, "a"), self._rows(b, "b")
        if len(left) != len(right):
            raise ValueError(f"a and b must have as many embeddings, found {len(left)} and {len(right)}")
        return like(np.clip((left * right).sum(axis=1), -1, 1), a, b)

    def search(
        self, query: str | Sequence[str] | Given, embeddings: Given, top_k: int = 10
    ) -> list[list[dict[str, Any]]]:
        """For each query, the nearest of N embeddings, best first: `{"corpus_id": row, "score": cosine}`.

        `query` is a sentence, several, or embeddings. An exact search; of equal scores the earlier row is first.
        """
        count, rows = check_count(top_k, "top_k"), self._rows(embeddings, "embeddings")
        asked = self.encode_text(query) if are_sentences(query) else query
        found = []
        for one in self._rows(asked, "query"):
            scores = cosines(rows, one)
            best = np.argsort(-scores, kind="stable")[:count].tolist()
            found.append([{"corpus_id": place, "score": float(scores[place])} for place in best])
        return found

    def predict(self, speech: Any, *, sampling_rate: int | None = None) -> Embeddings:
        """Valence, arousal and dominance on 1..7, (N, 3), and of a single recording (3,): see `ATTRIBUTES`.

        By the speech encoder's own regressor, which is what it was fine-tuned for; the heads have no part in it.
        Raises RuntimeError where it has none.
        """
        sounds, alone = as_sounds(speech, sampling_rate, called="speech")
        told = [np.empty((0, len(ATTRIBUTES)), np.float32)]
        for batch in in_batches(heard_starts(sounds, self.crop_seconds), AT_ONCE):
            rows = self.attributes(self._statistics([window.waveform for _, window in batch]))
            if rows is None:
                raise RuntimeError(
                    f"the speech encoder of {self.name} must say valence, arousal and dominance, found that it "
                    f"says something else"
                )
            told.append(rows)
        predicted: Embeddings = np.concatenate(told)
        return predicted[0] if alone else predicted

    def describe(self, speech: Any, top_k: int = 5, *, sampling_rate: int | None = None) -> Any:
        """The captions that suit each recording best: `{"text", "score", "valence", "arousal"}`, best first.

        A list for a single recording, and a list of them for several. The captions are those of the model's bank,
        with the valence and arousal that each describes, on 0.5..7; a score is a cosine.
        """
        count, bank = check_count(top_k, "top_k"), self.bank
        embeddings = self.encode_speech(speech, sampling_rate=sampling_rate)
        told = [bank.described(embedding, count) for embedding in np.atleast_2d(embeddings)]
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
        sentences = sentences_of(labels, template)
        temperature = float(self.model.heads.temperature)
        texts = self.encode_text(list(sentences.values()))
        embeddings = self.encode_speech(speech, sampling_rate=sampling_rate)
        told = [
            ranked(list(sentences), cosines(texts, embedding), temperature)
            for embedding in np.atleast_2d(embeddings)
        ]
        return told[0] if embeddings.ndim == 1 else told

    def _statistics(self, waveforms: Sequence[Any]) -> Embeddings:
        statistics = self.speech.encode_heard(waveforms)
        if not np.isfinite(statistics).all():
            raise RuntimeError(
                "a recording must have features of finite numbers, found others: the speech encoder's weights are "
                "damaged, or overflow in this type"
            )
        return statistics

    def _rows(self, given: object, name: str) -> Embeddings:
        return unit_rows(given, self.embedding_size, name)
