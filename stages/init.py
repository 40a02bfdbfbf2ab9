"""`erclap init`: the params of an experiment on a licensed corpus."""

from __future__ import annotations

import json
import subprocess
from importlib import resources
from pathlib import Path

import click

from pipeline.config import PARAMS_FILE, load_params
from pipeline.support import check_path, replacing

PROFILES = {"paper": "MSP-Podcast", "iemocap": "IEMOCAP"}
"""Profile, which is the name of its file in stages/profiles → the corpus that it is for."""

ROOT_MARK = "/path/to/corpus"


@click.command("init")
@click.argument("profile", type=click.Choice(list(PROFILES)))
@click.option(
    "--root",
    required=True,
    metavar="DIR",
    help="The corpus's own folder: of MSP-Podcast the one with Audios/ and Labels/, of IEMOCAP the one with "
    "Session1/ to Session5/.",
)
@click.option("--force", is_flag=True, help="Replace a params.yaml that has changes of its own.")
def command(profile: str, root: str, force: bool) -> None:
    """Write a profile for a licensed corpus to params.yaml.

    `paper` is the paper's experiment on MSP-Podcast, `iemocap` the same methods on IEMOCAP. `git checkout
    params.yaml` brings the sample corpus back.
    """
    folder = Path(root).expanduser().resolve()
    if not folder.is_dir():
        raise ValueError(f"--root must be the corpus's folder, found no folder {folder}")
    check_path(folder, "--root")
    if PARAMS_FILE.exists() and not force and not _committed(PARAMS_FILE):
        raise ValueError(
            f"{PARAMS_FILE} must not lose changes, found some that are not committed: "
            f"commit them, or use --force"
        )
    template = resources.files("stages") / "profiles" / f"{profile}.yaml"
    # The template's path stands in double quotes, in which YAML reads what JSON writes.
    quoted = json.dumps(folder.as_posix(), ensure_ascii=False)[1:-1]
    with replacing(PARAMS_FILE) as temporary:
        text = template.read_text(encoding="utf-8").replace(ROOT_MARK, quoted)
        temporary.write_text(text, encoding="utf-8")
        load_params(temporary)
    following = (
        "`dvc repro`" if Path("dvc.yaml").is_file() else "`erclap prepare`, and so on: see `erclap --help`"
    )
    click.echo(f"{PARAMS_FILE}: profile {profile} for {PROFILES[profile]} in {folder}; next: {following}")


def _committed(path: Path) -> bool:
    """Whether git has the file as it is."""
    asked = ["git", "status", "--porcelain", "--ignored", "--", str(path)]
    answer = subprocess.run(asked, capture_output=True, text=True, check=False)
    return answer.returncode == 0 and not answer.stdout.strip()
