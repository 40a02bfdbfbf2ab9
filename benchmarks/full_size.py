"""Time and memory of every stage on as many distinct clips as the paper has.

    python benchmarks/full_size.py --folder DIR [--clips 150243] [--keep] [STAGE ...]

Makes in DIR a corpus in the layout of MSP-Podcast 1.12, with its splits' proportions and labels that tie as its
do, of short synthetic clips no two of which are alike, and a project with the sample's encoders and the paper's
settings. Then it runs every stage, each as a process of its own, and prints its seconds by the clock, its seconds
of processors and the peak of resident memory, that of the largest process where there are several. Some 10 KB a
clip: 1.6 GB for all. A corpus that is there is taken as it is, and so is what earlier stages made where STAGEs are
named; without --keep DIR goes in the end. With PYTHONPATH at a checkout of an earlier commit it measures that.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import time
import wave
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
import yaml

ROOT = Path(__file__).resolve().parent.parent

SHARES = {"Train": 90_022, "Development": 25_258, "Test1": 34_963}
"""The paper's clips by split, as the release spells it."""

CLASSES = {"N": 0.38, "H": 0.26, "A": 0.12, "S": 0.1, "U": 0.05, "C": 0.04, "D": 0.03, "F": 0.02}

METHODS = ("clap-template", "clap4emo", "clap-sce", "supconclap", "emotionrankclap")
"""Those of the paper but ParaCLAP, whose captions are a stage by themselves here."""

STAGES = ("prepare", "caption", "paraclap", "extract", "train", "evaluate", "report")

RATE, SHORTEST, LONGEST = 16_000, 3_200, 6_400
"""0.2 to 0.4 s: two to four of Praat's windows."""

CLIPS_AT_ONCE = 512

Labels = npt.NDArray[np.float64]


def draw_labels(count: int, rng: np.random.Generator) -> Labels:
    """Valence, arousal and dominance, (N, 3): means of five to eight whole ratings around MSP-Podcast's mean."""
    spread = [[0.7, 0.24, 0.2], [0.24, 0.88, 0.6], [0.2, 0.6, 0.7]]
    centre = rng.multivariate_normal([4.24, 4.38, 4.5], spread, count)
    raters = rng.integers(5, 9, count)
    ratings = np.clip(np.rint(centre[:, None] + rng.normal(0, 0.7, (count, 8, 3))), 1, 7)
    counted = (np.arange(8)[None] < raters[:, None])[..., None]
    means: Labels = (ratings * counted).sum(1) / raters[:, None]
    return means


def voices(labels: Labels, rng: np.random.Generator) -> list[npt.NDArray[np.int16]]:
    """A clip of each row's labels: harmonics that are higher and brighter the more arousal, and noise."""
    count = len(labels)
    lengths = rng.integers(SHORTEST, LONGEST + 1, (count, 1))
    seconds = np.arange(LONGEST, dtype=np.float32) / RATE
    left = np.maximum(0, lengths / RATE - seconds)
    pitch = 90 + 25 * labels[:, 1] + rng.normal(0, 25, count)
    glide = rng.normal(0, 40, count) + 12 * (labels[:, 0] - 4)
    phase = 2 * np.pi * (pitch[:, None] * seconds + glide[:, None] * seconds**2 / 2)
    tilt = 1.6 - 0.12 * labels[:, 1] + rng.normal(0, 0.1, count)
    samples = np.zeros((count, LONGEST), np.float32)
    for harmonic in range(1, 9):
        samples += (harmonic ** -tilt[:, None] * np.sin(harmonic * phase + rng.uniform(0, 6))).astype(
            np.float32
        )
    beat = 1 + 0.3 * np.sin(2 * np.pi * rng.uniform(3, 6, (count, 1)) * seconds)
    samples *= np.minimum(1, np.minimum(seconds, left) / 0.03) * beat
    samples += 0.02 * rng.standard_normal((count, LONGEST), np.float32)
    loudest = np.abs(samples).max(axis=1, keepdims=True)
    whole = np.rint(samples / loudest * 0.5 * 32767).astype(np.int16)
    return [clip[:length] for clip, (length,) in zip(whole, lengths.tolist(), strict=True)]


def write_corpus(folder: Path, clips: int) -> None:
    """Audios/ and Labels/labels_consensus.csv, the latter last, so that a corpus which has it is whole."""
    rng = np.random.default_rng(0)
    labels = draw_labels(clips, rng)
    total = sum(SHARES.values())
    bounds = np.rint(np.cumsum(list(SHARES.values())) / total * clips)
    splits = [list(SHARES)[int(i)] for i in np.searchsorted(bounds, np.arange(clips), side="right")]
    speakers = rng.integers(1, max(3, clips // 70), clips)
    classes = rng.choice(list(CLASSES), clips, p=list(CLASSES.values()))
    names = [f"MSP-PODCAST_{i // 40:04}_{i % 40:04}.wav" for i in range(clips)]
    (folder / "Audios").mkdir(parents=True, exist_ok=True)
    for start in range(0, clips, CLIPS_AT_ONCE):
        some = slice(start, start + CLIPS_AT_ONCE)
        for name, samples in zip(names[some], voices(labels[some], rng), strict=True):
            with wave.open(str(folder / "Audios" / name), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(RATE)
                file.writeframes(samples.tobytes())
    (folder / "Labels").mkdir(exist_ok=True)
    written = folder / "Labels" / "labels.tmp"
    with written.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["FileName", "EmoClass", "EmoAct", "EmoVal", "EmoDom", "SpkrID", "Gender", "Split_Set"]
        )
        for row, (valence, arousal, dominance) in enumerate(labels.tolist()):
            speaker = int(speakers[row])
            writer.writerow(
                [
                    names[row],
                    classes[row],
                    f"{arousal:.6f}",
                    f"{valence:.6f}",
                    f"{dominance:.6f}",
                    speaker,
                    ("Female", "Male")[speaker % 2],
                    splits[row],
                ]
            )
    written.rename(folder / "Labels" / "labels_consensus.csv")


def write_params(project: Path, corpus: Path, methods: Sequence[str]) -> None:
    """The sample's encoders, the paper's settings."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["prepare"] = {"corpus": "msp-podcast", "root": str(corpus)}
    params["train"] |= {"methods": list(methods), "epochs": 15, "learning_rate": 0.0001}
    params["evaluate"] |= {"trials": 30, "pairs": 5000}
    (project / "params.yaml").write_text(yaml.safe_dump(params))


LAUNCHER = """
import json, resource, subprocess, sys
status = subprocess.run(sys.argv[2:], stdout=open(sys.argv[1], "w"), stderr=subprocess.STDOUT).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([status, used.ru_utime + used.ru_stime, used.ru_maxrss / 2**20]))
"""
"""A process's peak counts what the one had that started it, so that a small one starts it."""


def run(project: Path, label: str, *command: str) -> None:
    """Run a command and print a row of the table."""
    log = project / f"{label.split(',')[0].replace(' ', '-')}.log"
    erclap = Path(sys.executable).with_name("erclap")
    arguments = [sys.executable, "-S", "-c", LAUNCHER, log, erclap, *command]
    started = time.perf_counter()
    answer = subprocess.run(arguments, cwd=project, stdout=subprocess.PIPE, text=True, check=True)
    seconds = time.perf_counter() - started
    status, processors, peak = json.loads(answer.stdout)
    if status:
        raise RuntimeError(f"`erclap {' '.join(command)}` failed: {log.read_text()}")
    load = os.getloadavg()[0]
    print(f"| {label} | {seconds:.0f} | {processors:.0f} | {peak:.2f} | {load:.1f} |", flush=True)


@click.command(help=(__doc__ or "").splitlines()[0])
@click.argument("stages", nargs=-1, type=click.Choice(STAGES))
@click.option("--folder", type=click.Path(path_type=Path), required=True)
@click.option("--clips", default=sum(SHARES.values()), show_default=True)
@click.option("--keep", is_flag=True, help="Leave the folder as it is in the end.")
def main(stages: tuple[str, ...], folder: Path, clips: int, keep: bool) -> None:
    corpus, project = folder.resolve() / "corpus", folder.resolve() / "project"
    if not (corpus / "Labels" / "labels_consensus.csv").exists():
        started = time.perf_counter()
        write_corpus(corpus, clips)
        print(f"corpus written in {time.perf_counter() - started:.0f} s")
    chosen = stages or STAGES
    if not stages:
        shutil.rmtree(project, ignore_errors=True)
    project.mkdir(exist_ok=True)
    print(f"| {clips} clips | s | CPU s | peak GiB | load |\n| --- | --- | --- | --- | --- |", flush=True)
    for stage in STAGES:
        methods = [*METHODS, *(["paraclap"] if STAGES.index(stage) > STAGES.index("caption") else [])]
        write_params(project, corpus, methods)
        if stage not in chosen:
            continue
        if stage == "train":
            for method in methods:
                run(project, f"train {method}", "train", "--method", method)
        elif stage == "evaluate":
            run(project, f"evaluate, {len(methods)} methods", "eval", "--quiet")
        elif stage == "paraclap":
            run(project, "caption with ParaCLAP's", "caption")
        else:
            run(project, stage, stage)
    if not keep:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
