"""The frozen speech encoder: waveforms to pooled features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline.audio import SAMPLING_RATE, Waveform, check_audible, crop
from pipeline.encoders.batching import batches_by_length
from pipeline.encoders.checkpoint import Checkpoint, computing_in, load_exactly, locate
from pipeline.encoders.ser import SERConfig, SERModel
from pipeline.recipe import Recipe

Pooling = Literal["attentive-mean", "attentive-std", "attentive-stats", "regressor-hidden"]
Padding = Literal["masked", "literal"]


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
        batch_seconds: float = 80.0,
    ) -> None:
        if pooling not in get_args(Pooling):
            raise ValueError(f"pooling must be one of {', '.join(get_args(Pooling))}, found {pooling!r}")
        if padding not in get_args(Padding):
            raise ValueError(f"padding must be one of {', '.join(get_args(Padding))}, found {padding!r}")
        self.device = torch.device(device)
        self.model = model.to(self.device).eval().requires_grad_(False)
        self.pooling, self.padding, self.crop_seconds = pooling, padding, float(crop_seconds)
        self.dtype, self.batch_seconds = dtype, batch_seconds
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
        batch_seconds: float = 80.0,
    ) -> SpeechEncoder:
        """Load a SERModel checkpoint from a builtin name, a local folder or a hub name with a revision.

        `pooling` over the last layer's frames, F the model's size: `attentive-mean` and `attentive-std` (F),
        `attentive-stats` (2F), `regressor-hidden` (F, the layer before the emotion outputs). `padding`:
        `masked`, where padding is invisible and a clip has one feature vector, alone or in any batch; or
        `literal`, zeros up to `crop_seconds` that the encoder hears. `batch_seconds` of padded speech go
        through the model at once.

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
        )

    def encode(self, waveforms: Sequence[Waveform]) -> npt.NDArray[np.float32]:
        """Pool waveforms, each (samples,) mono at 16 kHz in -1..1, to features (N, F) float32.

        Longer clips are cropped. Raises ValueError for a clip under 25 ms, silent, or with a sample that is
        not finite.
        """
        features = np.empty((len(waveforms), self.recipe.feature_size), dtype=np.float32)
        heard = [crop(np.asarray(waveform, dtype=np.float32), self.crop_seconds) for waveform in waveforms]
        for waveform in heard:
            check_audible(waveform)
        # A group norm runs over time, padding included: such a backbone takes clips of one length together.
        equal_only = self.padding == "masked" and self.model.ssl_model.config.feat_extract_norm == "group"
        batches = batches_by_length(
            [len(waveform) for waveform in heard],
            self.batch_seconds * SAMPLING_RATE,
            padded_to=self.crop_seconds * SAMPLING_RATE if self.padding == "literal" else None,
            equal_only=equal_only,
        )
        for batch in batches:
            features[batch] = self._encode_batch([heard[i] for i in batch])
        return features

    @torch.inference_mode()
    def _encode_batch(self, waveforms: Sequence[Waveform]) -> npt.NDArray[np.float32]:
        samples = [len(waveform) for waveform in waveforms]
        longest = round(self.crop_seconds * SAMPLING_RATE) if self.padding == "literal" else max(samples)
        padded = torch.zeros(len(waveforms), longest)
        for row, waveform in zip(padded, waveforms, strict=True):
            row[: len(waveform)] = torch.from_numpy(waveform)
        lengths = torch.tensor([longest] * len(samples) if self.padding == "literal" else samples)
        padded, lengths = padded.to(self.device), lengths.to(self.device)
        with computing_in(self.device, self.dtype):
            frames, valid = self.model.frames(self.model.normalise(padded), lengths)
        return self._pool(frames.float(), valid).cpu().numpy()

    def _pool(self, frames: Tensor, valid: Tensor) -> Tensor:
        """Frames (N, T, F) to features, in float32 whatever the encoder computed in."""
        mean: Tensor
        deviation: Tensor
        mean, deviation = self.model.pool_model(frames, valid)
        if self.pooling == "attentive-mean":
            return mean
        if self.pooling == "attentive-std":
            return deviation
        statistics = torch.cat([mean, deviation], dim=1)
        return statistics if self.pooling == "attentive-stats" else self.model.ser_model.hidden(statistics)


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
