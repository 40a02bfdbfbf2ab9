"""`erclap init`: the params of an experiment on a licensed corpus."""

from __future__ import annotations

import json
import subprocess
from importlib import resources
from pathlib import Path

import click

from pipeline.config import PARAMS_FILE, Params, load_params
from pipeline.support import check_path, replacing

PROFILES = {"paper": "msp-podcast", "iemocap": "iemocap", "table": "table"}
"""Profile, which is the name of its file in stages/profiles → the corpus that it is for."""

TITLES = {"paper": "MSP-Podcast", "iemocap": "IEMOCAP"}

ROOT_MARK = "/path/to/corpus"


@click.command("init")
@click.argument("profile", type=click.Choice(list(PROFILES)))
@click.option(
    "--root",
    required=True,
    metavar="DIR",
    help="The corpus's own folder: of MSP-Podcast the one with Audios/ and Labels/, of IEMOCAP the one with "
    "Session1/ to Session5/, of a table the one that its clips' paths are relative to.",
)
@click.option(
    "--file", metavar="FILE", help="For `table`: the table, where it is not the only one in --root."
)
@click.option(
    "--column",
    "given",
    multiple=True,
    metavar="NAME=COLUMN",
    help="For `table`: which of the file's columns is path, split, valence, arousal, id, dominance, emotion, "
    "speaker or transcript, where its name does not tell.",
)
@click.option("--force", is_flag=True, help="Replace a params.yaml that has changes of its own.")
@click.option(
    "--no-check", "unchecked", is_flag=True, help="Leave out `erclap check`, which takes up to a minute."
)
def command(
    profile: str, root: str, file: str | None, given: tuple[str, ...], force: bool, unchecked: bool
) -> None:
    """Write the settings for a corpus to params.yaml.

    `paper` is the paper's experiment on MSP-Podcast, `iemocap` the same methods on IEMOCAP, `table` the same on a
    corpus of your own, with settings that fit what is found in its table. `git checkout params.yaml` brings the
    sample corpus back.
    """
    folder = Path(root).expanduser().resolve()
    if not folder.is_dir():
        raise ValueError(f"--root must be the corpus's folder, found no folder {folder}")
    check_path(folder, "--root")
    if profile != "table" and (file or given):
        raise ValueError(f"--file and --column belong to `erclap init table`, found them with {profile}")
    if PARAMS_FILE.exists() and not force and not _committed(PARAMS_FILE):
        raise ValueError(
            f"{PARAMS_FILE} must not lose changes, found some that are not committed: "
            f"commit them, or use --force"
        )
    template = (resources.files("stages") / "profiles" / f"{profile}.yaml").read_text(encoding="utf-8")
    text, lines, title = (
        _of_table(template, folder, file, given)
        if profile == "table"
        else (_of_corpus(template, folder, profile), [], TITLES[profile])
    )
    with replacing(PARAMS_FILE) as temporary:
        temporary.write_text(text, encoding="utf-8")
        params = load_params(temporary)
    if profile == "table" and unchecked:  # otherwise the check reads the table, and says it
        lines += _complaint(params)
    following = (
        "`dvc repro`" if Path("dvc.yaml").is_file() else "`erclap prepare`, and so on: see `erclap --help`"
    )
    for line in lines:
        click.echo(line)
    click.echo(f"{PARAMS_FILE}: profile {profile} for {title} in {folder}")
    if not unchecked:
        from stages.check import check, show

        if any(finding.state == "fail" for finding in show(check())):
            click.echo("next: mend what is said to FAIL, and `erclap check` again")
            return
    click.echo(f"next: {following}")


def _of_corpus(template: str, folder: Path, profile: str) -> str:
    """The profile of a published corpus."""
    from pipeline.corpora import check_layout

    check_layout(PROFILES[profile], folder)
    # The template's path stands in double quotes, in which YAML reads what JSON writes.
    return template.replace(ROOT_MARK, json.dumps(folder.as_posix(), ensure_ascii=False)[1:-1])


def _of_table(
    template: str, folder: Path, file: str | None, given: tuple[str, ...]
) -> tuple[str, list[str], str]:
    """The profile of a table, what to say of it, and its name."""
    from pipeline.corpora import propose_table
    from pipeline.manifest import describe_splits
    from stages.init_table import fill

    path = _table_file(file, folder) if file else None
    if wrong := [one for one in given if "=" not in one]:
        raise ValueError(f"--column must be as valence=NAME, found {wrong[0]}")
    proposal = propose_table(folder, path, dict(one.split("=", 1) for one in given))
    text, more = fill(template, folder, proposal)
    lines = [f"{name} is column {column!r}" for name, column in proposal.columns.items()]
    lines += [f"split {old!r} is {new}" for old, new in proposal.splits.items()]
    lines += [f"emotion {old!r} is {new or 'no class'}" for old, new in proposal.emotions.items()]
    repeated = [split for split, count in proposal.counts.items() for _ in range(count)]
    lines.append(f"rows: {describe_splits(repeated)}")
    lines += [f"check: {check}" for check in (*more, *proposal.checks)]
    return text, lines, proposal.file.name


def _complaint(params: Params) -> list[str]:
    """What `erclap prepare` will refuse, if anything."""
    from pipeline.corpora import read_corpus

    try:
        read_corpus(params.prepare, params.prepare.folder)
    except ValueError as error:
        return [f"check: `erclap prepare` refuses it so far: {error}"]
    return []


def _table_file(file: str, folder: Path) -> Path:
    """A table named from here, or from the corpus's folder."""
    path = Path(file).expanduser()
    found = next((path for path in (path, folder / path) if path.is_file()), None)
    if found is None:
        raise ValueError(f"--file must be a table, found no file {path}, nor in {folder}")
    check_path(found, "--file")
    return found


def _committed(path: Path) -> bool:
    """Whether git has the file as it is."""
    asked = ["git", "status", "--porcelain", "--ignored", "--", str(path)]
    answer = subprocess.run(asked, capture_output=True, text=True, check=False)
    return answer.returncode == 0 and not answer.stdout.strip()
