"""`erclap eval` on a Ray cluster: each trial of Table 1 is a task, and for each method all else is one."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence

import torch
from threadpoolctl import threadpool_info

from pipeline.config import Evaluate
from pipeline.features import Pairs
from pipeline.measures import (
    Embedded,
    Entry,
    Evaluation,
    draw_trials,
    mapped_rows,
    measure_all,
    measure_trial,
    readings_of,
)
from pipeline.methods import Contender
from pipeline.scale.ray_calls import ONE_THREAD, Call, called
from pipeline.scale.ray_cluster import joined
from pipeline.sentences import Prompt
from pipeline.support import Progress


def evaluate_on_ray(
    entries: Mapping[int, Mapping[str, Entry]],
    contenders: Mapping[str, Contender],
    pairs: Pairs,
    prompts: Sequence[Prompt],
    settings: Evaluate,
    address: str | None,
) -> dict[int, Evaluation]:
    """As `evaluate_entries` of each seed's entries, to the digit on processors of one kind.

    Only the first seed's evaluation has embeddings to map.
    Embeddings are made here, and go with the tasks: the nodes need nothing of the project. The cluster is that of
    `joined`. Raises as `joined` and `called` do.
    """
    trials = draw_trials(len(pairs), settings.pairs, settings.trials, settings.seed)
    pool, mapped = pairs.distinct(), mapped_rows(len(pairs))
    jobs = [
        (seed, name, trial)
        for seed, of_seed in entries.items()
        for name in of_seed
        for trial in [None, *(range(len(trials)) if contenders[name].aligned else ())]
    ]
    found = {seed: Evaluation.of(pairs, prompts, contenders) for seed in entries}
    shown: dict[str, Embedded] = {}
    first = next(iter(entries))

    def calls() -> Generator[Call]:
        for seed, of_seed in entries.items():
            for name, one in of_seed.items():
                embedded, told = one.embedded(), f"{name}, seed {seed}"
                if seed == first:
                    shown[name] = embedded.of(mapped)
                given = embedded, one.fitted(), prompts, pairs.labels, pool, trials[0], settings
                yield Call(told, measure_all, given)
                if contenders[name].aligned:
                    for number, rows in enumerate(trials):
                        both = embedded.speech[rows], embedded.text[rows]
                        yield Call(f"{told}, trial {number}", measure_trial, both)

    answers = {}
    with joined(address) as cluster, Progress("evaluation", len(jobs), "tasks") as progress:
        for number, answer in called(calls(), cluster, threads_here()):
            answers[jobs[number]] = answer
            progress.advance()
    for seed, of_seed in entries.items():
        for name in of_seed:
            found[seed].add(name, answers[seed, name, None], shown[name] if seed == first else None)
            if contenders[name].aligned:
                done = [answers[seed, name, trial] for trial in range(len(trials))]
                found[seed].readings[name] = readings_of(done)
    return found


def threads_here() -> dict[str, str]:
    """How many threads products take, as this process has it: another number may round otherwise."""
    blas = max((pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"), default=1)
    threads = {"OMP_NUM_THREADS": str(torch.get_num_threads()), "OPENBLAS_NUM_THREADS": str(blas)}
    return ONE_THREAD | threads
