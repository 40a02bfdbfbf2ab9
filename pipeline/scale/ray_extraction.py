"""Stage one on a Ray cluster: blocks of like length, read on CPUs, encoded by a pool of actors that store them."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from math import ceil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.audio import Unusable
from pipeline.config import Params
from pipeline.features import (
    FeatureStore,
    extract,
    packed_column,
    sentence_keys,
    shared_folder,
    values,
)
from pipeline.scale.ray_cluster import Cluster, joined
from pipeline.scale.ray_encoding import ClipEncoder, ClipReader, Place, SentenceEncoder
from pipeline.scale.ray_rounds import Answer, Work, computing_on, in_rounds
from pipeline.scale.ray_workers import check_nodes, workers_for
from pipeline.support import check_writable, counted

SENTENCES_A_CLIP = 16
"""A block has so many times as many of them, of which each takes as much less."""


class RayCluster:
    """A cluster that was joined and has room for the processes that `runtime.ray` asks for."""

    def __init__(self, params: Params, cluster: Cluster) -> None:
        self._params, self._cluster = params, cluster

    def __str__(self) -> str:
        workers = workers_for(self._cluster, self._params.runtime)
        return (
            f"on a Ray cluster of {self._cluster}: {counted(workers.encoders, 'encoder')} of "
            f"{counted(workers.cpus, 'CPU')}{' and a GPU' if workers.gpus else ''} each, "
            f"{counted(workers.readers, 'reader')}"
        )

    @property
    def driver_params(self) -> Params:
        """The params of the process that deals out the work, which leaves the GPUs to those that do it."""
        return computing_on(self._params, "cpu")

    def extract(
        self,
        clips: tuple[FeatureStore, pa.Table],
        sentences: tuple[FeatureStore, pa.Array],
        team: Path | None,
    ) -> list[Unusable]:
        """Encode what is missing of clips and sentences, of distinct keys each; return what failed.

        Each comes with the store that it goes to, unless there is a team's store, to which the nodes then write.
        Raises RuntimeError where a node does not see the corpus or the store, or an encoder or a store fails as a
        whole, and OSError where the store cannot be written from here.
        """
        speech, text = (_place(store, team) for store, _ in (clips, sentences))
        return extract(
            encode_clips(clips[1], self._params, speech, self._cluster),
            encode_sentences(sentences[1], self._params, text, self._cluster),
        )


@contextmanager
def on_ray_cluster(params: Params, address: str | None) -> Iterator[RayCluster]:
    """Within this a cluster is joined, as by `joined`. Raises RuntimeError where it has not the room."""
    with joined(address, spare_cpus=ceil(params.runtime.ray.reader_cpus)) as cluster:
        workers_for(cluster, params.runtime)
        yield RayCluster(params, cluster)


def _place(store: FeatureStore, team: Path | None) -> Place:
    root = store.root.resolve() if team is None else shared_folder(team.resolve(), store.recipe).root
    check_writable(root)
    return Place(root, store.recipe, shared=team is not None)


def encode_clips(
    clips: pa.Table,
    params: Params,
    place: Place,
    cluster: Cluster,
    *,
    reader: type[ClipReader] = ClipReader,
    encoder: type[ClipEncoder] = ClipEncoder,
) -> Generator[list[Unusable]]:
    """Encode clips, of distinct keys, into a store that all nodes share; yield what failed.

    Raises RuntimeError, at once where a node does not see the corpus or the store, and later where an encoder or
    the store fails as a whole.
    """
    crop_seconds = params.extract.speech.crop_seconds
    corpus = params.prepare.folder.resolve()
    heard = np.minimum(clips.column("duration").to_numpy(), crop_seconds)
    order = np.argsort(-heard, kind="stable")
    clips = clips.take(pa.array(order))
    work = Work(
        "speech",
        "clips",
        clips.select(["id", "path", "sha256"]),
        packed_column(clips.column("sha256")),
        heard[order],
        reader(corpus, crop_seconds),
        encoder,
        params.runtime.ray.rows,
    )
    answers = _prepared(work, params, place, cluster, corpus)

    def failed(answer: Answer) -> list[Unusable]:
        at = sorted(answer.reasons)
        rows = work.rows.take(pa.array(at, pa.int64())).to_pylist()
        return [Unusable(row["id"], row["path"], answer.reasons[i]) for i, row in zip(at, rows, strict=True)]

    return (failed(answer) for answer in answers)


def encode_sentences(sentences: pa.Array, params: Params, place: Place, cluster: Cluster) -> Generator[None]:
    """Encode distinct sentences into a store that all nodes share; raises as `encode_clips` does."""
    lengths = pc.utf8_length(sentences).to_numpy()
    order = np.argsort(-lengths, kind="stable")
    sentences = sentences.take(pa.array(order))
    work = Work(
        "text",
        "sentences",
        pa.table({"sentence": sentences}),
        sentence_keys(values(sentences)),
        lengths[order].astype(np.float64),
        None,
        SentenceEncoder,
        min(4096, SENTENCES_A_CLIP * params.runtime.ray.rows),
    )
    answers = _prepared(work, params, place, cluster, None)

    def encoded() -> Generator[None]:
        for answer in answers:
            for row, reason in answer.reasons.items():
                sentence = work.rows.column("sentence")[row].as_py()
                raise RuntimeError(f"every sentence must be encoded, {sentence!r:.80} could not be: {reason}")
            yield

    return encoded()


def _prepared(
    work: Work, params: Params, place: Place, cluster: Cluster, corpus: Path | None
) -> Generator[Answer]:
    """The answers to come, once it is known that the cluster can give them."""
    if len(work.rows):
        check_nodes(cluster, corpus, place.root)
    return in_rounds(work, params, place)
