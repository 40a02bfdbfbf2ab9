"""The speech-emotion regressor whose last layer is pooled: WavLM, attentive statistics, a regressor.

The parameter names are those of the public `SERModel` checkpoints of the Odyssey 2024 challenge baseline
(Goncalves et al. 2024), so their weights load as they are and none of their remote code is run.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import WavLMConfig

ATTRIBUTES = ("arousal", "dominance", "valence")
"""The regressor's outputs in order, each about 0..1 = (label - 1) / 6."""

KNOWN_BACKBONES: dict[str, dict[str, Any]] = {
    # The public config.json of a SERModel names its backbone and does not describe it.
    "microsoft/wavlm-large": {
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
        "feat_extract_norm": "layer",
        "do_stable_layer_norm": True,
        "conv_bias": False,
        "num_buckets": 320,
        "max_bucket_distance": 800,
    }
}


@dataclass(frozen=True)
class SERConfig:
    """What a SERModel's config.json says.

    `mean` and `std` are the training corpus's waveform statistics; `ssl_config` describes the backbone where
    `ssl_type` is not one of `KNOWN_BACKBONES`.
    """

    ssl_type: str
    hidden_size: int
    mean: float
    std: float
    num_classes: int = len(ATTRIBUTES)
    classifier_hidden_layers: int = 1
    classifier_dropout_prob: float = 0.5
    ssl_config: dict[str, Any] | None = field(default=None)

    def normalise(self, waveforms: Tensor) -> Tensor:
        """Waveforms scaled by the training corpus's statistics, not the clip's."""
        return (waveforms - self.mean) / (self.std + 1e-6)

    def backbone(self) -> WavLMConfig:
        """The backbone's configuration. Raises ValueError where it is neither described nor known."""
        settings = self.ssl_config or KNOWN_BACKBONES.get(self.ssl_type)
        if settings is None:
            raise ValueError(
                f"the backbone must be described by 'ssl_config' or be one of {sorted(KNOWN_BACKBONES)}, "
                f"found ssl_type {self.ssl_type!r}"
            )
        config = WavLMConfig(**settings)
        if config.hidden_size != self.hidden_size:
            raise ValueError(
                f"hidden_size must be the backbone's {config.hidden_size}, found {self.hidden_size}"
            )
        return config


class AttentiveStatisticsPooling(nn.Module):
    """Frames (N, T, F) to the weighted mean and standard deviation, each (N, F) (Okabe et al. 2018)."""

    def __init__(self, feature_size: int) -> None:
        super().__init__()
        self.sap_linear = nn.Linear(feature_size, feature_size)
        self.attention = nn.Parameter(torch.empty(feature_size, 1))
        nn.init.normal_(self.attention, std=feature_size**-0.5)

    def forward(self, frames: Tensor, heard: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """`heard` is (N, T), true where a frame is not padding; None where none is."""
        scores = (torch.tanh(self.sap_linear(frames)) @ self.attention).squeeze(-1)  # (N, T)
        if heard is not None:
            scores = scores.masked_fill(~heard, float("-inf"))
        weights = scores.softmax(dim=1).unsqueeze(-1)  # (N, T, 1)
        mean = (weights * frames).sum(dim=1)
        square = (weights * frames.square()).sum(dim=1)
        return mean, (square - mean.square()).clamp(min=1e-5).sqrt()


class EmotionRegressor(nn.Module):
    """Pooled statistics (N, 2F) to (N, 3); `hidden` is what its last hidden layer says, (N, F)."""

    def __init__(self, feature_size: int, outputs: int, layers: int, dropout: float) -> None:
        super().__init__()
        sizes = [2 * feature_size] + [feature_size] * layers
        self.fc = nn.ModuleList(
            nn.Sequential(nn.Linear(into, out), nn.LayerNorm(out), nn.ReLU(), nn.Dropout(dropout))
            for into, out in itertools.pairwise(sizes)
        )
        self.out = nn.Sequential(nn.Linear(sizes[-1], outputs))

    def hidden(self, pooled: Tensor) -> Tensor:
        for layer in self.fc:
            pooled = layer(pooled)
        return pooled

    def forward(self, pooled: Tensor) -> Tensor:
        return cast(Tensor, self.out(self.hidden(pooled)))


class SERModel(nn.Module):
    """Waveforms to arousal, dominance and valence, about 0..1 each."""

    def __init__(self, config: SERConfig, ssl_model: nn.Module) -> None:
        """`ssl_model` is the WavLM: its weights alone, or, to be called, transformers' model."""
        super().__init__()
        self.config = config
        self.ssl_model = ssl_model
        self.pool_model = AttentiveStatisticsPooling(config.hidden_size)
        self.ser_model = EmotionRegressor(
            config.hidden_size,
            config.num_classes,
            config.classifier_hidden_layers,
            config.classifier_dropout_prob,
        )

    def forward(self, waveforms: Tensor) -> Tensor:
        """Waveforms (N, samples) of one length, normalised, to (N, 3)."""
        frames = self.ssl_model(waveforms).last_hidden_state
        mean, deviation = self.pool_model(frames)
        return cast(Tensor, self.ser_model(torch.cat([mean, deviation], dim=1)))
