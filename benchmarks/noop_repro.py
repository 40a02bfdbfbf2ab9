"""What `dvc repro` costs when there is nothing to do: this project against an empty pipeline of two stages.

    python benchmarks/noop_repro.py [--runs 5]

Needs a run of the pipeline (`make run`) before it. The peer is a fresh DVC repository whose two stages each
write one small file; both are timed as whole processes, in turn, after one run that is not counted.
"""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import click

PEER = """stages:
  first:
    cmd: echo 1 > first.txt
    outs: [first.txt]
  second:
    cmd: cat first.txt > second.txt
    deps: [first.txt]
    outs: [second.txt]
"""


def repro(folder: Path) -> float:
    """Seconds of a `dvc repro` that must have nothing to do."""
    started = time.perf_counter()
    answer = subprocess.run(["dvc", "repro"], cwd=folder, capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - started
    if "Running stage" in answer.stdout:
        raise click.ClickException(f"dvc repro in {folder} had something to do: run it once more")
    return seconds


@click.command()
@click.option("--runs", default=5, show_default=True)
def main(runs: int) -> None:
    project = Path(__file__).parent.parent
    with tempfile.TemporaryDirectory() as name:
        peer = Path(name)
        for command in (["git", "init", "-q"], ["dvc", "init", "-q"]):
            subprocess.run(command, cwd=peer, check=True)
        (peer / "dvc.yaml").write_text(PEER)
        subprocess.run(["dvc", "repro", "-q"], cwd=peer, check=True)
        times: dict[str, list[float]] = {"this project": [], "empty pipeline": []}
        for run in range(runs + 1):
            for label, folder in (("this project", project), ("empty pipeline", peer)):
                seconds = repro(folder)
                if run:
                    times[label].append(seconds)
    for label, values in times.items():
        print(f"{label}: median {statistics.median(values):.2f} s, lowest {min(values):.2f} s of {runs} runs")
    ours, theirs = (statistics.median(values) for values in times.values())
    print(f"difference of medians: {ours - theirs:.2f} s")


if __name__ == "__main__":
    main()
