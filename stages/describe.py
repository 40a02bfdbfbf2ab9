"""`erclap describe`: how one recording sounds, window by window."""

from __future__ import annotations

import json
from pathlib import Path

import click

from stages.using import model_option, open_model


@click.command("describe")
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@click.option("-k", "count", type=click.IntRange(1), default=5, show_default=True, help="Sentences a window.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@model_option
def command(file: Path, count: int, as_json: bool, model: str) -> None:
    """Say of each window of a recording where it lies, by the speech encoder's own reading on 1 to 7, and which of
    the model's captions suit it best, with their cosines."""
    from pipeline.support import shown
    from pipeline.use import hear
    from stages.lines import clock

    describing = open_model(model)
    try:
        heard = hear(describing, file)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
    windows = []
    for row, (start, end) in enumerate(heard.spans):
        told = [None] * 3 if heard.attributes is None else heard.attributes[row].tolist()
        moods = dict(zip(("valence", "arousal", "dominance"), told, strict=True))
        sentences = describing.bank.described(heard.embeddings[row], count)
        windows.append({"start": start, "end": end, **moods, "sentences": sentences})
        if as_json:
            continue
        read = ", ".join(f"{name} {value:.1f}" for name, value in moods.items() if value is not None)
        click.echo(f"{clock(start)}–{clock(end)}" + (f"  {read}" if read else ""))
        for sentence in sentences:
            click.echo(f"  {sentence['score']:6.3f}  {shown(sentence['text'])}")
    if as_json:
        click.echo(json.dumps({"file": str(file), "windows": windows}, indent=2, allow_nan=False))
