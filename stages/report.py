"""`erclap report`: the last evaluation as one HTML page."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.config import load_params
from stages.tables import TABLES_FOLDER

REPORT_FILE = Path("results/report.html")


@click.command("report")
@click.option("--open", "opened", is_flag=True, help="Show the page in a browser.")
def command(opened: bool) -> None:
    """Make a page of the last `erclap eval`: tables, distributions, maps, examples, curves, settings.

    Writes results/report.html, one file that needs no network and may be handed on.
    """
    from pipeline.report.page import build_page, read_tables
    from pipeline.report.results import read_details
    from pipeline.support import write_text

    load_params()  # which says where it is missing that this is no project
    details = read_details()
    write_text(build_page(details, read_tables(TABLES_FOLDER)), REPORT_FILE)
    click.echo(f"{REPORT_FILE}: the page of the last evaluation, {REPORT_FILE.stat().st_size / 1e6:.1f} MB")
    if opened and click.launch(REPORT_FILE.resolve().as_uri()):
        raise RuntimeError(f"there must be a browser for --open, found none: open {REPORT_FILE} yourself")
