"""Table 1 for three methods beside a plain loop of emd2 and scipy's cdist; τ of many lists beside a loop.

    python benchmarks/measures.py                               # 3 methods, 30 trials of 5000 pairs: half an hour
    python benchmarks/measures.py --trials 4 --pairs 2000       # a minute

The embeddings are those of heads trained here, for a few epochs each, on simulated features: speech and text of a
random non-linear map of valence, arousal and many other causes. `emd2` is POT's network simplex over all pairs,
with a limit of 10 million iterations as its own limit stops early, on POT's own cost matrices, one trial after the
other, for W1 and for W2. `cdist` is MMD with three whole matrices of distances by scipy, one trial after another.
Ours is `measure_alignment`, every reading of Table 1, so W1, W2 and MMD at two γ; MMD alone is spread over as many
threads. The largest difference is that of any trial in W1, W2 or MMD. `--peer-trials` has both peers do a few of
the trials, and scales their time, and MMD's alone, up.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import ot
import torch
from scipy import stats
from scipy.spatial.distance import cdist
from threadpoolctl import threadpool_limits

from pipeline.config import Train
from pipeline.features import Pairs
from pipeline.measures import Embedded, draw_trials, kendall_tau, mmd_rbf
from pipeline.measures.entries import embed
from pipeline.measures.evaluation import measure_alignment
from pipeline.methods import METHODS
from pipeline.training import train

Values = npt.NDArray[np.float64]
Result = TypeVar("Result")
ALIGNED = ("clap-sce", "supconclap", "emotionrankclap")


def timed(function: Callable[[], Result]) -> tuple[Result, float]:
    start = time.perf_counter()
    result = function()
    return result, time.perf_counter() - start


def simulate(clips: int, seed: int) -> Pairs:
    """Labels in steps of 0.2 with MSP-Podcast's means and spreads; both features are noisy functions of them."""
    maps, draw = np.random.default_rng(0), np.random.default_rng([1, seed])
    to_speech, to_text = maps.standard_normal((64, 1024)) / 6, maps.standard_normal((32, 768)) / 4
    latent = draw.multivariate_normal([0, 0], [[1, 0.3], [0.3, 1]], clips)
    labels = np.clip(np.round((latent * [0.85, 0.93] + [4.25, 4.4]) * 5) / 5, 1, 7)
    heard = np.concatenate([latent + draw.standard_normal((clips, 2)), draw.standard_normal((clips, 62))], 1)
    said = np.concatenate(
        [1.5 * latent + 0.45 * draw.standard_normal((clips, 2)), 0.7 * draw.standard_normal((clips, 30))], 1
    )
    return Pairs(
        ids=[str(number) for number in range(clips)],
        speech=np.tanh(heard @ to_speech).astype(np.float32),
        text=np.tanh(said @ to_text).astype(np.float32),
        labels=labels,
        emotions=["ASHN"[(v > 0) + 2 * (a > 0)] for v, a in latent],
    )


def trained_embeddings(name: str, clips: int, epochs: int, seed: int) -> Embedded:
    settings = Train(
        methods=[name],
        seed=seed,
        epochs=epochs,
        batch_size=64,
        learning_rate=0.001,
        embedding_size=512,
        temperature=1.0,
        candidates="farther",
        directions="speech-to-text",
    )
    test = simulate(clips, 2)
    (trained,) = train(METHODS[name].loss, simulate(20_000, 0), simulate(2_000, 1), settings)
    return embed(trained.heads, test.speech, test.text, test.text[:0])


def emd2_loop(embedded: Embedded, trials: list[npt.NDArray[np.int64]]) -> list[dict[str, float]]:
    found = []
    for rows in trials:
        x, y = (side[rows].astype(np.float64) for side in (embedded.speech, embedded.text))
        squared = np.maximum(ot.dist(x, y), 0)
        readings = {}
        for p in (1, 2):
            cost = squared if p == 2 else np.sqrt(squared)
            readings[f"w{p}"] = float(ot.emd2([], [], cost, numItermax=10_000_000)) ** (1 / p)
        found.append(readings)
    return found


def spread_mmd(sides: list[list[Values]], workers: int) -> list[float]:
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(workers) as pool:
        return list(pool.map(lambda pair: mmd_rbf(*pair, gamma=1.0), sides))


def cdist_mmd(x: Values, y: Values) -> float:
    within_x, within_y, across = (
        np.exp(-cdist(a, b, "sqeuclidean")).mean() for a, b in ((x, x), (y, y), (x, y))
    )
    return float(np.sqrt(max(within_x + within_y - 2 * across, 0.0)))


def compare_alignment(arguments: argparse.Namespace) -> None:
    trials = draw_trials(arguments.clips, arguments.pairs, arguments.trials, 0)
    some = trials[: arguments.peer_trials or len(trials)]
    scale = len(trials) / len(some)
    totals = np.zeros(4)
    print(
        f"{len(trials)} trials of {arguments.pairs} pairs, {arguments.workers} workers; the peers on {len(some)}"
    )
    print("| method | ours s | emd2 loop s | emd2 / ours | MMD s | cdist s | cdist / MMD | largest off |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name in ALIGNED:
        embedded = trained_embeddings(name, arguments.clips, arguments.epochs, arguments.seed)
        readings, ours = timed(
            lambda e=embedded: measure_alignment({"x": e}, trials, workers=arguments.workers)
        )
        loop, emd2 = timed(lambda e=embedded: emd2_loop(e, some))
        sides = [
            [side[rows].astype(np.float64) for side in (embedded.speech, embedded.text)] for rows in some
        ]
        mmd, blocked = timed(lambda s=sides: spread_mmd(s, arguments.workers))
        whole, by_cdist = timed(lambda s=sides: [cdist_mmd(x, y) for x, y in s])
        off = max(
            *(abs(readings["x"][w][i] - one[w]) for i, one in enumerate(loop) for w in ("w1", "w2")),
            *(abs(a - b) for a, b in zip(mmd, whole, strict=True)),
            *(abs(a - b) for a, b in zip(readings["x"]["mmd"], whole, strict=False)),
        )
        times = np.array([ours, emd2 * scale, blocked * scale, by_cdist * scale])
        totals += times
        print_row(METHODS[name].title, times, f"{off:.1e}")
    print_row("all three", totals, "")


def print_row(name: str, times: Values, off: str) -> None:
    ours, emd2, blocked, by_cdist = times
    print(
        f"| {name} | {ours:.1f} | {emd2:.1f} | {emd2 / ours:.1f} | {blocked:.1f} | {by_cdist:.1f} | "
        f"{by_cdist / blocked:.1f} | {off} |",
        flush=True,
    )


def compare_tau(lists: int) -> None:
    draw = np.random.default_rng(0)
    x, y = np.tile(np.arange(14), (lists, 1)), draw.integers(5, 36, (lists, 14)) / 5
    ours, quick = min((timed(lambda: kendall_tau(x, y)) for _ in range(5)), key=lambda pair: pair[1])
    theirs, slow = timed(
        lambda: np.array([stats.kendalltau(one, other).statistic for one, other in zip(x, y, strict=True)])
    )
    print(
        f"\nτ of {lists} lists of 14: {1000 * quick:.2f} ms, scipy in a loop {1000 * slow:.0f} ms, "
        f"{slow / quick:.0f} times; largest difference {np.abs(ours - theirs).max():.1e}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Time the measures of Table 1 beside two plain ways to them."
    )
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--pairs", type=int, default=5000)
    parser.add_argument(
        "--peer-trials", type=int, default=0, help="Trials that the peers do; 0 is all of them."
    )
    parser.add_argument("--clips", type=int, default=34_963, help="Pairs to draw the trials from.")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0, help="Of training.")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    compare_alignment(arguments)
    compare_tau(1000)


if __name__ == "__main__":
    main()
