"""Trains the sample profile's speech encoder: a small SERModel, taught on voices the sample corpus lacks."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import torch
import transformers
from safetensors.torch import save_file
from torch import Tensor

from pipeline.audio import SAMPLING_RATE, Waveform, to_mono_16k
from pipeline.encoders import SERConfig, SERModel
from pipeline.manifest import LABEL_MAX, LABEL_MIN
from pipeline.sample.annotators import Annotation
from pipeline.sample.espeak import Espeak
from pipeline.sample.fitting import Steps
from pipeline.sample.reproducible import reproducible
from pipeline.sample.takes import perform_take, plan
from pipeline.sample.voices import CHECKPOINT_VARIANTS, draw_speaker

PERSONS = 400
SPREAD = 1.4
"""How much further than the corpus's the emotions and the persons of the training lie apart."""

BATCH, EPOCHS, PEAK_LEARNING_RATE = 16, 5, 3e-3
LONGEST_CROP = round(1.6 * SAMPLING_RATE)
SSL_TYPE = "emotionrankclap/sample-speech"
SSL_CONFIG = {
    "hidden_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 256,
    "conv_dim": [48] * 7,
    "conv_bias": False,
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
    "num_conv_pos_embeddings": 32,
    "num_conv_pos_embedding_groups": 8,
    "num_buckets": 64,
    "max_bucket_distance": 200,
    "hidden_dropout": 0.05,
    "attention_dropout": 0.05,
    "activation_dropout": 0.0,
    "feat_proj_dropout": 0.0,
    "layerdrop": 0.0,
    "mask_time_prob": 0.0,
    "mask_feature_prob": 0.0,
}


def train(
    folder: Path,
    seed: int = 0,
    *,
    utterances: int = 4000,
    epochs: int = EPOCHS,
    progress: Callable[[str], None] | None = None,
) -> None:
    """Train the checkpoint and write `config.json` and `model.safetensors` into a folder.

    On one machine the same seed gives the same bytes. The voices and the sentences are of the banks that the
    sample corpus never uses. `progress` is told a line now and then. Raises RuntimeError where eSpeak NG is
    not installed.
    """
    tell = progress or (lambda _: None)
    tell(f"speaking {utterances} utterances")
    waveforms, labels = _utterances(utterances, seed)
    mean, std = _statistics(waveforms)
    config = SERConfig(
        ssl_type=SSL_TYPE,
        hidden_size=96,
        mean=mean,
        std=std,
        classifier_dropout_prob=0.1,
        ssl_config=SSL_CONFIG,
    )
    with reproducible(seed):
        model = SERModel(config, transformers.WavLMModel(config.backbone()))
        _fit(model, waveforms, labels, epochs, np.random.default_rng([seed, 1]), tell)
    _write(folder, model, config)


def concordance(x: Tensor, y: Tensor) -> Tensor:
    """Lin's concordance correlation of each column of two (N, K) tensors: (K,), in -1..1."""
    x_mean, y_mean = x.mean(dim=0), y.mean(dim=0)
    covariance = ((x - x_mean) * (y - y_mean)).mean(dim=0)
    spread = x.var(dim=0, correction=0) + y.var(dim=0, correction=0) + (x_mean - y_mean).square()
    return 2 * covariance / spread.clamp(min=1e-8)


def _utterances(count: int, seed: int) -> tuple[list[Waveform], Tensor]:
    """Speak, record and decode utterances: waveforms, and labels (N, 3) in the order of the outputs, 0..1."""
    rng = np.random.default_rng([seed, 0])
    variants = rng.choice(CHECKPOINT_VARIANTS, size=PERSONS)
    persons = [draw_speaker(f"T{i:03d}", str(v), rng, SPREAD) for i, v in enumerate(variants)]
    espeak = Espeak()
    waveforms, targets = [], []
    for i in range(count):
        take = plan(persons[i % PERSONS], "checkpoint", rng, SPREAD)
        waveforms.append(
            to_mono_16k(*soundfile.read(io.BytesIO(perform_take(take, espeak)), dtype="float32"))
        )
        targets.append(_target(take.annotation))
    return waveforms, torch.tensor(targets)


def _target(heard: Annotation) -> list[float]:
    labels = heard.arousal, heard.dominance, heard.valence
    return [(label - LABEL_MIN) / (LABEL_MAX - LABEL_MIN) for label in labels]


def _statistics(waveforms: list[Waveform]) -> tuple[float, float]:
    samples = np.concatenate(waveforms).astype(np.float64)
    return float(samples.mean()), float(samples.std())


def _fit(
    model: SERModel,
    waveforms: list[Waveform],
    labels: Tensor,
    epochs: int,
    rng: np.random.Generator,
    tell: Callable[[str], None],
) -> None:
    """One minus the concordance."""
    model.train()
    steps = Steps(model, PEAK_LEARNING_RATE, epochs * math.ceil(len(waveforms) / BATCH))
    for epoch in range(epochs):
        agreement = []
        for rows in _batches([len(waveform) for waveform in waveforms], rng):
            heard = model.config.normalise(_crop([waveforms[i] for i in rows], rng))
            concordances = concordance(model(heard), labels[rows])
            steps.take((1 - concordances).mean())
            agreement.append(concordances.detach())
        arousal, dominance, valence = torch.stack(agreement).mean(dim=0).tolist()
        tell(
            f"epoch {epoch + 1} of {epochs}: concordance arousal {arousal:.2f}, "
            f"dominance {dominance:.2f}, valence {valence:.2f}"
        )


def _batches(lengths: list[int], rng: np.random.Generator) -> Iterator[list[int]]:
    """Batches in random order, of clips of about one length, so that cropping loses little."""
    order = rng.permutation(len(lengths))
    pools = [
        sorted(order[i : i + 16 * BATCH], key=lambda i: lengths[i]) for i in range(0, len(order), 16 * BATCH)
    ]
    batches = [pool[i : i + BATCH] for pool in pools for i in range(0, len(pool), BATCH)]
    for b in rng.permutation(len(batches)):
        yield [int(i) for i in batches[b]]


def _crop(waveforms: list[Waveform], rng: np.random.Generator) -> Tensor:
    """A random stretch of each, all as long as the shortest: (N, samples)."""
    length = min(LONGEST_CROP, *(len(waveform) for waveform in waveforms))
    starts = [int(rng.integers(len(waveform) - length + 1)) for waveform in waveforms]
    stretches: npt.NDArray[np.float32] = np.stack(
        [waveform[start : start + length] for waveform, start in zip(waveforms, starts, strict=True)]
    )
    return torch.from_numpy(stretches)


def _write(folder: Path, model: SERModel, config: SERConfig) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    written = {"architectures": ["SERModel"], "model_type": "ser", **asdict(config)}
    (folder / "config.json").write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
    tensors = {name: tensor.detach().contiguous() for name, tensor in model.state_dict().items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
