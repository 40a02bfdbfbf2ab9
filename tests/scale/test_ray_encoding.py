"""What a cluster's processes do with a block, done in this one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.config import load_params
from pipeline.corpora.inspection import inspect
from pipeline.encoders import SpeechEncoder, TextEncoder, load_speech_encoder, load_text_encoder
from pipeline.features import FeatureStore, sentence_key
from pipeline.features.extraction import extract_speech
from pipeline.manifest import Utterance
from pipeline.scale import ray_encoding
from pipeline.scale.ray_encoding import ClipEncoder, ClipReader, Place, SentenceEncoder, check_computes
from tests.imports import ROOT


@pytest.fixture
def params(speech_checkpoint, text_checkpoint, monkeypatch):
    """With small encoders."""
    monkeypatch.setattr(ray_encoding, "_use_given_cpus", lambda: None)
    params = load_params(ROOT / "params.yaml")
    extract = params.extract
    models = {
        "speech": extract.speech.model_copy(update={"model": str(speech_checkpoint), "revision": None}),
        "text": extract.text.model_copy(update={"model": str(text_checkpoint), "revision": None}),
    }
    return params.model_copy(update={"extract": extract.model_copy(update=models)})


@pytest.fixture
def clips(tmp_path, write_audio):
    root = tmp_path / "corpus"
    names = [f"{i}.wav" for i in range(5)]
    for i, name in enumerate(names):
        write_audio(root / name, 0.2 + 0.05 * i, rate=[16_000, 8_000][i % 2], seed=i)
    manifest, _, _ = inspect([Utterance(n, n, "train", 4.0, 4.0) for n in names], root, heard_seconds=10.0)
    return root, manifest


def read(root: Path, manifest) -> pa.Table:
    block = manifest.table.select(["id", "path", "sha256"]).combine_chunks()
    return ClipReader(root, 10.0)(block.append_column("row", pa.array(range(7, 7 + len(block)))))


def test_a_block_of_clips_is_stored_as_by_the_local_engine_and_answered_by_row(params, clips, tmp_path):
    root, manifest = clips
    encoder = load_speech_encoder(params)
    local = FeatureStore(tmp_path / "local", encoder.recipe)
    for _ in extract_speech(manifest, root, encoder, local):
        pass
    (root / "2.wav").unlink()
    place = Place(tmp_path / "store", encoder.recipe, shared=False)
    answers = ClipEncoder(params, place)(read(root, manifest))
    assert answers.column("row").to_pylist() == [7, 8, 9, 10, 11]
    assert answers.column("reason").to_pylist() == [None, None, "no such file", None, None]
    assert answers.column("fault").null_count == 5
    stored = [key for row, key in enumerate(manifest.strings("sha256")) if row != 2]
    assert FeatureStore(place.root, place.recipe).gather(stored).tobytes() == local.gather(stored).tobytes()
    assert len(list(place.root.glob("*.h5"))) == 1


def test_a_clip_that_the_encoder_fails_at_fails_alone(params, clips, tmp_path, monkeypatch):
    root, manifest = clips
    place = Place(tmp_path / "store", load_speech_encoder(params).recipe, shared=False)
    compute = SpeechEncoder._compute

    def fail(self, waveforms):
        if any(len(waveform) == 4800 for waveform in waveforms):
            raise RuntimeError("an operator failed")
        return compute(self, waveforms)

    monkeypatch.setattr(SpeechEncoder, "_compute", fail)
    answers = ClipEncoder(params, place)(read(root, manifest))
    assert answers.column("reason").to_pylist() == [None, None, "an operator failed", None, None]
    assert len(FeatureStore(place.root, place.recipe).keys()) == 4


def test_a_device_that_computes_nothing_more_ends_the_process_once_what_was_encoded_is_stored(
    params, clips, tmp_path, monkeypatch
):
    root, manifest = clips
    place = Place(tmp_path / "store", load_speech_encoder(params).recipe, shared=False)
    codes = []

    def exit_(code):
        codes.append(code)
        raise SystemExit(code)

    def broken(device):
        raise ray_encoding.BrokenDeviceError("CUDA error: an illegal memory access was encountered")

    def fail(self, waveforms):
        if any(len(waveform) == 4800 for waveform in waveforms):
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        return compute(self, waveforms)

    compute = SpeechEncoder._compute
    monkeypatch.setattr(SpeechEncoder, "_compute", fail)
    monkeypatch.setattr(ray_encoding, "check_computes", broken)
    monkeypatch.setattr(ray_encoding.os, "_exit", exit_)
    with pytest.raises(SystemExit):
        ClipEncoder(params, place)(read(root, manifest))
    assert codes == [ray_encoding.BROKEN_DEVICE]
    assert len(FeatureStore(place.root, place.recipe).keys()) == 2  # the two that are longer, and came before
    check_computes("cpu")


def test_a_block_of_sentences_is_stored_as_by_the_local_engine(params, tmp_path):
    encoder = load_text_encoder(params)
    place = Place(tmp_path / "store", encoder.recipe, shared=False)
    sentences = ["A calm voice.", "A very excited and happy voice!", "A sad voice."]
    block = pa.table({"row": [0, 1, 2], "sentence": sentences})
    assert SentenceEncoder(params, place)(block).column("reason").null_count == 3
    stored = FeatureStore(place.root, place.recipe).gather([sentence_key(s) for s in sentences])
    assert np.array_equal(stored, encoder.encode(sentences))


def test_another_checkpoint_on_a_node_is_a_fault(params, tmp_path, monkeypatch):
    recipe = load_text_encoder(params).recipe
    other = type(recipe).from_dict(recipe.to_dict() | {"revision": "sha256:another"})
    answers = SentenceEncoder(params, Place(tmp_path, other, shared=False))(
        pa.table({"row": [0], "sentence": ["a"]})
    )
    assert f"must have the recipe {other.digest} on every node, has {recipe.digest} on this" in str(
        answers["fault"][0]
    )
    monkeypatch.setattr(TextEncoder, "from_pretrained", lambda *_, **__: 1 / 0)
    answers = SentenceEncoder(params, Place(tmp_path, other, shared=False))(
        pa.table({"row": [0], "sentence": ["a"]})
    )
    assert str(answers["fault"][0]).endswith("ZeroDivisionError: division by zero")
