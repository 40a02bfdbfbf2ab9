"""From the cache to pairs: stage two's only way to features, which loads no encoder and opens no audio."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.config import Extract
from pipeline.features.pairs import Pairs, PairSource, PlaneTexts
from pipeline.features.shards.keys import Keys, packed_column, sentence_key, sentence_keys
from pipeline.features.store import SPEECH_FEATURES, TEXT_FEATURES, FeatureStore
from pipeline.manifest import Manifest
from pipeline.sentences import PlaneCaptions
from pipeline.support import WHOLE, Share, in_order

BLOCKS_IN_MEMORY = 3
"""Of a split that is streamed: one learnt from, one read, one being read."""

PARTS_OF_A_SHARD = 4
"""That go into a streamed split's order each by itself: a block then mixes more shards."""


def asked_for(settings: Extract) -> tuple[dict[str, object], dict[str, object]]:
    """What the params say about the speech and the text features, as the stores keep it.

    A local folder is kept by its name alone: what it holds is in the recipe.
    """
    both = []
    for section in (settings.speech, settings.text):
        asked = section.model_dump() | {"compute_dtype": settings.compute_dtype}
        if Path(section.model).is_dir():
            asked["model"] = Path(section.model).resolve().name
        both.append(asked)
    return both[0], both[1]


def open_stores(settings: Extract) -> tuple[FeatureStore, FeatureStore]:
    """The cached speech and text features, which must be those that the params ask for.

    Raises RuntimeError where there are none, or where they were extracted with other settings.
    """
    stores = FeatureStore.open(SPEECH_FEATURES), FeatureStore.open(TEXT_FEATURES)
    for store, asked in zip(stores, asked_for(settings), strict=True):
        for key in sorted(asked.keys() | store.asked.keys()):
            if asked.get(key) != store.asked.get(key):
                place = key if key == "compute_dtype" else f"{store.recipe.modality}.{key}"
                raise RuntimeError(
                    f"the features in {store.root} must be what params.yaml asks for, extract.{place} "
                    f"{asked.get(key)!r}, found {store.asked.get(key)!r}: run `erclap extract`"
                )
    return stores


def gather_pairs(
    manifest: Manifest, captions: Mapping[str, str], speech: FeatureStore, text: FeatureStore
) -> Pairs:
    """Pair every utterance of the manifest with its caption, in memory.

    Raises RuntimeError where a caption or a feature is missing.
    """
    named = _named_pairs(manifest, captions, speech, text)
    return named.gather(np.arange(len(named)))


def gather_plane(captions: PlaneCaptions, text: FeatureStore) -> PlaneTexts:
    """The captions of the plane as features. Raises RuntimeError where one is missing."""
    return PlaneTexts(text.gather([sentence_key(caption) for caption in captions.texts]), captions.labels)


def open_pairs(
    manifest: Manifest,
    captions: Mapping[str, str],
    speech: FeatureStore,
    text: FeatureStore,
    *,
    memory: float,
    batch_size: int,
    share: Share = WHOLE,
) -> PairSource:
    """The same pairs, in memory where their features take at most `memory` bytes, and otherwise streamed.

    The features of a `share` of the rows alone are read, and `memory` is that of all shares together: whatever
    their number, the same rows come in the same blocks. Raises RuntimeError where a caption or a feature is
    missing, and ValueError where not even a batch of rows has room.
    """
    return pair_source(_named_pairs(manifest, captions, speech, text), memory, batch_size, share)


@dataclass(frozen=True)
class NamedPairs:
    """Pairs whose features are yet to be read."""

    ids: list[str]
    speech_keys: Keys
    text_keys: Keys
    labels: npt.NDArray[np.float64]
    emotions: list[str | None]
    speech: FeatureStore
    text: FeatureStore

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def bytes_a_row(self) -> int:
        """What the features of a pair take in memory."""
        return 4 * (self.speech.recipe.feature_size + self.text.recipe.feature_size)

    def gather(self, rows: npt.NDArray[np.intp], share: Share = WHOLE) -> Pairs:
        """Some of the pairs, with the features of a share of them. Raises RuntimeError where one is missing."""
        own = rows[share.rows(len(rows))]
        return Pairs(
            ids=[self.ids[row] for row in rows],
            speech=self.speech.gather(self.speech_keys[own]),
            text=self.text.gather(self.text_keys[own]),
            labels=self.labels[rows],
            emotions=[self.emotions[row] for row in rows],
            recordings=self.speech_keys[rows],
            share=share,
        )

    def parts(self) -> list[npt.NDArray[np.intp]]:
        """All rows, in parts of the shards of speech that they lie in; those that have no feature in one more."""
        index = self.speech.index()
        places = index.find(self.speech_keys)
        parts = [np.flatnonzero(places < 0)]
        for _, _, at in index.by_shard(places):
            parts += np.array_split(at, PARTS_OF_A_SHARD)
        return [part for part in parts if len(part)]


class StreamedPairs:
    """A split that is larger than memory, read from the shards a block at a time while the last is learnt from.

    A block is a shuffle buffer: parts of shards in random order fill it, and whoever learns from it draws from
    all of it. Blocks are whole batches, but for the last. Which rows share a block depends on `order` alone, so
    that the seeds of a run have one reading and each comes to what it comes to alone.
    """

    def __init__(self, named: NamedPairs, rows_a_block: int, batch_size: int, share: Share = WHOLE) -> None:
        """`rows_a_block` is a multiple of the batch size; of each block the features of a share are read."""
        self._named, self._rows_a_block, self._batch_size = named, rows_a_block, batch_size
        self.share = share

    def __len__(self) -> int:
        return len(self._named)

    @property
    def emotions(self) -> list[str | None]:
        """Of all rows, (N,)."""
        return self._named.emotions

    @property
    def labels(self) -> npt.NDArray[np.float64]:
        """Of all rows, (N, 2) valence and arousal on 1..7."""
        return self._named.labels

    @property
    def feature_sizes(self) -> tuple[int, int]:
        """Of speech and of text."""
        return self._named.speech.recipe.feature_size, self._named.text.recipe.feature_size

    def blocks(self, order: int) -> Iterator[Pairs]:
        """All pairs, each once. Raises RuntimeError where a feature is missing."""
        parts = self._named.parts()
        shuffled = np.random.default_rng(order).permutation(len(parts))
        rows = np.concatenate([parts[i] for i in shuffled])
        cuts = np.arange(self._rows_a_block, len(rows), self._rows_a_block)
        if len(cuts) and len(rows) - cuts[-1] < self._batch_size:
            cuts = cuts[:-1]  # less than a batch is left: it joins the block before
        with ThreadPoolExecutor(1, "read") as pool:
            gather = partial(self._named.gather, share=self.share)
            yield from in_order(pool, gather, np.split(rows, cuts), ahead=2)


def pair_source(named: NamedPairs, memory: float, batch_size: int, share: Share = WHOLE) -> PairSource:
    """Pairs in memory where their features take at most `memory` bytes, and otherwise streamed.

    Raises as `open_pairs`.
    """
    if len(named) * named.bytes_a_row <= memory:
        return named.gather(np.arange(len(named)), share)
    batches = int(memory / BLOCKS_IN_MEMORY / named.bytes_a_row / batch_size)
    if not batches:
        raise ValueError(
            f"train.memory_gb must hold {2 * BLOCKS_IN_MEMORY} batches of {batch_size} rows of "
            f"{named.bytes_a_row} bytes, found {2 * memory / 1e9:.2g}: raise it or lower train.batch_size"
        )
    return StreamedPairs(named, batches * batch_size, batch_size, share)


def _named_pairs(
    manifest: Manifest, captions: Mapping[str, str], speech: FeatureStore, text: FeatureStore
) -> NamedPairs:
    ids = manifest.strings("id")
    uncaptioned = [name for name in ids if name not in captions]
    if uncaptioned:
        raise RuntimeError(
            f"every utterance must have a caption, found none for {len(uncaptioned)} of {len(ids)} "
            f"(the first: {uncaptioned[0]}): run `erclap caption`"
        )
    return NamedPairs(
        ids=ids,
        speech_keys=packed_column(manifest.table.column("sha256")),
        text_keys=sentence_keys(captions[name] for name in ids),
        labels=manifest.labels(),
        emotions=list(manifest.strings("emotion")),
        speech=speech,
        text=text,
    )
