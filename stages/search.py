"""`erclap search`: the recordings of an index that sound like something."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stages.using import index_option, model_option, open_model

if TYPE_CHECKING:
    from pipeline.use import Hit, Index


@click.command("search")
@click.argument("sentence", required=False)
@click.option("--valence", type=float, metavar="V", help="1 (negative) to 7 (positive), with --arousal.")
@click.option("--arousal", type=float, metavar="A", help="1 (calm) to 7 (excited), with --valence.")
@click.option(
    "--like", type=click.Path(path_type=Path), metavar="FILE", help="Search what sounds like a file."
)
@click.option("-k", "count", type=click.IntRange(1), default=10, show_default=True, help="How many to find.")
@click.option(
    "--all-windows", is_flag=True, help="Any number of windows of a file, rather than its best one."
)
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
@click.option("--play", is_flag=True, help="Play the results one after another.")
@model_option
@index_option
def command(
    sentence: str | None,
    valence: float | None,
    arousal: float | None,
    like: Path | None,
    count: int,
    all_windows: bool,
    as_json: bool,
    play: bool,
    model: str,
    index_folder: Path,
) -> None:
    """Search an index by a SENTENCE about how speech sounds, by a mood, or by another recording.

    A score is a cosine, or for a mood 1 − the distance over the plane's diagonal. Valence and arousal are the
    speech encoder's own reading. A FILE that is in the index is left out.
    """
    moods = [valence, arousal]
    if sum([sentence is not None, moods != [None, None], like is not None]) != 1:
        raise ValueError(
            "erclap search takes one of: a SENTENCE in quotes, --valence and --arousal, --like FILE"
        )
    if like is None and sentence is None and None in moods:
        raise ValueError("a mood takes both --valence and --arousal, found one of them")

    from pipeline.use import Index
    from stages.playing import find_player, play_part

    player = find_player() if play else None
    index = Index.open(index_folder)
    of_each = None if all_windows else 1
    if valence is not None and arousal is not None:
        hits = index.by_point(valence, arousal, count, windows_per_file=of_each)
    elif sentence is not None:
        searching = open_model(model)
        index.check(searching)
        hits = index.by_embedding(searching.encode_text(sentence), count, windows_per_file=of_each)[0]
    elif like is not None:
        hits = _like(like, index, model, count, of_each)
    if as_json:
        found = {"root": str(index.root), "results": [asdict(hit) for hit in hits]}
        click.echo(json.dumps(found, indent=2, allow_nan=False))
    else:
        for line in table(hits):
            click.echo(line)
    if player:
        for hit in hits:
            play_part(player, index.audio(hit.file), hit.start, hit.end)


def _like(file: Path, index: Index, model: str, count: int, of_each: int | None) -> list[Hit]:
    """What sounds like a file on the whole: one of the index's own, which is left out, or any other."""
    if not file.exists() and (index.root / file).exists():  # as a search prints it
        file = index.root / file
    row = index.file_at(file)
    if row is None:
        from pipeline.use import hear

        hearing = open_model(model)
        index.check(hearing)
        try:
            mean = hear(hearing, file).mean
        except ValueError as error:
            raise ValueError(f"{file}: {error}") from None
        return index.by_embedding(mean, count, windows_per_file=of_each)[0]
    rows = index.rows_of(row)
    return index.by_embedding(index.mean_of(row), count, windows_per_file=of_each, without=rows)[0]


def table(hits: Sequence[Hit]) -> list[str]:
    """A line a hit, of 80 columns: rank, file, time, score, valence, arousal."""
    from stages.lines import clock, narrowed, padded

    rows = [["", "time", "score", "valence", "arousal"]]
    for hit in hits:
        moods = ["" if value is None else f"{value:.1f}" for value in (hit.valence, hit.arousal)]
        rows.append([str(hit.rank), f"{clock(hit.start)}–{clock(hit.end)}", f"{hit.score:.3f}", *moods])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    room = 80 - sum(widths) - 2 * len(widths)
    names = ["file", *(narrowed(hit.path, room) for hit in hits)]
    return [
        "  ".join([row[0].rjust(widths[0]), padded(name, room)])
        + "".join(f"  {cell.rjust(width)}" for cell, width in zip(row[1:], widths[1:], strict=True))
        for row, name in zip(rows, names, strict=True)
    ]
