"""Readers: a corpus on disk in, utterances out.

To add one, write a module here with a `read` that returns utterances, name it in `read_corpus` and in
`pipeline.config.Prepare`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pipeline.config import Prepare
from pipeline.manifest import Utterance, check_utterances


@dataclass(frozen=True)
class Corpus:
    """What a reader found."""

    utterances: list[Utterance]
    left_out: dict[str, int] = field(default_factory=dict)
    """Why rows were left out, as the params asked → how many."""


def read_corpus(settings: Prepare, root: Path) -> Corpus:
    """Read the corpus that the params name, whose clips lie under `root`.

    Raises ValueError where the corpus's own section is missing, or its utterances break the manifest's rules.
    """
    if settings.corpus == "sample":
        from pipeline.corpora import sample
        from pipeline.progress import Progress

        if settings.sample is None:
            raise ValueError("params.yaml: prepare.sample is missing, which corpus 'sample' needs")
        with Progress("speak", settings.sample.utterances, "clips") as progress:
            corpus = Corpus(
                sample.read(
                    root,
                    utterances=settings.sample.utterances,
                    seed=settings.sample.seed,
                    progress=progress.to,
                )
            )
        source = f"the sample corpus in {root}"
    else:
        from pipeline.corpora import table

        if settings.table is None:
            raise ValueError("params.yaml: prepare.table is missing, which corpus 'table' needs")
        file = Path(settings.table.file)
        utterances, left_out = table.read(
            file,
            columns=settings.table.columns,
            splits=settings.table.splits,
            scale=settings.table.scale,
            drop=settings.table.drop,
        )
        corpus = Corpus(utterances, left_out)
        source = str(file)
    check_utterances(corpus.utterances, source)
    return corpus
