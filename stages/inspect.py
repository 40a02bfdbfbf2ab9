"""`erclap inspect`: whether the corpus, which lies outside the project, is still what was prepared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.config import read_params

if TYPE_CHECKING:
    from pipeline.config import Params

CORPUS_FILE = Path("data/corpus.json")
EXPERIMENTS = ".dvc/tmp/exps"
"""Below it DVC runs experiments in copies of the project."""


@click.command("inspect")
def command() -> None:
    """See whether labels or clips have changed, so that `dvc repro` prepares a changed corpus again.

    Writes a digest of what a manifest of the corpus would hold to data/corpus.json. `dvc repro` runs it each time,
    as DVC cannot watch what lies outside the project; files that have not changed are not read again. Where there
    is no corpus, as with a teammate who has none, or much of it is out of reach, the manifest stands as it is.
    """
    if _is_sample(read_params()):
        _write("the sample, which params.yaml says all of")
        return
    from pipeline.config import load_params

    params = load_params()
    if why := _not_looked_at(params):
        click.echo(f"the corpus is not looked at, the manifest stands as it is: {why}")
        _write(_of_manifest())
        return

    from pipeline.corpora import out_of_reach
    from stages.prepare import look_at_corpus

    corpus, (manifest, rejects, _) = look_at_corpus(params)
    if refused := out_of_reach(rejects, len(corpus.utterances), params.prepare.unreachable):
        click.echo(f"warning: the manifest stands as it is: {refused}", err=True)
        _write(_of_manifest())
        return
    _write(manifest.digest([reject.path for reject in rejects]))


def _is_sample(written: Any) -> bool:
    """Whether params.yaml names the sample: told before it is checked, which takes longer than all else here."""
    prepare = written.get("prepare") if isinstance(written, dict) else None
    return isinstance(prepare, dict) and prepare.get("corpus") == "sample"


def _not_looked_at(params: Params) -> str | None:
    """Why the corpus is not looked at, where it is not."""
    if not params.runtime.inspect:
        return "runtime.inspect is off"
    if f"/{EXPERIMENTS}/" in Path.cwd().as_posix():
        return "an experiment of DVC's takes it as it was"
    needed = [params.prepare.folder, *([file] if (file := params.prepare.table_file) else [])]
    absent = next((path for path in needed if not path.exists()), None)
    return f"there is no {absent}" if absent else None


def _of_manifest() -> str | None:
    """The digest of what was prepared last; None where nothing was, and then prepare will say what is missing."""
    from pipeline.corpora import read_rejects
    from pipeline.manifest import MANIFEST_FILE, Manifest
    from pipeline.support import read_json_object
    from stages.prepare import REJECTS_FILE

    if MANIFEST_FILE.exists():
        return Manifest.read().digest([reject.path for reject in read_rejects(REJECTS_FILE)])
    if CORPUS_FILE.exists():  # in a copy of the project, where DVC has not yet put the manifest
        found: str | None = read_json_object(CORPUS_FILE, made_by="erclap inspect").get("holds")
        return found
    return None


def _write(holds: str | None) -> None:
    text = json.dumps({"holds": holds}) + "\n"
    if not CORPUS_FILE.exists() or CORPUS_FILE.read_text(encoding="utf-8") != text:
        from pipeline.support import write_text  # which takes a tenth of a second, of each `dvc repro`

        write_text(text, CORPUS_FILE)
