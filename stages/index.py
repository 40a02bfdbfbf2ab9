"""`erclap index`: a folder of recordings, made searchable."""

from __future__ import annotations

from pathlib import Path

import click

from stages.using import index_option, model_option, open_model


@click.command("index")
@click.argument("root", type=click.Path(path_type=Path), metavar="DIR")
@model_option
@index_option
@click.option(
    "--hop",
    type=float,
    metavar="SECONDS",
    help="From one window's start to the next; by default they lie end to end.",
)
@click.option("--replace", is_flag=True, help="Forget the folder that the index was of until now.")
def command(root: Path, model: str, index_folder: Path, hop: float | None, replace: bool) -> None:
    """Index every recording below DIR, long ones in windows, for `erclap search`.

    An index is of one folder: name another with --index for another DIR. Run again, it reads what is new or has
    changed and forgets what is gone. A run that was killed goes on where it was, and until it is done the index
    from before answers. Recordings that cannot be read are listed in
    unreadable.csv in the index's folder. Where there is a team's store (ERCLAP_STORE), features are looked up
    there before they are computed, and offered to it.
    """
    from pipeline.config import Runtime
    from pipeline.features import TeamStore, team_root
    from pipeline.support import counted, shown
    from pipeline.use import UNREADABLE_FILE, build_index

    team_folder = team_root(None)
    summary = build_index(
        root,
        open_model(model),
        index_folder,
        hop=hop,
        replace_root=replace,
        workers=Runtime().threads,
        team=TeamStore(team_folder) if team_folder else None,
    )
    click.echo(
        f"{shown(index_folder)}: {counted(summary.files, 'recording')} of {shown(root)} in "
        f"{counted(summary.windows, 'window')}; {summary.added} added, {summary.changed} changed, "
        f"{summary.removed} removed; {counted(summary.encoded, 'window')} encoded"
    )
    if summary.unreadable:
        click.echo(
            f"{counted(summary.unreadable, 'file')} cannot be searched: see "
            f"{shown(index_folder / UNREADABLE_FILE)} (the first: {summary.first_unreadable})"
        )
