"""The frozen speech encoder: waveforms to pooled features.

On a CPU every clip is computed alone, unpadded and by one thread, several clips at once: nothing of a batch can
touch a feature, to the last bit. On a GPU clips of like length are computed together, while the next batch is
copied there.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Literal, cast, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline.audio import MIN_SAMPLES, SAMPLING_RATE, Waveform
from pipeline.encoders.asking import ANYBODY, Access
from pipeline.encoders.batching import batches_by_length
from pipeline.encoders.checkpoint import Checkpoint, exactly, locate
from pipeline.encoders.hub import Revision
from pipeline.encoders.inputs import Recording, as_waveforms, check_finite
from pipeline.encoders.published import WavLM
from pipeline.encoders.recipes import speech_recipe
from pipeline.encoders.ser import ATTRIBUTES, SERModel
from pipeline.encoders.ser_loading import load_ser_model
from pipeline.encoders.transfer import Transfers, halving, one_ahead
from pipeline.encoders.wavlm import FrozenWavLM
from pipeline.manifest import LABEL_MAX, LABEL_MIN
from pipeline.recipe import Recipe
from pipeline.support import check_device, check_dtype, in_order, torch_threads

Pooling = Literal["attentive-mean", "attentive-std", "attentive-stats", "regressor-hidden"]
Padding = Literal["masked", "literal"]
Features = npt.NDArray[np.float32]

BATCH_SECONDS = 320.0
"""Of padded speech at once on a GPU: by count of the activations some 5 GB at WavLM-large in bfloat16."""

CROP_AT_LEAST = MIN_SAMPLES / SAMPLING_RATE

FRAMES_A_STEP = 8
"""Batches on a GPU are padded to a multiple of so many frames: few shapes, and rows that kernels can read."""


class SpeechEncoder:
    """A WavLM fine-tuned for dimensional emotion, frozen, whose frames are pooled to one vector a clip."""

    def __init__(
        self,
        model: SERModel,
        checkpoint: Checkpoint,
        *,
        pooling: Pooling = "attentive-mean",
        padding: Padding = "masked",
        crop_seconds: float = 10.0,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        batch_seconds: float = BATCH_SECONDS,
        compiled: bool = False,
    ) -> None:
        if pooling not in get_args(Pooling):
            raise ValueError(f"pooling must be one of {', '.join(get_args(Pooling))}, found {pooling!r}")
        if padding not in get_args(Padding):
            raise ValueError(f"padding must be one of {', '.join(get_args(Padding))}, found {padding!r}")
        self.device, self.dtype = check_device(device), check_dtype(dtype)
        if not isinstance(crop_seconds, int | float) or not CROP_AT_LEAST <= crop_seconds < math.inf:
            raise ValueError(
                f"crop_seconds must be at least {CROP_AT_LEAST} and finite, found {crop_seconds!r}"
            )
        self.pooling, self.padding, self.crop_seconds = pooling, padding, float(crop_seconds)
        self.batch_seconds = batch_seconds
        self.config = model.config
        backbone = cast(WavLM, model.ssl_model)
        self.wavlm = FrozenWavLM(backbone, device=self.device, dtype=self.dtype, compiled=compiled)
        self._statistics = model.pool_model.to(self.device).eval().requires_grad_(False)
        self._regressor = model.ser_model.to(self.device).eval().requires_grad_(False)
        self._transfers = Transfers(self.device)
        self._checkpoint = checkpoint
        self.recipe = self.recipe_of(pooling)

    def recipe_of(self, pooling: Pooling) -> Recipe:
        """The recipe of this encoder's features by any pooling."""
        return speech_recipe(
            self._checkpoint,
            self.config.hidden_size,
            pooling=pooling,
            padding=self.padding,
            crop_seconds=self.crop_seconds,
            compute_dtype=str(self.dtype).removeprefix("torch."),
        )

    @classmethod
    def from_pretrained(
        cls,
        model: str | os.PathLike[str],
        pooling: Pooling = "attentive-mean",
        *,
        revision: Revision = None,
        access: Access = ANYBODY,
        padding: Padding = "masked",
        crop_seconds: float = 10.0,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        batch_seconds: float = BATCH_SECONDS,
        compiled: bool = False,
    ) -> SpeechEncoder:
        """Load a SERModel checkpoint from a builtin name, a local folder or a hub name with a revision.

        A revision may be several, which hold the same weights, and `access` says how a hub is asked: see
        `pipeline.encoders.hub`.

        `pooling` over the last layer's frames, F the model's size: `attentive-mean` and `attentive-std` (F),
        `attentive-stats` (2F), `regressor-hidden` (F, the layer before the emotion outputs). `padding`:
        `masked`, where padding is invisible and a clip has one feature vector, alone or in any batch; or
        `literal`, zeros up to `crop_seconds` that the encoder hears. On a GPU `batch_seconds` of padded speech
        go through the model at once. `compiled` has torch compile the norms and the gated position bias, which
        takes a C compiler and half a minute.

        Raises ValueError for a name that leads nowhere and RuntimeError for a checkpoint with a tensor
        missing or left over.
        """
        device, dtype = check_device(device), check_dtype(dtype)
        checkpoint = locate(model, revision, access)
        return cls(
            load_ser_model(checkpoint),
            checkpoint,
            pooling=pooling,
            padding=padding,
            crop_seconds=crop_seconds,
            device=device,
            dtype=dtype,
            batch_seconds=batch_seconds,
            compiled=compiled,
        )

    def encode(
        self, waveforms: Recording | Sequence[Recording], sampling_rate: int = SAMPLING_RATE
    ) -> Features:
        """Pool recordings to features (N, F) float32, and a single one to (F,).

        Args:
            waveforms: a list of N recordings, an array (N, samples), or one recording. A recording is an array,
                list or tensor, (samples,), (channels, samples) or (samples, channels), of floats in -1..1 or of
                PCM as int16, int32 or uint8; or the path of a file. Channels are averaged. An array (2, samples)
                alone is two recordings.
            sampling_rate: of the arrays, in Hz; other rates than 16 kHz are resampled. A file has its own.

        Longer clips are cropped. Raises ValueError, which says which one, for a clip under 25 ms, silent, or with
        a sample that is not finite, and for what is no recording; RuntimeError where a feature is not finite.
        """
        heard, alone = as_waveforms(waveforms, sampling_rate, self.crop_seconds)
        features = self.encode_heard(heard)
        check_finite(features, "waveforms")
        return features[0] if alone else features

    def encode_heard(self, heard: Sequence[Waveform]) -> Features:
        """The features (N, F) of cropped, audible waveforms at 16 kHz, in their order."""
        features = np.empty((len(heard), self.recipe.feature_size), dtype=np.float32)
        batches = list(self.batches([len(waveform) / SAMPLING_RATE for waveform in heard]))
        encoded = self.encode_batches([[heard[i] for i in batch] for batch in batches])
        for batch, rows in zip(batches, encoded, strict=True):
            features[batch] = rows
        return features

    def batches(self, seconds: npt.ArrayLike) -> Iterator[list[int]]:
        """Which clips of these lengths go through the model together, by their indices, longest first."""
        heard = np.minimum(np.asarray(seconds, np.float64), self.crop_seconds)
        if self.padding == "literal":
            heard[:] = self.crop_seconds
        if self.device.type == "cpu":
            return batches_by_length(heard, 0.0)
        samples = np.fromiter(
            (self._padded_samples(max(MIN_SAMPLES, round(s * SAMPLING_RATE))) for s in heard), np.int64
        )
        return batches_by_length(samples, self.batch_seconds * SAMPLING_RATE)

    def encode_batches(self, batches: Iterable[Sequence[Waveform]]) -> Generator[Features]:
        """The features (N, F) of each batch of cropped, audible waveforms, in the batches' order.

        Batches are taken as they are needed, so that an endless number of them costs no memory. Raises
        RuntimeError where the device has not the memory for a single clip.
        """
        if self.device.type == "cpu":
            with (
                torch_threads() as pool,
                closing(in_order(pool, self._alone, batches, 2 * torch.get_num_threads())) as rows,
            ):
                yield from rows
        else:
            yield from one_ahead(self._start, batches)

    def _alone(self, batch: Sequence[Waveform]) -> Features:
        rows = [self._start([waveform])() for waveform in batch]
        return np.concatenate([np.empty((0, self.recipe.feature_size), np.float32), *rows])

    def _start(self, waveforms: Sequence[Waveform]) -> Callable[[], Features]:
        """Put a batch to work, and return what waits for its features."""
        if not waveforms:
            return lambda: np.empty((0, self.recipe.feature_size), np.float32)
        try:
            return halving(self._compute, waveforms)
        except torch.OutOfMemoryError as error:
            raise RuntimeError(
                f"{self.device} must have the memory for a clip of {self.crop_seconds:g} s, it has not: "
                f"free some, or set extract.compute_dtype to bfloat16"
            ) from error

    @torch.inference_mode()
    def _compute(self, waveforms: Sequence[Waveform]) -> Callable[[], Features]:
        lengths = [len(waveform) for waveform in waveforms]
        if self.padding == "literal":
            lengths = [round(self.crop_seconds * SAMPLING_RATE)] * len(lengths)
        samples = self._padded_samples(max(lengths))
        padded = self._transfers.zeros(len(waveforms), samples)
        for row, waveform in zip(padded, waveforms, strict=True):
            row[: len(waveform)] = torch.from_numpy(waveform)
        heard_whole = all(length == samples for length in lengths)
        with exactly(self.device):
            normalised = self.config.normalise(self._transfers.there(padded))
            frames, heard = self.wavlm(normalised, None if heard_whole else lengths)
            return self._transfers.back(self._pool(frames, heard))

    def _padded_samples(self, longest: int) -> int:
        """How long a batch is in samples, whose longest clip has so many."""
        if self.device.type == "cpu":
            return longest
        front_end = self.wavlm.front_end
        frames = -(-front_end.frame_count(longest) // FRAMES_A_STEP) * FRAMES_A_STEP
        return max(front_end.sample_count(frames), longest)

    def _pool(self, frames: Tensor, heard: Tensor | None) -> Tensor:
        """Frames (N, T, F) to features, in float32 whatever the encoder computed in."""
        mean: Tensor
        deviation: Tensor
        mean, deviation = self._statistics(frames, heard)
        if self.pooling == "attentive-mean":
            return mean
        if self.pooling == "attentive-std":
            return deviation
        statistics = torch.cat([mean, deviation], dim=1)
        return statistics if self.pooling == "attentive-stats" else self._regressor.hidden(statistics)

    def pooled(self, statistics: Features, pooling: Pooling) -> Features:
        """What another pooling makes of the features `attentive-stats` (N, 2F), by each row alone."""
        half = self.config.hidden_size
        if pooling == "attentive-stats":
            return statistics
        if pooling == "regressor-hidden":
            return self._by_row(self._regressor.hidden, statistics, half)
        return statistics[:, :half] if pooling == "attentive-mean" else statistics[:, half:]

    def attributes(self, statistics: Features) -> Features | None:
        """Valence, arousal and dominance on 1..7 of the features `attentive-stats`: (N, 2F) to (N, 3).

        By what the checkpoint was fine-tuned for; None where that was something else.
        """
        if self.config.num_classes != len(ATTRIBUTES):
            return None
        order = [ATTRIBUTES.index(name) for name in ("valence", "arousal", "dominance")]
        told = self._by_row(self._regressor, statistics, len(order))[:, order]
        scaled: Features = np.clip(LABEL_MIN + told * (LABEL_MAX - LABEL_MIN), LABEL_MIN, LABEL_MAX)
        return scaled

    def _by_row(self, told: Callable[[Tensor], Tensor], rows: Features, size: int) -> Features:
        """Each row alone and by one thread, so that no other can touch its last bit."""

        @torch.inference_mode()
        def one(row: Features) -> Features:
            with exactly(self.device):
                there = torch.from_numpy(np.array(row, np.float32))[None].to(self.device)
                found: Features = told(there)[0].cpu().numpy()
            return found

        with torch_threads() as pool, closing(in_order(pool, one, rows, 64)) as found:
            return np.array(list(found), np.float32).reshape(len(rows), size)
