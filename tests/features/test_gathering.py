"""Pairs of a split that is larger than memory: streamed from the shards, a block at a time."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pyarrow as pa
import pytest

from pipeline.config import Train
from pipeline.features.gathering import NamedPairs, StreamedPairs, gather_pairs, open_pairs
from pipeline.features.pairs import Pairs
from pipeline.features.shards.keys import sentence_key, sentence_keys
from pipeline.features.store import FeatureStore
from pipeline.manifest import SCHEMA, Manifest
from pipeline.training.loop import train
from tests.features.samples import RECIPE

SPEECH, TEXT = replace(RECIPE, feature_size=6), replace(RECIPE, modality="text", feature_size=5)
ROWS = 205
SETTINGS = Train(
    methods=["emotionrankclap"],
    seed=0,
    seeds=2,
    epochs=6,
    batch_size=8,
    learning_rate=0.01,
    embedding_size=16,
    temperature=1.0,
    candidates="farther",
    directions="speech-to-text",
)


@pytest.fixture
def stored(tmp_path) -> tuple[Manifest, dict[str, str], FeatureStore, FeatureStore]:
    """Clips whose features carry their labels, in shards of 23 rows, and captions that several share."""
    rng = np.random.default_rng(0)
    labels = np.round(rng.uniform(1, 7, (ROWS, 2)), 1)
    speech, text = FeatureStore(tmp_path / "speech", SPEECH), FeatureStore(tmp_path / "text", TEXT)
    features = ((labels - 4) @ rng.standard_normal((2, 6))).astype(np.float32)
    keys = [sentence_key(f"clip {i}") for i in range(ROWS)]
    for start in range(0, ROWS, 23):
        speech.append(keys[start : start + 23], features[start : start + 23])
    whole = np.round(labels)
    captions = {f"u{i}": f"valence {v}, arousal {a}" for i, (v, a) in enumerate(whole)}
    distinct = sorted({(captions[f"u{i}"], tuple(whole[i])) for i in range(ROWS)})
    described = (np.array([label for _, label in distinct]) - 4) @ rng.standard_normal((2, 5))
    text.append([sentence_key(sentence) for sentence, _ in distinct], described.astype(np.float32))
    empty = dict.fromkeys(SCHEMA.names)
    clips = [
        empty
        | {"id": f"u{i}", "sha256": keys[i], "split": "train", "valence": v, "arousal": a, "emotion": "N"}
        for i, (v, a) in enumerate(labels)
    ]
    return (
        Manifest(pa.Table.from_pylist(clips, pa.schema([f.with_nullable(True) for f in SCHEMA]))),
        captions,
        speech,
        text,
    )


def streamed(stored, rows_a_block: int) -> StreamedPairs:
    source = open_pairs(*stored, memory=3 * 44 * rows_a_block, batch_size=8)
    assert isinstance(source, StreamedPairs)
    return source


@pytest.mark.parametrize("rows_a_block", [8, 40, 64])
def test_every_pair_comes_once_an_epoch_whole_and_in_whole_batches(stored, rows_a_block):
    source, whole = streamed(stored, rows_a_block), gather_pairs(*stored)
    place = {name: row for row, name in enumerate(whole.ids)}
    for epoch in (1, 2):
        blocks = list(source.blocks(epoch))
        rows = [place[name] for block in blocks for name in block.ids]
        assert sorted(rows) == list(range(ROWS))
        assert all(len(block) % 8 == 0 for block in blocks[:-1])
        assert all(len(block) < rows_a_block + 8 for block in blocks)
        for block in blocks:
            at = [place[name] for name in block.ids]
            for found, wanted in (
                (block.speech, whole.speech),
                (block.text, whole.text),
                (block.labels, whole.labels),
            ):
                assert np.array_equal(found, wanted[at])


def test_an_epoch_has_its_own_order_and_the_same_again(stored):
    first, again, other = ([block.ids for block in streamed(stored, 40).blocks(epoch)] for epoch in (1, 1, 2))
    assert first == again
    assert [set(ids) for ids in first] != [set(ids) for ids in other]


def test_blocks_mix_shards(stored):
    numbers = [{int(name[1:]) // 23 for name in block.ids} for block in streamed(stored, 64).blocks(1)]
    assert all(len(shards) >= 5 for shards in numbers[:-1])


def test_what_fits_is_held_in_memory(stored):
    assert isinstance(open_pairs(*stored, memory=44 * ROWS, batch_size=8), Pairs)
    assert isinstance(open_pairs(*stored, memory=44 * ROWS - 1, batch_size=8), StreamedPairs)


def test_memory_that_holds_no_batch_is_refused(stored):
    with pytest.raises(ValueError, match="train.memory_gb must hold 6 batches of 8 rows of 44 bytes"):
        open_pairs(*stored, memory=1000, batch_size=8)


def test_a_missing_feature_is_named_when_its_block_is_read(stored):
    manifest, captions, _, text = stored
    named = NamedPairs(
        ids=["u0"],
        speech_keys=sentence_keys(["never encoded"]),
        text_keys=sentence_keys([captions["u0"]]),
        labels=manifest.labels()[:1],
        emotions=["N"],
        speech=stored[2],
        text=text,
    )
    with pytest.raises(RuntimeError, match="every key must have a feature, found none for 1 of 1 speech"):
        list(StreamedPairs(named, 8, 8).blocks(1))


def test_a_streamed_split_is_learnt_as_well_as_one_in_memory(stored):
    whole = gather_pairs(*stored)
    held = train("rank-n-contrast", whole, whole, SETTINGS)
    read = train("rank-n-contrast", streamed(stored, 64), whole, SETTINGS)
    again = train("rank-n-contrast", streamed(stored, 64), streamed(stored, 40), SETTINGS)
    for one, other in zip(held, read, strict=True):
        fallen = one.history[0].validation_loss - one.best.validation_loss
        assert fallen > 0
        assert other.best.validation_loss == pytest.approx(one.best.validation_loss, abs=0.2 * fallen)
    assert [asdict(e)["train_loss"] for e in read[0].history] == [e.train_loss for e in again[0].history]


def test_seeds_that_share_a_stream_come_to_what_each_comes_to_alone(stored):
    source = streamed(stored, 40)
    together = train("rank-n-contrast", source, source, SETTINGS)
    (alone,) = train("rank-n-contrast", source, source, SETTINGS.model_copy(update={"seed": 1, "seeds": 1}))
    assert together[1].history == alone.history
