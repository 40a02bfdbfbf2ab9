"""Several worlds' rows as tensors, and pairs of heads for every world and seed at once.

A part of the study, no command.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn
from torch.nn import functional
from worlds.world import World

from plus_study.candidates import Candidate


@dataclass(frozen=True)
class Rows:
    """A split of W worlds as tensors, world after world."""

    speech: Tensor
    """(W N, F)"""
    text: Tensor
    labels: Tensor
    """(W N, 3) valence, arousal, dominance"""
    disagreement: Tensor
    density: Tensor
    """(W N,) of labels, smoothed, that of its world's rows"""
    a_world: int

    @classmethod
    def of(cls, worlds: Sequence[World], name: str) -> Rows:
        splits = [world.splits[name] for world in worlds]
        labels = [np.column_stack([s.pairs.labels, s.dominance]) for s in splits]
        return cls(
            torch.from_numpy(np.concatenate([s.pairs.speech for s in splits])),
            torch.from_numpy(np.concatenate([s.pairs.text for s in splits])),
            torch.from_numpy(np.concatenate(labels)),
            torch.from_numpy(np.concatenate([s.disagreement for s in splits])),
            torch.cat([_smoothed_density(s.pairs.labels) for s in splits]),
            len(splits[0].pairs),
        )

    def take(self, rows: Tensor) -> Rows:
        return Rows(
            self.speech[rows],
            self.text[rows],
            self.labels[rows],
            self.disagreement[rows],
            self.density[rows],
            self.a_world,
        )


@dataclass(frozen=True)
class Beside:
    """What a batch of each run holds beside its pairs."""

    text: Tensor
    """(K, P, F), captions of no clip"""
    text_labels: Tensor
    """(K, P, 3), dominance 0"""
    speech: Tensor
    """(K, X, F), mixed of the batch's clips"""
    speech_labels: Tensor


def _smoothed_density(labels: np.ndarray) -> Tensor:
    """Label distribution smoothing (Yang et al. 2021) on a grid of a quarter of a step, Gaussian of half a step.

    Relative to the mean row's.
    """
    cells = np.rint((labels - 1) * 4).astype(int)
    counts = np.zeros((25, 25))
    np.add.at(counts, tuple(cells.T), 1)
    density = gaussian_filter(counts, 2)[tuple(cells.T)]
    return torch.from_numpy(density / density.mean()).float()


class StackedHeads(nn.Module):
    """K pairs of heads, each with its temperature."""

    def __init__(self, candidate: Candidate, data: Rows, starts: Tensor, seeds: Sequence[int], size: int):
        super().__init__()
        self.candidate = candidate
        inputs = {"speech": data.speech.shape[1], "text": data.text.shape[1]}
        self.weights = nn.ParameterDict()
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]

        def linear(name: str, fan_in: int, fan_out: int) -> None:
            bound = 1 / math.sqrt(fan_in)
            for part, shape in (("weight", (fan_in, fan_out)), ("bias", (1, fan_out))):
                drawn = [torch.rand(shape, generator=g) * 2 * bound - bound for g in generators]
                self.weights[f"{name}_{part}"] = nn.Parameter(torch.stack(drawn))

        for modality, fan_in in inputs.items():
            linear(modality, fan_in, size)
            if candidate.head in ("mlp", "residual"):
                linear(f"{modality}_second", size, size)
        linear("regression", size, 2)
        log = torch.full((len(seeds),), math.log(candidate.temperature))
        self.log_temperature = nn.Parameter(log, requires_grad=not (candidate.fixed or candidate.until))
        for modality in inputs:
            chunks = [getattr(data, modality)[s : s + data.a_world] for s in starts.tolist()]
            self.register_buffer(f"{modality}_mean", torch.stack([c.mean(0, keepdim=True) for c in chunks]))
            self.register_buffer(f"{modality}_std", torch.stack([c.std(0, keepdim=True) for c in chunks]))

    def embed(self, modality: str, features: Tensor, centre: Tensor | None = None) -> Tensor:
        """(K, N, F) to (K, N, E) of length one; a centred head takes away its `centre`, or the batch's mean."""
        out = self.project(modality, features)
        if self.candidate.centred:
            out = out - (out.mean(1, keepdim=True) if centre is None else centre)
        return self.normalised(out)

    def normalised(self, out: Tensor) -> Tensor:
        if not self.candidate.halves:
            return functional.normalize(out, dim=-1)
        halves = [functional.normalize(half, dim=-1) for half in out.chunk(2, -1)]
        return torch.cat(halves, -1) / math.sqrt(2)

    def project(self, modality: str, features: Tensor) -> Tensor:
        """(K, N, F) to (K, N, E)."""
        if self.candidate.standardised or self.candidate.head in ("mlp", "residual"):
            features = (features - getattr(self, f"{modality}_mean")) / getattr(self, f"{modality}_std")
        out = self._linear(modality, features)
        if self.candidate.head == "relu":
            out = out.relu()
        elif self.candidate.head == "mlp":
            out = self._linear(f"{modality}_second", functional.gelu(out))
        elif self.candidate.head == "residual":
            hidden = functional.gelu(functional.layer_norm(out, out.shape[-1:]))
            out = out + self._linear(f"{modality}_second", hidden)
        return out

    def _linear(self, name: str, x: Tensor) -> Tensor:
        return torch.baddbmm(self.weights[f"{name}_bias"], x, self.weights[f"{name}_weight"])
