"""Readers: a corpus on disk in, utterances out.

To add one, write a module here with a `read` that returns utterances, name it in `read_corpus` and in
`pipeline.config.Prepare`.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.config import Prepare
from pipeline.manifest import Utterance, check_utterances


def read_corpus(settings: Prepare, root: Path) -> list[Utterance]:
    """Read the utterances of the corpus that the params name, whose clips lie under `root`.

    Raises ValueError where the corpus's own section is missing, or its utterances break the manifest's rules.
    """
    if settings.corpus == "sample":
        from pipeline.corpora import sample
        from pipeline.progress import Progress

        if settings.sample is None:
            raise ValueError("params.yaml: prepare.sample is missing, which corpus 'sample' needs")
        with Progress("speak", settings.sample.utterances, "clips") as progress:
            utterances = sample.read(
                root,
                utterances=settings.sample.utterances,
                seed=settings.sample.seed,
                progress=progress.to,
            )
        source = f"the sample corpus in {root}"
    else:
        from pipeline.corpora import table

        if settings.table is None:
            raise ValueError("params.yaml: prepare.table is missing, which corpus 'table' needs")
        file = Path(settings.table.file)
        utterances = table.read(
            file,
            columns=settings.table.columns,
            splits=settings.table.splits,
            scale=settings.table.scale,
        )
        source = str(file)
    check_utterances(utterances, source)
    return utterances
