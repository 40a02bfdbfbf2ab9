"""The frozen speech encoder: waveforms to pooled features.

On a CPU every clip is computed alone, unpadded and by one thread, several clips at once: nothing of a batch can
touch a feature, to the last bit. On a GPU clips of like length are computed together, while the next batch is
copied there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline.audio import SAMPLING_RATE, Waveform, check_audible, crop
from pipeline.encoders.batching import batches_by_length
from pipeline.encoders.checkpoint import Checkpoint, exactly, load_exactly, locate
from pipeline.encoders.ser import SERConfig, SERModel
from pipeline.encoders.wavlm import FrozenWavLM
from pipeline.parallel import in_order, torch_threads
from pipeline.recipe import Recipe

Pooling = Literal["attentive-mean", "attentive-std", "attentive-stats", "regressor-hidden"]
Padding = Literal["masked", "literal"]
Features = npt.NDArray[np.float32]

BATCH_SECONDS = 320.0
"""Of padded speech at once on a GPU: some 5 GB at WavLM-large in bfloat16."""

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
        self.device, self.dtype = torch.device(device), dtype
        self.pooling, self.padding, self.crop_seconds = pooling, padding, float(crop_seconds)
        self.batch_seconds = batch_seconds
        self.config = model.config
        self.wavlm = FrozenWavLM(model.ssl_model, device=self.device, dtype=dtype, compiled=compiled)
        self._statistics = model.pool_model.to(self.device).eval().requires_grad_(False)
        self._regressor = model.ser_model.to(self.device).eval().requires_grad_(False)
        self._copies: torch.cuda.Stream | None = None
        if self.device.type == "cuda":
            self._copies = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
        self.recipe = Recipe(
            modality="speech",
            model=checkpoint.model,
            revision=checkpoint.revision,
            feature_size=model.config.hidden_size * (2 if pooling == "attentive-stats" else 1),
            pooling=pooling,
            padding=padding,
            max_length=self.crop_seconds,
            compute_dtype=str(dtype).removeprefix("torch."),
        )

    @classmethod
    def from_pretrained(
        cls,
        model: str,
        pooling: Pooling = "attentive-mean",
        *,
        revision: str | None = None,
        padding: Padding = "masked",
        crop_seconds: float = 10.0,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        batch_seconds: float = BATCH_SECONDS,
        compiled: bool = False,
    ) -> SpeechEncoder:
        """Load a SERModel checkpoint from a builtin name, a local folder or a hub name with a revision.

        `pooling` over the last layer's frames, F the model's size: `attentive-mean` and `attentive-std` (F),
        `attentive-stats` (2F), `regressor-hidden` (F, the layer before the emotion outputs). `padding`:
        `masked`, where padding is invisible and a clip has one feature vector, alone or in any batch; or
        `literal`, zeros up to `crop_seconds` that the encoder hears. On a GPU `batch_seconds` of padded speech
        go through the model at once. `compiled` has torch compile what lies between the products, which takes
        a C compiler and half a minute.

        Raises ValueError for a name that leads nowhere and RuntimeError for a checkpoint with a tensor
        missing or left over.
        """
        checkpoint = locate(model, revision)
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

    def encode(self, waveforms: Sequence[Waveform]) -> Features:
        """Pool waveforms, each (samples,) mono at 16 kHz in -1..1, to features (N, F) float32.

        Longer clips are cropped. Raises ValueError for a clip under 25 ms, silent, or with a sample that is
        not finite.
        """
        features = np.empty((len(waveforms), self.recipe.feature_size), dtype=np.float32)
        heard = [crop(np.asarray(waveform, dtype=np.float32), self.crop_seconds) for waveform in waveforms]
        for waveform in heard:
            check_audible(waveform)
        batches = self.batches([len(waveform) / SAMPLING_RATE for waveform in heard])
        encoded = self.encode_batches([[heard[i] for i in batch] for batch in batches])
        for batch, rows in zip(batches, encoded, strict=True):
            features[batch] = rows
        return features

    def batches(self, seconds: Sequence[float]) -> list[list[int]]:
        """Which clips of these lengths go through the model together, by their indices, longest first."""
        heard = [min(length, self.crop_seconds) for length in seconds]
        if self.padding == "literal":
            heard = [self.crop_seconds] * len(heard)
        return list(batches_by_length(heard, self.batch_seconds if self.device.type == "cuda" else 0.0))

    def encode_batches(self, batches: Iterable[Sequence[Waveform]]) -> Iterator[Features]:
        """The features (N, F) of each batch of cropped, audible waveforms, in the batches' order.

        Batches are taken as they are needed, so that an endless number of them costs no memory.
        """
        if self.device.type == "cpu":
            yield from self._encode_on_threads(batches)
            return
        ready: Callable[[], Features] | None = None
        for batch in batches:
            started = self._start(batch)  # while the device is at the one before
            if ready is not None:
                yield ready()
            ready = started
        if ready is not None:
            yield ready()

    def _encode_on_threads(self, batches: Iterable[Sequence[Waveform]]) -> Iterator[Features]:
        def encode(batch: Sequence[Waveform]) -> Features:
            rows = [self._start([waveform])() for waveform in batch]
            return np.concatenate([np.empty((0, self.recipe.feature_size), np.float32), *rows])

        with torch_threads() as pool:
            yield from in_order(pool, encode, batches, 2 * torch.get_num_threads())

    def _start(self, waveforms: Sequence[Waveform]) -> Callable[[], Features]:
        """Put a batch to work, and return what waits for its features.

        A batch that the GPU's memory cannot take is taken in two halves.
        """
        if not waveforms:
            return lambda: np.empty((0, self.recipe.feature_size), np.float32)
        try:
            return self._compute(waveforms)
        except torch.OutOfMemoryError as error:
            if len(waveforms) == 1:
                raise RuntimeError(
                    f"{self.device} must have the memory for a clip of {self.crop_seconds:g} s, it has not: "
                    f"free some, or set extract.compute_dtype to bfloat16"
                ) from error
        torch.cuda.empty_cache()
        half = len(waveforms) // 2
        rows = [self._start(part)() for part in (waveforms[:half], waveforms[half:])]
        return lambda: np.concatenate(rows)

    @torch.inference_mode()
    def _compute(self, waveforms: Sequence[Waveform]) -> Callable[[], Features]:
        lengths, padded = self._pad(waveforms)
        with exactly(self.device):
            frames, heard = self.wavlm(self.config.normalise(self._copied(padded)), lengths)
            features = self._pool(frames, heard)
        if self._copies is None:
            return features.numpy
        result = torch.empty(features.shape, pin_memory=True)
        result.copy_(features, non_blocking=True)
        arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
        arrived.record()

        def wait() -> Features:
            arrived.synchronize()
            return result.numpy()

        return wait

    def _pad(self, waveforms: Sequence[Waveform]) -> tuple[list[int] | None, Tensor]:
        """The samples heard of each, None where all are heard whole, and the padded waveforms (N, samples)."""
        lengths = [len(waveform) for waveform in waveforms]
        if self.padding == "literal":
            longest = round(self.crop_seconds * SAMPLING_RATE)
        elif self._copies is None:
            longest = max(lengths)
        else:
            frames = -(-self.wavlm.front_end.frame_count(max(lengths)) // FRAMES_A_STEP) * FRAMES_A_STEP
            longest = max(self.wavlm.front_end.sample_count(frames), max(lengths))
        padded = torch.zeros(len(waveforms), longest, pin_memory=self._copies is not None)
        for row, waveform in zip(padded, waveforms, strict=True):
            row[: len(waveform)] = torch.from_numpy(waveform)
        heard_whole = self.padding == "literal" or all(length == longest for length in lengths)
        return (None if heard_whole else lengths), padded

    def _copied(self, padded: Tensor) -> Tensor:
        if self._copies is None:
            return padded
        with torch.cuda.stream(self._copies):
            there = padded.to(self.device, non_blocking=True)
        torch.cuda.current_stream(self.device).wait_stream(self._copies)
        there.record_stream(torch.cuda.current_stream(self.device))
        return there

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


def load_ser_model(checkpoint: Checkpoint) -> SERModel:
    """Build and load a SERModel. Raises RuntimeError where config.json or the tensors do not fit."""
    written = checkpoint.config
    if written.get("model_type") != "ser":
        raise RuntimeError(
            f"a speech encoder's config.json must say model_type 'ser', "
            f"found {written.get('model_type')!r} in {checkpoint.folder}"
        )
    known = {field.name for field in fields(SERConfig)}
    try:
        config = SERConfig(**{name: value for name, value in written.items() if name in known})
        tensors = {_today(name): tensor for name, tensor in checkpoint.tensors().items()}
        with torch.device("meta"):  # the weights come from the file, so none are drawn
            model = SERModel(config, trained_with_mask="ssl_model.masked_spec_embed" in tensors)
    except (TypeError, ValueError) as error:
        raise RuntimeError(
            f"{checkpoint.folder}/config.json does not describe a SERModel: {error}"
        ) from error
    load_exactly(model, tensors, str(checkpoint.folder))
    return model


def _today(name: str) -> str:
    """Older torch named the two parts of a weight norm weight_g and weight_v."""
    return name.replace("conv.weight_g", "conv.parametrizations.weight.original0").replace(
        "conv.weight_v", "conv.parametrizations.weight.original1"
    )
