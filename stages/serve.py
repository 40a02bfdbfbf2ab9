"""`erclap serve`: a page to search an index with, and its API."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import click

from stages.using import index_option, model_option, open_model

HOST, PORT = "127.0.0.1", 8765


@click.command("serve")
@model_option
@index_option
@click.option(
    "--host", default=HOST, show_default=True, help="Where to listen; others reach it by a token alone."
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="0 takes a free one."
)
@click.option("--token", envvar="ERCLAP_TOKEN", help="Who asks must know it. Better as ERCLAP_TOKEN.")
@click.option(
    "--allow-host",
    "further",
    multiple=True,
    metavar="NAME",
    help="A further name that it is asked by, as of a proxy before it.",
)
@click.option("--open", "opened", is_flag=True, help="Show the page in a browser.")
def command(
    model: str,
    index_folder: Path,
    host: str,
    port: int,
    token: str | None,
    further: tuple[str, ...],
    opened: bool,
) -> None:
    """Search recordings on a page: by a sentence, by a mood, by a recording.

    It serves what `erclap index` made to this machine alone. With another --host it takes a token, which is drawn
    and printed once where none is given. Ctrl-C ends it.
    """
    os.environ.pop("ERCLAP_TOKEN", None)  # which no process of ours needs to have
    try:
        from pipeline.use import Index, Library, Server
    except ImportError as error:
        raise ValueError(
            f"erclap serve needs the package {error.name}, which is not installed: in the clone, "
            f"pip install -e '.[serve]' -c constraints.txt"
        ) from None
    with closing(Server(host, port, token=token, further=further)) as server:
        found = open_model(model)
        library = Library(found, lambda: Index.open(index_folder), index_folder / "index.json")
        library.warm_up()

        def begun() -> None:
            click.echo(f"{library.edition.summary} at {server.address} (Ctrl-C ends it)")
            if opened and click.launch(server.address):
                click.echo("there is no browser for --open: open the address yourself", err=True)

        server.serve(library, begun)
