"""`erclap score`: the tables of a model from elsewhere, by what it makes of clips, captions and prompts."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.config import PARAMS_FILE, Evaluate, load_params

if TYPE_CHECKING:
    from pipeline.others import OtherModel
    from pipeline.report.results import Table
    from pipeline.sentences import WordedPrompt

PAPERS = Evaluate(split="clips", trials=30, pairs=5000, seed=0, alpha=0.05)
"""What is measured where no params.yaml says otherwise."""

LISTS = 100
"""Of each test, in the paper."""

TEMPLATE = "erclap score --template"


@click.command("score")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE]...")
@click.option(
    "--template",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the prompts to embed, as CSV or parquet.",
)
@click.option("--normalize", is_flag=True, help="Divide every embedding by its length first.")
@click.option("--json", "as_json", is_flag=True, help="Print the unrounded figures as JSON.")
def command(files: tuple[Path, ...], template: Path | None, normalize: bool, as_json: bool) -> None:
    """Make the three tables of any model, by its embeddings of clips, of their captions and of the prompts.

    FILE is an .npz with the arrays speech (N, E), captions (N, E), valence (N,), arousal (N,) on 1 to 7, and
    prompts (M, E) in the order of the template, or a parquet file of the same: docs/score.md. Of several files,
    of the same clips, each has its column. No project is needed; in one, its prompts and its evaluate settings
    count. In a project `erclap eval` puts such files in data/others beside its own methods.
    """
    if template and (files or normalize or as_json):
        raise ValueError("erclap score takes either --template or files of embeddings, found both")
    if template:
        _write_template(template)
    elif not files:
        raise ValueError(f"erclap score takes files of embeddings, found none: `{TEMPLATE} FILE` begins one")
    else:
        _score(files, normalize=normalize, as_json=as_json)


def _write_template(path: Path) -> None:
    from pipeline.support import write_csv, write_parquet

    if path.suffix not in (".csv", ".parquet"):
        raise ValueError(f"--template must be a file .csv or .parquet, found {path}")
    if path.exists():
        raise ValueError(
            f"--template must be a file that is yet to be written, found {path}: remove it first"
        )
    prompts, source = _prompts()
    if path.suffix == ".csv":
        write_csv([asdict(prompt) for prompt in prompts], path)
    else:
        from pipeline.captions import prompts_table

        write_parquet(prompts_table(prompts), path)
    distinct = len({prompt.text for prompt in prompts})
    click.echo(
        f"{path}: {len(prompts)} prompts, {distinct} distinct, of {source}: embed the column text, a row for each "
        f"prompt in this order"
    )


def _prompts() -> tuple[list[WordedPrompt], str]:
    """The ordinality test's prompts, and where they are from."""
    from pipeline.sentences import PROMPTS_FILE, WordedPrompt, read_prompts

    if PARAMS_FILE.exists():
        return read_prompts(), str(PROMPTS_FILE)
    from pipeline.captions import caption_prompts

    rows = caption_prompts(LISTS, PAPERS.seed, exclude=frozenset()).to_pylist()
    return [WordedPrompt(**row) for row in rows], f"the template (`{TEMPLATE}`, outside a project)"


def _score(files: Sequence[Path], *, normalize: bool, as_json: bool) -> None:
    from pipeline.config import Params
    from pipeline.features import Pairs
    from pipeline.measures import evaluate_entries
    from pipeline.others import read_model
    from pipeline.report.results import build_tables
    from pipeline.support import shown

    params: Params | None = load_params() if PARAMS_FILE.exists() else None
    prompts, source = _prompts()
    models: dict[str, OtherModel] = {}
    for path in files:
        model = read_model(path, normalize=normalize)
        model.check_prompts(prompts, source)
        if model.title in {other.title for other in models.values()}:
            raise ValueError(
                f"{path}: its title must be its own, found another {model.title!r}: put in a `title`"
            )
        models[str(path)] = model.beside(next(iter(models.values()), model))
        if model.unused:
            click.echo(f"{shown(path)}: not used: {', '.join(model.unused)}", err=True)
    first = next(iter(models.values()))
    clips = first.clips
    ids = clips.ids or [f"row {row}" for row in range(len(clips))]
    settings = params.evaluate if params else PAPERS
    found = evaluate_entries(
        models,
        models,
        Pairs(ids, clips.speech, clips.captions, first.labels, [None] * len(clips)),
        prompts,
        settings,
        workers=params.runtime.threads if params else 2,
    )
    corpus = f"{len(clips)} clips of {', '.join(shown(path.name) for path in files)}"
    tables = build_tables(
        {settings.seed: found}, settings.model_copy(update={"probe_split": "probe"}), corpus
    )
    if as_json:
        figures = {name: _unrounded(table) for name, table in tables.items()}
        click.echo(json.dumps({"clips": len(clips)} | figures, indent=2, ensure_ascii=False, allow_nan=False))
        return
    for table in tables.values():
        click.echo(replace(table.without("paper's"), corpora=f"{corpus[0].upper()}{corpus[1:]}.").text())


def _unrounded(table: Table) -> list[dict[str, object]]:
    """The figures of a table, null where there is none."""
    return [
        {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in row.items()
        }
        for row in table.figures
    ]
