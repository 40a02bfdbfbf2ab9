"""A candidate trained with every seed of every world as one batched computation.

A part of the study, no command.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from worlds.arrays import Features
from worlds.world import World

from pipeline.manifest import DEVELOPMENT, TRAIN
from pipeline.measures import Embedded
from plus_study.candidates import Candidate
from plus_study.drawing import Drawing
from plus_study.heads import Beside, Rows, StackedHeads
from plus_study.losses import batch_loss
from plus_study.stages import Stage

FITTED_ROWS = 4000


def train(candidate: Candidate, worlds: Sequence[World], stage: Stage) -> Iterator[tuple[int, int, Embedded]]:
    """World index, seed and what the heads make of the stage's split."""
    runs = [(w, seed) for w in range(len(worlds)) for seed in stage.seeds]
    seeds = [seed for _, seed in runs]
    data, held_out = Rows.of(worlds, TRAIN), Rows.of(worlds, DEVELOPMENT)
    of_runs = [w for w, _ in runs]
    drawing = Drawing(candidate, worlds, of_runs, seeds) if candidate.plane or candidate.mixed else None
    validating = Drawing(candidate, worlds, of_runs, [0] * len(runs)) if drawing else None
    held_beside: list[Beside | None] = []
    starts = torch.tensor([w * data.a_world for w, _ in runs])
    heads = StackedHeads(candidate, data, starts, seeds, stage.embedding)
    shuffles = [torch.Generator().manual_seed(seed) for seed in seeds]
    fixed = torch.stack([_fixed_batches(held_out.a_world, candidate.batch, g) for g in shuffles], 1)
    fixed = fixed + torch.tensor([w * held_out.a_world for w, _ in runs])[:, None]
    rate = stage.learning_rate * candidate.rate
    optimiser = torch.optim.Adam([p for p in heads.parameters() if p.requires_grad], lr=rate, fused=True)
    full = data.a_world // candidate.batch
    steps, done = full * stage.epochs, 0
    best, kept = torch.full((len(runs),), math.inf), {n: t.clone() for n, t in heads.state_dict().items()}
    for _ in range(stage.epochs):
        orders = torch.stack([torch.randperm(data.a_world, generator=g) for g in shuffles])
        batches = (orders[:, : full * candidate.batch] + starts[:, None]).view(len(runs), full, -1)
        for step in range(full):
            if candidate.cosine:
                optimiser.param_groups[0]["lr"] = rate * (1 + math.cos(math.pi * done / steps)) / 2
            if candidate.until:
                ratio = candidate.until / candidate.temperature
                heads.log_temperature.data.fill_(
                    math.log(candidate.temperature) + math.log(ratio) * done / steps
                )
            batch = data.take(batches[:, step])
            loss = batch_loss(heads, batch, candidate, drawing and drawing.beside(batch)).sum()
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            heads.log_temperature.data.clamp_(math.log(candidate.lowest), math.log(100))
            done += 1
        with torch.no_grad():
            held = [held_out.take(b) for b in fixed]
            held_beside = held_beside or [validating and validating.beside(batch) for batch in held]
            values = torch.stack(
                [batch_loss(heads, one, candidate, more) for one, more in zip(held, held_beside, strict=True)]
            ).mean(0)
        if not values.isfinite().all():
            raise RuntimeError(f"the loss must stay finite, found {values.tolist()}")
        # A schedule of the temperature changes what a loss means: there the last epoch counts.
        better = (values < best) | bool(candidate.until)
        best = torch.where(better, values, best)
        for name, tensor in heads.state_dict().items():
            kept[name][better] = tensor[better]
    heads.load_state_dict(kept)
    for k, (w, seed) in enumerate(runs):
        yield w, seed, _embed(heads, k, worlds[w], stage.split)


def _fixed_batches(count: int, size: int, shuffle: torch.Generator) -> Tensor:
    order = torch.randperm(count, generator=shuffle)
    return torch.cat([order, order[: -count % size]]).view(-1, size)


@torch.no_grad()
def _embed(heads: StackedHeads, k: int, world: World, split: str) -> Embedded:
    one = StackedHeads.__new__(StackedHeads)
    nn.Module.__init__(one)
    one.candidate = heads.candidate
    one.weights = nn.ParameterDict({name: t[k : k + 1] for name, t in heads.weights.items()})
    for name, buffer in heads.named_buffers():
        one.register_buffer(name, buffer[k : k + 1])
    pairs, fitted = world.splits[split].pairs, world.splits[TRAIN].pairs
    # On rows of the train split what a split's own statistics would be: a clip's embedding is its own.
    learnt = {
        modality: one.project(modality, torch.from_numpy(getattr(fitted, modality)[:FITTED_ROWS])[None])
        for modality in ("speech", "text")
    }
    centres = {m: out.mean(1, keepdim=True) for m, out in learnt.items()}
    moved = _monge(learnt["speech"][0], learnt["text"][0]) if heads.candidate.monge else None

    def embed(modality: str, features: Features) -> Features:
        out = one.project(modality, torch.from_numpy(features)[None])
        if heads.candidate.centred:
            out = out - centres[modality]
        if moved is not None and modality == "speech":
            out = (out - centres["speech"]) @ moved + centres["text"]
        return one.normalised(out)[0].numpy()

    return Embedded(
        embed("speech", pairs.speech), embed("text", pairs.text), embed("text", world.prompt_features)
    )


def _monge(source: Tensor, target: Tensor) -> Tensor:
    """The linear part of the optimal map between the Gaussians of two sets of rows (N, E): (E, E), symmetric."""
    of_source, of_target = (torch.cov(rows.double().T) for rows in (source, target))
    size = len(of_source)
    of_source = of_source + 1e-4 * of_source.trace() / size * torch.eye(size)
    root, inverse = _powers(of_source)
    middle, _ = _powers(root @ of_target @ root)
    return (inverse @ middle @ inverse).float()


def _powers(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """A symmetric matrix to the power of 1/2 and of −1/2."""
    values, vectors = torch.linalg.eigh(matrix)
    roots = values.clamp(min=1e-12).sqrt()
    return (vectors * roots) @ vectors.T, (vectors / roots) @ vectors.T
