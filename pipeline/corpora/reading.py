"""Readers: a corpus on disk in, utterances out.

To add one, write a module here with a `read` that returns a `Corpus`, give it a section in
`pipeline.config.Prepare`, and name it in `READERS`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pipeline.config import Prepare
from pipeline.corpora import iemocap, msp_podcast, table
from pipeline.corpora.corpus import Corpus
from pipeline.manifest import check_utterances
from pipeline.support import Progress, check_path


def read_corpus(settings: Prepare, root: Path) -> Corpus:
    """Read the corpus that the params name, whose clips lie under `root`.

    Raises ValueError where the corpus's own section is missing, its files have another structure, the root's
    path is not UTF-8, or the utterances break the manifest's rules.
    """
    check_path(root, "prepare.root (or ERCLAP_CORPUS_ROOT)")
    corpus = READERS[settings.corpus](settings, root)
    check_utterances(corpus.utterances, corpus.source)
    return corpus


def _sample(settings: Prepare, root: Path) -> Corpus:
    if settings.sample is None:
        raise ValueError("params.yaml: prepare.sample is missing, which corpus 'sample' needs")
    from pipeline.corpora import sample  # it speaks, and scipy takes a second to import

    asked = settings.sample
    with Progress("speak", asked.utterances, "clips") as progress:
        spoken = sample.read(root, utterances=asked.utterances, seed=asked.seed, progress=progress.to)
    return Corpus(spoken, f"the sample corpus in {root}")


def _table(settings: Prepare, root: Path) -> Corpus:
    asked, file = settings.table, settings.table_file
    if asked is None or file is None:
        raise ValueError("params.yaml: prepare.table is missing, which corpus 'table' needs")
    return table.read(
        file,
        columns=asked.columns,
        root=root,
        written_root=settings.written_folder,
        splits=asked.splits,
        emotions=asked.emotions,
        scale=asked.scale,
        drop=asked.drop,
        separator=asked.separator,
        decimal=asked.decimal,
    )


def _msp_podcast(settings: Prepare, root: Path) -> Corpus:
    return msp_podcast.read(root, settings.msp_podcast)


def _iemocap(settings: Prepare, root: Path) -> Corpus:
    return iemocap.read(root, settings.iemocap)


READERS: dict[str, Callable[[Prepare, Path], Corpus]] = {
    "sample": _sample,
    "table": _table,
    "msp-podcast": _msp_podcast,
    "iemocap": _iemocap,
}
"""The name in `prepare.corpus` → its reader."""
