"""Rank-N-Contrast, forward and backward on a similarity matrix, beside two other ways to write it.

    python benchmarks/losses.py
    python benchmarks/losses.py --memory 4096 8192    # the peak of a process that takes one batch

`loop` walks over the positives, as the published code of Rank-N-Contrast does. `mask` holds every candidate set
at once, (N, N, N), and sums it by a batched matrix product, the fastest of three ways of writing it that were
tried. Both sum plain exponentials in float32, so they do a little less than they would if they were safe at a
temperature of 0.01. All three get the same similarities and the same integer label distances, are warmed up and
compared, and take turns. Candidates are `farther-or-equal`, the published code's. The mask of N = 1024 takes 6 GB.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor

from pipeline.training import rank_n_contrast, squared_label_distance

Loss = Callable[[Tensor, Tensor], Tensor]


def ours(similarity: Tensor, distance: Tensor) -> Tensor:
    return rank_n_contrast(similarity, distance, candidates="farther-or-equal")


def loop(similarity: Tensor, distance: Tensor) -> Tensor:
    logits = similarity - similarity.detach().amax(1, keepdim=True)
    weights = logits.exp()
    total = similarity.new_zeros(())
    for positive in range(similarity.shape[1]):
        candidates = (distance >= distance[:, positive, None]).to(weights.dtype)
        total = total + ((candidates * weights).sum(1).log() - logits[:, positive]).sum()
    return total / similarity.numel()


def mask(similarity: Tensor, distance: Tensor) -> Tensor:
    logits = similarity - similarity.detach().amax(1, keepdim=True)
    candidates = (distance[:, None, :] >= distance[:, :, None]).to(logits.dtype)
    return (torch.bmm(candidates, logits.exp()[:, :, None]).squeeze(2).log() - logits).mean()


def batch(size: int) -> tuple[Tensor, Tensor]:
    """Cosines of random embeddings at temperature 0.1, labels in fifths of 1 to 7."""
    generator = torch.Generator().manual_seed(size)
    speech, text = torch.nn.functional.normalize(torch.randn(2, size, 512, generator=generator), dim=2)
    labels = torch.randint(5, 36, (size, 2), generator=generator) / 5
    return (speech @ text.T / 0.1).requires_grad_(), squared_label_distance(labels, labels)


def seconds(loss: Loss, similarity: Tensor, distance: Tensor) -> float:
    start = time.perf_counter()
    gradient(loss, similarity, distance)
    return time.perf_counter() - start


def gradient(loss: Loss, similarity: Tensor, distance: Tensor) -> Tensor:
    (result,) = torch.autograd.grad(loss(similarity, distance), similarity)
    return result


def peak_memory(size: int) -> None:
    """Print what a process needs beyond its imports, forward and backward, from embeddings and labels."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    gradient(ours, *batch(size))
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"N = {size}: peak {after / 2**20:.2f} GiB, of which imports {before / 2**20:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Time Rank-N-Contrast beside a loop and an N×N×N mask.")
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 256, 1024])
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--memory", type=int, nargs="+", help="batch sizes whose peak memory is measured instead"
    )
    parser.add_argument("--peak", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.peak:
        return peak_memory(arguments.peak)
    if arguments.memory:
        for size in arguments.memory:
            subprocess.run([sys.executable, __file__, "--peak", str(size)], check=True)
        return None
    print(f"milliseconds, minimum / median of {arguments.runs} runs, {arguments.threads} thread(s)")
    print(f"{'N':>5}  {'ours':>16}  {'loop':>18}  {'mask':>18}  {'loop/ours':>9}  {'mask/ours':>9}  medians")
    losses: tuple[Loss, ...] = (ours, loop, mask)
    for size in arguments.sizes:
        similarity, distance = batch(size)
        expected, *others = [gradient(loss, similarity, distance) for loss in losses]  # also the warm-up
        for other in others:
            torch.testing.assert_close(other, expected, rtol=1e-3, atol=1e-6)
        runs = [[seconds(loss, similarity, distance) for loss in losses] for _ in range(arguments.runs)]
        times = [[1000 * one for one in column] for column in zip(*runs, strict=True)]
        ours_median, loop_median, mask_median = (statistics.median(column) for column in times)
        cells = [f"{min(column):.2f} / {statistics.median(column):.2f}" for column in times]
        print(
            f"{size:>5}  {cells[0]:>16}  {cells[1]:>18}  {cells[2]:>18}"
            f"  {loop_median / ours_median:>9.1f}  {mask_median / ours_median:>9.1f}",
            flush=True,
        )
    return None


if __name__ == "__main__":
    main()
