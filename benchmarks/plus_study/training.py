"""A candidate trained with every seed of every world as one batched computation.

A part of the study, no command.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from worlds.world import World

from pipeline.manifest import DEVELOPMENT, TRAIN
from pipeline.measures import Embedded
from plus_study.candidates import Candidate
from plus_study.heads import Rows, StackedHeads
from plus_study.losses import batch_loss
from plus_study.stages import Stage


def train(candidate: Candidate, worlds: Sequence[World], stage: Stage) -> Iterator[tuple[int, int, Embedded]]:
    """World index, seed and what the heads make of the stage's split."""
    runs = [(w, seed) for w in range(len(worlds)) for seed in stage.seeds]
    seeds = [seed for _, seed in runs]
    data, held_out = Rows.of(worlds, TRAIN), Rows.of(worlds, DEVELOPMENT)
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
            loss = batch_loss(heads, data.take(batches[:, step]), candidate).sum()
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            heads.log_temperature.data.clamp_(math.log(0.02), math.log(100))
            done += 1
        with torch.no_grad():
            values = torch.stack([batch_loss(heads, held_out.take(b), candidate) for b in fixed]).mean(0)
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
    pairs = world.splits[split].pairs
    speech, text, prompts = (
        one.embed(modality, torch.from_numpy(features)[None])[0].numpy()
        for modality, features in (
            ("speech", pairs.speech),
            ("text", pairs.text),
            ("text", world.prompt_features),
        )
    )
    return Embedded(speech, text, prompts)
