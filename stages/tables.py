"""`erclap tables`: what the last evaluation came to, and where to look."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.config import load_params

TABLES_FOLDER, PLOTS_FOLDER = Path("results/tables"), Path("results/plots")
CURVES_FOLDER = Path("results/curves")
METRICS_FILE = Path("results/metrics.json")
TABLE_FILES = tuple(TABLES_FOLDER / f"{name}.txt" for name in ("table1", "table2", "table2b", "further"))


@click.command("tables")
def command() -> None:
    """Print the tables of the last `erclap eval`, and where its files lie."""
    load_params()  # which says where it is missing that this is no project
    written = [path for path in TABLE_FILES if path.exists()]
    if not written:
        raise RuntimeError(f"{TABLES_FOLDER} must hold tables: run `erclap eval` first")
    for path in written:
        click.echo(path.read_text(encoding="utf-8"))
    click.echo(f"tables (CSV, markdown, every trial and list): {TABLES_FOLDER}/")
    click.echo(f"plots: {PLOTS_FOLDER}/")
    click.echo("trained heads: results/models/")
    click.echo(f"metrics: {METRICS_FILE} (`dvc metrics show`, `dvc plots show`)")
