"""Every table of results that the documents quote, made anew: `python benchmarks/quoted.py`, after `make run`.

Writes what each command prints to benchmarks/quoted/NAME.md, with the command and the processor, in some ten
minutes. A test compares what the documents quote with these files. Results of training hold to some digits only on
the processor that is named.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import torch

QUOTED = Path(__file__).with_name("quoted")

COMMANDS = {
    "sample_seeds": ["sample_seeds.py", "--seeds", "10"],
    "sample_models": ["sample_models.py"],
    "precision": ["precision.py"],
}


def processor() -> str:
    """The processor's name and what torch uses of it."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    name = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )
    return f"{name}, {torch.backends.cpu.get_cpu_capability()}, torch {torch.__version__}"


@click.command(help=__doc__)
@click.argument("names", nargs=-1, type=click.Choice(list(COMMANDS)))
def main(names: tuple[str, ...]) -> None:
    QUOTED.mkdir(exist_ok=True)
    for name in names or COMMANDS:
        script, *options = COMMANDS[name]
        command = [sys.executable, str(Path(__file__).with_name(script)), *options]
        answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        shown = " ".join(["python", f"benchmarks/{script}", *options])
        text = f"`{shown}` on {processor()}:\n\n{answer.stdout.strip()}\n"
        (QUOTED / f"{name}.md").write_text(text, encoding="utf-8")
        print(text)


if __name__ == "__main__":
    main()
