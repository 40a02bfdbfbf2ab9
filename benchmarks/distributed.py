"""A training step of a large batch by one process and by several ranks on this machine.

    python benchmarks/distributed.py                           # a batch of 2,048, one process and two ranks
    python benchmarks/distributed.py --batch 4096 --ranks 1 2 4

Features are random: no figure depends on their values. Each rank computes on one thread, and talks by gloo. What
it shows is how much less each rank computes and holds. What it cannot show is what GPUs gain, whose products and
links are both many times faster.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import socket
import subprocess
import sys
import time
from dataclasses import replace

import torch

from benchmarks.training import PLANE, drawn, settings
from pipeline.features import Pairs
from pipeline.methods import settings_of
from pipeline.support import WHOLE, Share
from pipeline.training import launched_ranks, train


def shared(pairs: Pairs, share: Share) -> Pairs:
    own = share.rows(len(pairs))
    return replace(pairs, speech=pairs.speech[own].copy(), text=pairs.text[own].copy(), share=share)


def work(method: str, batch: int, steps: int) -> None:
    """Train an epoch and print, as JSON, seconds by the clock and the processor, and the peak of memory."""
    torch.set_num_threads(1)
    with launched_ranks() as ranks:
        share = WHOLE if ranks is None else ranks.share
        splits = shared(drawn(batch * steps, 0), share), shared(drawn(batch, 1), share)
        own = settings_of(settings(batch_size=batch), method)
        if ranks is not None:
            ranks.sum(torch.zeros(1))  # all begin together
        held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started, computed = time.perf_counter(), time.process_time()
        train("rank-n-contrast", *splits, own, plane=PLANE, ranks=ranks)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(
            json.dumps(
                [
                    (time.perf_counter() - started) / steps,
                    (time.process_time() - computed) / steps,
                    (peak - held) * 1024 / 1e9,
                ]
            )
        )


def measured(ranks: int, arguments: list[str]) -> list[list[float]]:
    """What `work` prints on each rank."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
    common = {"WORLD_SIZE": str(ranks), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    command = [sys.executable, __file__, "--work", *arguments]
    processes = [
        subprocess.Popen(
            command, env=os.environ | common | {"RANK": str(rank)}, stdout=subprocess.PIPE, text=True
        )
        for rank in range(ranks)
    ]
    answers = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        raise RuntimeError(f"{ranks} ranks must all end well, found {[p.returncode for p in processes]}")
    return [json.loads(answer) for answer in answers]


def main() -> None:
    parser = argparse.ArgumentParser(description="Time a step of a large batch by several ranks.")
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--batch", type=int, default=2048)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--method", default="emotionrankclap-plus")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        work(arguments.method, arguments.batch, arguments.steps)
        return
    passed = ["--batch", str(arguments.batch), "--steps", str(arguments.steps), "--method", arguments.method]
    print(f"{arguments.method}, batch {arguments.batch}, {arguments.steps} steps and a batch of validation\n")
    print("| ranks | load | s a step | processor s a step, each rank | GB that a rank takes for it |")
    print("| --- | --- | --- | --- | --- |")
    for ranks in arguments.ranks:
        load = os.getloadavg()[0]
        found = measured(ranks, passed)
        clock, processor, memory = (max(of_one[i] for of_one in found) for i in range(3))
        print(f"| {ranks} | {load:.1f} | {clock:.2f} | {processor:.2f} | {memory:.2f} |", flush=True)


if __name__ == "__main__":
    main()
