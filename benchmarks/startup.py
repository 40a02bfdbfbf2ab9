"""What waiting for nothing costs: `dvc repro` with nothing to do, `erclap --help`, and loading what encodes.

    python benchmarks/startup.py [--runs 5]

Needs a run of the pipeline (`make run`) before it, and its environment active. The peer of `dvc repro` is a
fresh DVC repository whose two stages each write one small file; that of `erclap --help` is an interpreter that
imports click; that of loading the sample's two encoders, one that only imports the same two models from
transformers. All are timed as whole processes, in turn, after one run that is not counted.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click

MODELS = "from transformers import RobertaForSequenceClassification, WavLMModel"

ENCODERS = """
from emotionrankclap import SpeechEncoder, TextEncoder
SpeechEncoder.from_pretrained("builtin:sample-speech")
TextEncoder.from_pretrained("builtin:sample-text")
"""

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
    # inspect looks at the corpus each time.
    if re.findall(r"Running stage '(?!data/dvc.yaml:inspect')", answer.stdout):
        raise click.ClickException(f"dvc repro in {folder} had something to do: run it once more")
    return seconds


def seconds_of(*command: str) -> float:
    """Seconds that a command takes, which must succeed."""
    started = time.perf_counter()
    subprocess.run(command, capture_output=True, check=True)
    return time.perf_counter() - started


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
        timed: dict[str, Callable[[], float]] = {
            "dvc repro, nothing to do": lambda: repro(project),
            "dvc repro of an empty pipeline": lambda: repro(peer),
            "erclap --help": lambda: seconds_of("erclap", "--help"),
            "python -c 'import click'": lambda: seconds_of("python", "-c", "import click"),
            "both encoders of the sample loaded": lambda: seconds_of("python", "-c", ENCODERS),
            "both models of transformers imported": lambda: seconds_of("python", "-c", MODELS),
        }
        times: dict[str, list[float]] = {label: [] for label in timed}
        for run in range(runs + 1):
            for label, measure in timed.items():
                seconds = measure()
                if run:
                    times[label].append(seconds)
    print(f"| {runs} runs each | median s | lowest s |\n| --- | --- | --- |")
    for label, values in times.items():
        print(f"| {label} | {statistics.median(values):.2f} | {min(values):.2f} |")


if __name__ == "__main__":
    main()
