"""`erclap cache export`: features for people without this code."""

from __future__ import annotations

from pathlib import Path

import click
import pyarrow as pa

from pipeline.features import (
    KEY,
    SPEECH_FEATURES,
    TEXT_FEATURES,
    FeatureStore,
    export_npz,
    export_parquet,
    sentence_key,
)
from pipeline.manifest import Manifest
from pipeline.sentences import all_sentences
from pipeline.support import Progress

COLUMNS = ("id", "sha256", "path", "split", "valence", "arousal", "dominance", "emotion", "speaker")


@click.command("export")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--format", "kind", type=click.Choice(["parquet", "npz"]), required=True, help="What to write.")
@click.option(
    "--modality", type=click.Choice(["speech", "text"]), default="speech", help="Which features. [speech]"
)
def command(file: Path, kind: str, modality: str) -> None:
    """Write the cached features to FILE: of speech a row an utterance, of text a row a sentence.

    Speech comes with the manifest's id, path, split, labels, emotion and speaker, text with the sentence; both
    with the key, which is the sha256 of what was encoded, and the recipe. An npz has an array for each column.
    Features of licensed audio fall under its terms.
    """
    speech = modality == "speech"
    store = FeatureStore.open(SPEECH_FEATURES if speech else TEXT_FEATURES)
    about = _utterances() if speech else _sentences()
    write = export_parquet if kind == "parquet" else export_npz
    with Progress("export", about.num_rows, "rows") as progress:
        write(about, store, file, progress.advance)
    click.echo(
        f"{file}: {about.num_rows} rows of {store.recipe.feature_size}, {', '.join(about.column_names)}"
    )


def _utterances() -> pa.Table:
    table = Manifest.read().table.select(COLUMNS)
    return table.rename_columns(
        ["utterance_id" if n == "id" else KEY if n == "sha256" else n for n in COLUMNS]
    )


def _sentences() -> pa.Table:
    sentences = all_sentences()
    return pa.table({"text": sentences, KEY: [sentence_key(sentence) for sentence in sentences]})
