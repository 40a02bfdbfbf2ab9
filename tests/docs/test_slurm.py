"""The recipe for SLURM: read as SLURM reads it, and run with the environment of one of its tasks."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import click
import pytest

from pipeline.support import Part
from stages.cli import cli
from tests.docs.pages import Block, blocks

OPTIONS = {
    "job-name": r"[\w-]+",
    "array": r"1-(\d+)%\d+",
    "cpus-per-task": r"\d+",
    "mem": r"\d+G",
    "time": r"\d\d:\d\d:\d\d",
    "signal": r"B:TERM@\d+",
    "requeue": "",
    "output": r"logs/[\w%-]+\.txt",
}
"""Of sbatch, as its manual has them."""


@pytest.fixture(scope="module")
def script() -> Block:
    """The script of one task."""
    (found,) = (b for b in blocks("sh") if b.page.name == "scale.md" and "--part slurm" in b.text)
    return found


@pytest.fixture(scope="module")
def chain() -> Block:
    """What submits all of it."""
    (found,) = (b for b in blocks("sh") if b.page.name == "scale.md" and "parts.sbatch" in b.text)
    return found


def environment(task: int, tasks: int, folder: Path) -> dict[str, str]:
    said = {"ID": task, "COUNT": tasks, "MIN": 1, "MAX": tasks, "STEP": 1}
    array = {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in said.items()}
    return {"PATH": os.environ["PATH"], "SLURM_SUBMIT_DIR": str(folder)} | array


def test_its_options_are_sbatchs_and_its_array_gives_every_part(script):
    lines = script.text.splitlines()
    assert lines[0] == "#!/bin/bash"
    found = dict(re.fullmatch(r"#SBATCH --([a-z-]+)=?(.*)", x).groups() for x in lines if "SBATCH" in x)
    assert found.keys() <= OPTIONS.keys()
    for name, value in found.items():
        assert re.fullmatch(OPTIONS[name], value), name
    tasks = int(re.fullmatch(OPTIONS["array"], found["array"])[1])
    parts = [Part.parse("slurm", environment(task, tasks, Path())) for task in range(1, tasks + 1)]
    assert parts == [Part(number, tasks) for number in range(1, tasks + 1)]


@pytest.mark.parametrize("stage", ["prepare", "extract"])
def test_a_task_runs_a_command_that_there_is(script, tmp_path, stage):
    (tmp_path / "project/.venv/bin").mkdir(parents=True)
    (tmp_path / "project/.venv/bin/activate").write_text(f'PATH="{tmp_path}:$PATH"\n')
    (tmp_path / "erclap").write_text('#!/bin/bash\necho "$PWD" "$ERCLAP_STORE" "$@"\n')
    (tmp_path / "erclap").chmod(0o755)
    answer = subprocess.run(
        ["bash", "-c", script.text, "parts.sbatch", stage],
        env=environment(3, 200, tmp_path / "project"),
        capture_output=True,
        text=True,
        check=True,
    )
    folder, store, *words = answer.stdout.split()
    assert (folder, store) == (str(tmp_path / "project"), "/shared/erclap")
    assert words == ["--quiet", stage, "--part", "slurm"]
    context = cli.make_context("erclap", words[:], resilient_parsing=True)
    command = cli.get_command(context, stage)
    assert isinstance(command, click.Command)
    command.make_context(stage, words[2:])


def test_the_jobs_wait_for_each_other(chain, tmp_path):
    (tmp_path / "sbatch").write_text(
        '#!/bin/bash\necho "$@" >> said; grep -c . said\n'  # the job's number is that of the line
    )
    (tmp_path / "sbatch").chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    subprocess.run(["bash", "-euc", chain.text], cwd=tmp_path, env={"PATH": path}, check=True)
    bounds = "--cpus-per-task=16 --mem=32G --time=08:00:00 --output=logs/%x-%j.txt"
    assert (tmp_path / "said").read_text().splitlines() == [
        "--parsable parts.sbatch prepare",
        f"--parsable --dependency=afterany:1 {bounds} --wrap erclap prepare && erclap caption",
        "--parsable --dependency=afterok:2 parts.sbatch extract",
        "--parsable --dependency=afterany:3 parts.sbatch extract",
        f"--dependency=afterany:4 {bounds} --wrap erclap cache plan --json && erclap extract",
    ]
    for bound in bounds.split():
        name, value = bound.removeprefix("--").split("=")
        assert re.fullmatch(OPTIONS[name], value), name
