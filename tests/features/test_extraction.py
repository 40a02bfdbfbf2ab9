"""Stage one: every distinct clip and sentence exactly once, resumed where it was, failures named."""

from __future__ import annotations

import re
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pipeline.audio import Unusable
from pipeline.corpora.inspection import inspect
from pipeline.encoders import SpeechEncoder, TextEncoder
from pipeline.features import extraction, store as feature_store
from pipeline.features.extraction import extract, extract_speech, extract_text, missing_clips
from pipeline.features.shards.keys import sentence_key
from pipeline.features.store import FeatureStore
from pipeline.manifest import Manifest, Utterance
from pipeline.support import progress


@pytest.fixture
def corpus(tmp_path, write_audio):
    root = tmp_path / "corpus"
    for i in range(7):
        write_audio(root / f"{i}.wav", 0.2 + 0.1 * i, rate=[16_000, 8_000, 44_100][i % 3], seed=i)
    shutil.copy(root / "3.wav", root / "copy-of-3.wav")
    names = [f"{i}.wav" for i in range(7)] + ["copy-of-3.wav"]
    manifest, _, _ = inspect([Utterance(n, n, "train", 4.0, 4.0) for n in names], root, heard_seconds=10.0)
    return root, manifest


@pytest.fixture
def encoder(speech_checkpoint):
    return SpeechEncoder.from_pretrained(str(speech_checkpoint), batch_seconds=1.0)


class Counting:
    """An encoder that counts what it encodes, and may be stopped."""

    def __init__(self, encoder, stop_after: int | None = None):
        self._encoder, self.encoded, self._stop_after = encoder, 0, stop_after

    def __getattr__(self, name):
        return getattr(self._encoder, name)

    def encode(self, inputs):
        self.encoded += len(inputs)
        return self._encoder.encode(inputs)

    def encode_batches(self, batches):
        for features in self._encoder.encode_batches(batches):
            if self._stop_after is not None and self.encoded >= self._stop_after:
                raise KeyboardInterrupt
            self.encoded += len(features)
            yield features


def run(*speech, **options):
    """Stage one for the clips alone."""
    nothing = (None for _ in ())
    return extract(extract_speech(*speech, **options), nothing)


def test_every_distinct_clip_is_encoded_once_as_it_would_be_alone(corpus, encoder, tmp_path):
    root, manifest = corpus
    counting = Counting(encoder)
    store = FeatureStore(tmp_path / "store", encoder.recipe)
    assert run(manifest, root, counting, store) == []
    assert counting.encoded == 7
    features = store.gather(manifest.strings("sha256"))
    assert np.array_equal(features[3], features[7])
    for row, name in enumerate(manifest.strings("path")):
        alone, _, _ = inspect([Utterance(name, name, "train", 4.0, 4.0)], root, heard_seconds=10.0)
        single = FeatureStore(tmp_path / f"single-{row}", encoder.recipe)
        run(alone, root, encoder, single, workers=1)
        assert np.array_equal(single.gather(alone.strings("sha256"))[0], features[row])
    assert run(manifest, root, counting, store) == []
    assert counting.encoded == 7


def test_an_interrupted_run_keeps_its_work_and_resumes(corpus, encoder, tmp_path, monkeypatch):
    root, manifest = corpus
    store = FeatureStore(tmp_path / "store", encoder.recipe)
    first = Counting(encoder, stop_after=3)
    with pytest.raises(KeyboardInterrupt):
        run(manifest, root, first, store)
    kept = len(FeatureStore(tmp_path / "store", encoder.recipe).keys())
    assert kept == first.encoded > 0
    second = Counting(encoder)
    run(manifest, root, second, store)
    assert second.encoded == 7 - kept
    whole = FeatureStore(tmp_path / "whole", encoder.recipe)
    run(manifest, root, encoder, whole)
    keys = manifest.strings("sha256")
    assert np.array_equal(store.gather(keys), whole.gather(keys))


def test_rows_are_stored_a_full_shard_at_a_time_or_when_time_is_up(corpus, encoder, tmp_path, monkeypatch):
    root, manifest = corpus
    for module in (extraction, feature_store):
        monkeypatch.setattr(module, "SHARD_ROWS", 2)
    by_rows = FeatureStore(tmp_path / "rows", encoder.recipe)
    run(manifest, root, encoder, by_rows)
    assert len(list((tmp_path / "rows").glob("*.h5"))) >= 4
    monkeypatch.setattr(extraction, "SHARD_ROWS", 4096)
    monkeypatch.setattr(extraction, "SECONDS_BETWEEN_SHARDS", 0.0)
    by_time = FeatureStore(tmp_path / "time", encoder.recipe)
    run(manifest, root, encoder, by_time)
    assert len(list((tmp_path / "time").glob("*.h5"))) >= 3


def test_clips_that_fail_are_named_and_the_others_stored(corpus, encoder, tmp_path, write_audio):
    root, manifest = corpus
    (root / "0.wav").unlink()
    write_audio(root / "1.wav", 0.5, seed=99)
    (root / "2.wav").write_bytes(b"no longer audio")
    store = FeatureStore(tmp_path / "store", encoder.recipe)
    failures = {f.id: f.reason for f in run(manifest, root, encoder, store)}
    assert failures.keys() == {"0.wav", "1.wav", "2.wav"}
    assert failures["1.wav"] == "changed since `erclap prepare`"
    assert failures["0.wav"] == "no such file"
    assert failures["2.wav"] == "changed since `erclap prepare`"
    assert len(store.keys()) == 4


def test_a_corpus_that_is_not_mounted_is_one_error_and_none_where_nothing_is_missing(
    corpus, encoder, tmp_path
):
    root, manifest = corpus
    store = FeatureStore(tmp_path / "store", encoder.recipe)
    with pytest.raises(ValueError, match="found no folder .*gone, and 7 clips have no feature yet"):
        run(manifest, root / "gone", encoder, store)
    run(manifest, root, encoder, store)
    assert run(manifest, root / "gone", encoder, store) == []


def test_a_clip_whose_first_seconds_are_silent_fails_alone(encoder, tmp_path, noise, speech_checkpoint):
    import soundfile

    root = tmp_path / "corpus"
    root.mkdir()
    soundfile.write(root / "late.wav", np.concatenate([np.zeros(16_000, np.float32), noise(0.5)]), 16_000)
    soundfile.write(root / "fine.wav", noise(0.5), 16_000)
    manifest, _, _ = inspect(
        [Utterance(n, n, "train", 4.0, 4.0) for n in ("late.wav", "fine.wav")], root, heard_seconds=10.0
    )
    cropping = SpeechEncoder.from_pretrained(str(speech_checkpoint), crop_seconds=1.0)
    store = FeatureStore(tmp_path / "store", cropping.recipe)
    (failure,) = run(manifest, root, cropping, store)
    assert (failure.id, failure.reason) == (
        "late.wav",
        "silent in its first 1 s: never louder than 0.00012 of full scale around its mean",
    )
    assert len(store.keys()) == 1


def test_every_distinct_sentence_is_encoded_once(text_checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(extraction, "SENTENCES_AT_ONCE", 3)
    encoder = Counting(TextEncoder.from_pretrained(str(text_checkpoint), max_tokens=64))
    sentences = [f"The person is speaking {'very ' * (i % 5)}slowly." for i in range(12)]
    store = FeatureStore(tmp_path, encoder.recipe)
    assert list(extract_text(sentences, encoder, store))
    assert encoder.encoded == 5
    assert list(extract_text(sentences, encoder, store)) == []
    assert encoder.encoded == 5
    alone = encoder.encode([sentences[2]])
    assert np.array_equal(store.gather([sentence_key(sentences[2])]), alone)


def test_no_more_is_read_ahead_than_the_encoder_will_soon_take(tmp_path, write_audio, encoder, monkeypatch):
    root = tmp_path / "corpus"
    names = [f"{i}.wav" for i in range(60)]
    for i, name in enumerate(names):
        write_audio(root / name, 1.0, seed=i)
    manifest, _, _ = inspect([Utterance(n, n, "train", 4.0, 4.0) for n in names], root, heard_seconds=2.0)
    read, begun = extraction.read_clip, []

    def counting(*arguments):
        begun.append(arguments)
        return read(*arguments)

    monkeypatch.setattr(extraction, "read_clip", counting)
    encoder.crop_seconds = 2.0
    steps = extract_speech(
        manifest, root, encoder, FeatureStore(tmp_path / "store", encoder.recipe), workers=1
    )
    next(steps)
    # Two batches of a second each and a worker's two seconds wait, and a few clips are being encoded.
    assert len(begun) <= 4 + 2 * torch.get_num_threads() + 2
    steps.close()
    assert len(begun) < 20


def test_a_feature_that_is_not_finite_is_a_failure_and_the_others_are_stored(corpus, encoder, tmp_path):
    root, manifest = corpus

    class Overflowing(Counting):
        def encode_batches(self, batches):
            for number, features in enumerate(super().encode_batches(batches)):
                if number == 2:
                    features = features * np.inf
                yield features

    store = FeatureStore(tmp_path / "store", encoder.recipe)
    (failure,) = run(manifest, root, Overflowing(encoder), store)
    assert failure.reason == "its feature is not finite"
    assert len(store.keys()) == 6


def test_a_clip_that_fails_is_named_by_its_first_row(corpus, encoder, tmp_path):
    root, manifest = corpus
    for name in ("3.wav", "copy-of-3.wav"):
        (root / name).unlink()
    store = FeatureStore(tmp_path / "store", encoder.recipe)
    assert [failure.id for failure in run(manifest, root, encoder, store)] == ["3.wav"]


def test_a_part_of_a_manifest_is_planned_as_well(corpus, encoder, tmp_path):
    _, manifest = corpus
    manifest.write(tmp_path / "manifest.parquet")
    rows = Manifest.read_clips(tmp_path / "manifest.parquet").table.slice(4)
    clips = missing_clips(Manifest(rows), FeatureStore(tmp_path / "store", encoder.recipe).lacks)
    assert clips.column("id").to_pylist() == ["4.wav", "5.wav", "6.wav", "copy-of-3.wav"]


def test_sentences_come_first_and_no_clip_waits_for_them_after_that():
    events: list[str] = []

    def work(name: str, steps: int, value):
        for step in range(steps):
            events.append(f"{name} {step}")
            yield value

    assert (
        extract(work("speech", 2, [Unusable("a", "a", "b")]), work("text", 3, None))
        == [Unusable("a", "a", "b")] * 2
    )
    assert events == ["text 0", "text 1", "text 2", "speech 0", "speech 1"]


def test_the_remaining_time_of_each_counts_no_time_of_the_other(
    corpus, encoder, text_checkpoint, tmp_path, monkeypatch, capsys
):
    root, manifest = corpus
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: clock.now))
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    monkeypatch.setattr(extraction, "SENTENCES_AT_ONCE", 3)

    class Clips(Counting):
        """Takes a thousand seconds for one of audio."""

        def encode_batches(self, batches):
            for batch in batches:
                clock.now += 1000 * sum(map(len, batch)) / 16_000
                yield np.ones((len(batch), self.recipe.feature_size), np.float32)

    class Sentences(Counting):
        """Takes an hour for a character."""

        def encode(self, inputs):
            clock.now += 3600 * sum(map(len, inputs))
            return np.ones((len(inputs), self.recipe.feature_size), np.float32)

    text = Sentences(TextEncoder.from_pretrained(str(text_checkpoint), max_tokens=64))
    clips, sentences = (
        FeatureStore(tmp_path / name, of.recipe) for name, of in (("s", encoder), ("t", text))
    )
    texts = ["very " * (i + 1) for i in range(9)]
    extract(extract_speech(manifest, root, Clips(encoder), clips), extract_text(texts, text, sentences))
    left: dict[str, dict[int, int]] = {"speech": {}, "text": {}}
    for line in capsys.readouterr().err.splitlines():
        if found := re.fullmatch(r"(\w+): (\d+)/.* (\d+):(\d+):(\d+) left", line):
            hours, minutes, seconds = map(int, found.groups()[2:])
            left[found[1]][int(found[2])] = 3600 * hours + 60 * minutes + seconds
    assert left["text"] == {3: 3600 * 5 * 21, 6: 3600 * 5 * 6}
    heard = sorted(manifest.table.column("duration").to_pylist()[:7], reverse=True)
    assert left["speech"] == {n: pytest.approx(1000 * sum(heard[n:]), abs=2) for n in left["speech"]}
    assert len(left["speech"]) >= 2


def test_sentences_of_like_length_go_together(text_checkpoint, tmp_path):
    asked: list[list[int]] = []

    class Watching(Counting):
        def encode(self, inputs):
            asked.append([len(sentence) for sentence in inputs])
            return super().encode(inputs)

    encoder = Watching(TextEncoder.from_pretrained(str(text_checkpoint), max_tokens=64))
    sentences = ["a" * n for n in (3, 9, 5, 7)]
    list(extract_text(sentences, encoder, FeatureStore(tmp_path, encoder.recipe)))
    assert asked == [[9, 7, 5, 3]]
