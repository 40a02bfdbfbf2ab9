"""Memory and time of stage one when the manifest grows and the audio does not.

    python benchmarks/planning.py [--clips 2000] [--rows 200000]

The same clips, 1 to 2 s of noise, named by 2,000 rows and then by 200,000 (repeated files), each through
`erclap prepare` and `erclap extract` with the sample's encoders, every command a process of its own that starts
with nothing remembered and no features, and once more with everything there. Captions are the rows' own, a few
thousand distinct ones. Prints seconds and the peak of resident memory.
"""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np
import pyarrow as pa
import soundfile
import yaml

from pipeline.sentences import CAPTIONS_FILE, CAPTIONS_SCHEMA, PROMPTS_FILE, PROMPTS_SCHEMA
from pipeline.support import write_parquet

ROOT = Path(__file__).resolve().parent.parent


def write_clips(folder: Path, count: int) -> list[str]:
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    names = [f"{i:05}.wav" for i in range(count)]
    for name in names:
        samples = 0.1 * rng.standard_normal(int(rng.integers(16_000, 32_000)))
        soundfile.write(folder / name, samples.astype(np.float32), 16_000)
    return names


def write_project(folder: Path, audio: Path, names: list[str], rows: int) -> None:
    """Params, a label table of so many rows, and their captions."""
    folder.mkdir()
    rng = np.random.default_rng(1)
    labels = (rng.integers(5, 36, size=(rows, 2)) / 5).tolist()
    splits = ("train", "development", "test1")
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "path", "split", "v", "a"])
        writer.writerows(
            [f"row-{i:07}", names[i % len(names)], splits[i % 3], *labels[i]] for i in range(rows)
        )
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    columns = {"id": "id", "path": "path", "split": "split", "valence": "v", "arousal": "a"}
    params["prepare"] = {
        "corpus": "table",
        "root": str(audio),
        "table": {"file": "labels.csv", "columns": columns},
    }
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    texts = [f"The person is speaking at {v:g} and {a:g}." for v, a in labels]
    ids = [f"row-{i:07}" for i in range(rows)]
    write_parquet(pa.table([ids, ["va"] * rows, texts], schema=CAPTIONS_SCHEMA), folder / CAPTIONS_FILE)
    write_parquet(pa.table([[] for _ in PROMPTS_SCHEMA], schema=PROMPTS_SCHEMA), folder / PROMPTS_FILE)


LAUNCHER = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[2:], stdout=open(sys.argv[1], "w"), stderr=subprocess.STDOUT).returncode
print(status, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
"""A process's peak counts what the one had that started it, so that a small one starts it."""


def run(folder: Path, command: str) -> tuple[float, float]:
    """Seconds and peak MiB of a command."""
    log = folder / "log.txt"
    erclap = Path(sys.executable).with_name("erclap")
    started = time.perf_counter()
    answer = subprocess.run(
        [sys.executable, "-S", "-c", LAUNCHER, log, erclap, command],
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    seconds = time.perf_counter() - started
    status, peak = map(int, answer.stdout.split())
    if status:
        raise RuntimeError(f"`erclap {command}` failed: {log.read_text()}")
    return seconds, peak / 1024


@click.command(help=(__doc__ or "").splitlines()[0])
@click.option("--clips", default=2_000, show_default=True)
@click.option("--rows", default=200_000, show_default=True)
def main(clips: int, rows: int) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        audio = Path(temporary) / "audio"
        names = write_clips(audio, clips)
        print(f"| {clips} clips | rows | s | peak MiB |\n| --- | --- | --- | --- |")
        for count in (clips, rows):
            folder = Path(temporary) / str(count)
            write_project(folder, audio, names, count)
            for state in ("from nothing", "nothing new"):
                for command in ("prepare", "extract"):
                    seconds, peak = run(folder, command)
                    print(f"| {command}, {state} | {count} | {seconds:.1f} | {peak:.0f} |", flush=True)
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
