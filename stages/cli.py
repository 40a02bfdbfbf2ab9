"""The command `erclap`: a group whose commands are imported only when they are run."""

from __future__ import annotations

import os
import sys
import traceback
from typing import IO, Any

import click

from stages.lazy import LazyGroup
from stages.terminating import unwinding_on_sigterm

COMMANDS = {
    "init": (
        "stages.init",
        "Write the settings for a corpus to params.yaml: the paper's, IEMOCAP or a table.",
    ),
    "check": ("stages.check", "See within a minute whether the whole run can succeed, and what it takes."),
    "inspect": ("stages.inspect", "See whether the corpus has changed since it was prepared."),
    "prepare": ("stages.prepare", "Corpus to manifest: every clip hashed, decoded and checked."),
    "caption": ("stages.caption", "Labels to sentences: captions and the ordinality test's prompts."),
    "extract": ("stages.extract", "Clips and sentences to frozen features, once, into the cache."),
    "train": ("stages.train", "Projection heads on cached features, by one method or all."),
    "eval": ("stages.evaluate", "The paper's two tables, a third, and the plots."),
    "export": ("stages.export", "Trained heads to a model's folder: to use, to index with, to share."),
    "score": ("stages.score", "The three tables of any other model, by its embeddings."),
    "index": ("stages.index", "Any folder of recordings, to be searched: what is new is encoded."),
    "search": ("stages.search", "The recordings that sound like a sentence, a mood or another recording."),
    "describe": ("stages.describe", "How a recording sounds: its mood and the sentences that suit it."),
    "serve": ("stages.serve", "A page to search recordings with: by a sentence, a mood, a recording."),
    "cache": (
        "stages.cache",
        "The features that are kept: what there is, what is missing, shared and mended.",
    ),
    "report": ("stages.report", "The last evaluation as one HTML page, for readers elsewhere."),
    "tables": ("stages.tables", "Print the tables of the last evaluation and where to look."),
}
"""Command → the module that defines `command`, and its help in one line. In the order of the pipeline."""

ALIASES = {"evaluate": "eval"}
"""As DVC's stage is called."""

GOING_ON = frozenset({"prepare", "inspect", "caption", "extract", "index"})
"""Those that keep what they have done wherever they are stopped."""

BAD_INPUT, FAULT = 2, 1

QUIET, DEBUG = "ERCLAP_QUIET", "ERCLAP_DEBUG"

LONGEST = 4000
"""Characters of an error's line, which may quote what somebody else wrote."""


class Commands(LazyGroup):
    """Those of `COMMANDS`."""

    commands_by_name = COMMANDS
    aliases = ALIASES

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stopped:
            goes_on = ctx.invoked_subcommand in GOING_ON
            told = ": what was stored stays, and the same command goes on from there." if goes_on else "!"
            raise AbortedError(f"Aborted{told}") from stopped


class AbortedError(click.ClickException):
    """Ctrl-C or SIGTERM came."""

    exit_code = FAULT

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"\n{self.message}", file=file, err=True)  # below the terminal's ^C


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-q", "--quiet", is_flag=True, help="No progress; all else is said. As ERCLAP_QUIET=1.")
@click.option("-v", "--verbose", is_flag=True, help="The traceback behind an error. As ERCLAP_DEBUG=1.")
@click.version_option(package_name="emotionrankclap", prog_name="erclap")
def cli(quiet: bool, verbose: bool) -> None:
    """Speaking-style sentences and speech in one space, ordered by valence and arousal.

    `dvc repro` runs the whole pipeline; each command here is one of its stages. All read params.yaml in the
    current folder.
    """
    # Of the environment, as a stage's processes have it too, and `dvc repro` can be given it.
    if quiet:
        os.environ[QUIET] = "1"
    if verbose:
        os.environ[DEBUG] = "1"


def main(args: list[str] | None = None) -> Any:
    """Run a command; an error is one line on stderr, exit code 2 for bad input and 1 for a fault."""
    # Threads that spin while they wait make everything many times slower where other work shares the machine, our
    # own reading of audio included. Read by OpenMP when torch is loaded, which only the commands do.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        with unwinding_on_sigterm():
            return cli.main(args=args, prog_name="erclap", standalone_mode=True)
    except (ValueError, RuntimeError, OSError) as error:
        if os.environ.get(DEBUG):
            traceback.print_exc()
        print(f"error: {_one_line(error)}", file=sys.stderr)
        sys.exit(BAD_INPUT if isinstance(error, ValueError) else FAULT)


def _one_line(error: Exception) -> str:
    from pipeline.support import shown

    if isinstance(error, OSError) and error.strerror and error.filename:
        return shown(f"{error.filename} cannot be read or written: {error.strerror}", LONGEST)
    return shown(" ".join(str(error).split()), LONGEST)


if __name__ == "__main__":
    main()
