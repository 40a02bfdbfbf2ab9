"""`EmotionRankCLAP`: what it takes, what it gives, and what it refuses."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from pipeline.encoders import SpeechEncoder, TextEncoder
from pipeline.use import EmotionRankCLAP
from tests.use.conftest import CAPTIONS, EMBEDDING_SIZE, make_model

SENTENCES = list(CAPTIONS)


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> list[Path]:
    """Four recordings of different lengths, rates and channels."""
    folder = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(0)
    paths = []
    for number, (seconds, rate, channels) in enumerate(
        [(0.4, 16_000, 1), (0.9, 44_100, 2), (0.3, 8_000, 1), (1.3, 16_000, 1)]
    ):
        paths.append(folder / f"{number}.wav")
        samples = 0.1 * rng.standard_normal((round(seconds * rate), channels))
        soundfile.write(paths[-1], samples, rate, subtype="FLOAT")
    return paths


@pytest.fixture(scope="module")
def embeddings(model, clips) -> np.ndarray:
    return model.encode_speech(clips)


# What comes out


def test_one_recording_is_a_vector_several_are_rows_of_length_one(model, clips, embeddings):
    assert embeddings.shape == (4, EMBEDDING_SIZE)
    assert embeddings.dtype == np.float32
    assert np.linalg.norm(embeddings, axis=1) == pytest.approx(1, abs=1e-6)
    assert model.encode_speech(clips[0]).shape == (EMBEDDING_SIZE,)
    assert model.encode_speech(clips[:1]).shape == (1, EMBEDDING_SIZE)
    assert model.encode_speech([]).shape == (0, EMBEDDING_SIZE)
    assert model.encode_speech([], windows=True) == []
    assert model.encode_text(SENTENCES[0]).shape == (EMBEDDING_SIZE,)
    assert model.encode_text(SENTENCES[:1]).shape == (1, EMBEDDING_SIZE)
    assert model.encode_text([]).shape == (0, EMBEDDING_SIZE)


def test_a_recordings_bits_are_its_own(model, clips, embeddings):
    assert np.array_equal(model.encode_speech(clips[::-1])[::-1], embeddings)
    assert np.array_equal(model.encode_speech(clips, batch_size=1), embeddings)
    for clip, row in zip(clips, embeddings, strict=True):
        assert np.array_equal(model.encode_speech(clip), row)
    wanted = model.predict(clips)
    assert wanted.shape == (4, 3)
    assert ((wanted >= 1) & (wanted <= 7)).all()
    for clip, row in zip(clips, wanted, strict=True):
        assert np.array_equal(model.predict(clip), row)


def test_a_sentences_bits_are_its_own(model):
    together = model.encode_text(SENTENCES)
    assert np.array_equal(model.encode_text(SENTENCES[::-1], batch_size=2)[::-1], together)
    for sentence, row in zip(SENTENCES, together, strict=True):
        assert np.array_equal(model.encode_text(sentence), row)


def test_search_describe_and_classify_tell_the_same_of_one_alone_and_among_others(model, clips, embeddings):
    labels = ["angry", "calm", "happy"]
    for told in (
        model.describe(clips) == [model.describe(clip) for clip in clips],
        model.classify(clips, labels) == [model.classify(clip, labels) for clip in clips],
        model.search(embeddings, embeddings) == [model.search(one, embeddings)[0] for one in embeddings],
    ):
        assert told


def test_other_names_mean_the_same(model, clips, embeddings):
    assert np.array_equal(model.encode_document(clips[0]), embeddings[0])
    assert np.array_equal(model.encode_query(SENTENCES[0]), model.encode_text(SENTENCES[0]))


def test_a_tensor_where_one_is_asked_for_and_lengths_as_they_are_where_that_is_asked_for(
    model, clips, embeddings
):
    found = model.encode_speech(clips, convert_to_tensor=True)
    assert torch.equal(found, torch.from_numpy(embeddings))
    raw = model.encode_speech(clips, normalize_embeddings=False)
    assert not np.allclose(np.linalg.norm(raw, axis=1), 1)
    assert raw / np.linalg.norm(raw, axis=1, keepdims=True) == pytest.approx(embeddings, abs=1e-6)
    assert model.encode_text(SENTENCES, convert_to_tensor=True).dtype == torch.float32


def test_progress_is_told_where_it_is_asked_for(model, clips, capsys, monkeypatch):
    monkeypatch.delenv("ERCLAP_QUIET", raising=False)
    model.encode_speech(clips[:2], show_progress_bar=True)
    model.encode_text(SENTENCES, show_progress_bar=True)
    told = capsys.readouterr().err
    assert "speech: 2/2 recordings" in told
    assert "text: 6/6 sentences" in told
    model.encode_speech(clips[:2])
    model.encode_speech([], show_progress_bar=True)
    assert capsys.readouterr().err == ""


# What goes in


def test_a_recording_may_be_given_in_many_ways(model, clips, embeddings):
    samples, rate = soundfile.read(clips[0], dtype="float32")
    wide, fast = soundfile.read(clips[1], dtype="float32")
    for given in (
        str(clips[0]),
        np.str_(clips[0]),
        np.array([str(clips[0])]),
        (clip for clip in clips[:1]),
        {"array": samples, "sampling_rate": rate},
        {"path": None, "array": samples, "sampling_rate": np.int64(rate), "text": "of a dataset"},
        (samples, rate),
        [(torch.from_numpy(samples), rate)],
        [{"array": samples.tolist(), "sampling_rate": float(rate)}],
        (samples.astype(">f8"), rate),
    ):
        assert np.array_equal(np.atleast_2d(model.encode_speech(given)), embeddings[:1]), type(given)
    assert np.array_equal(model.encode_speech(samples, sampling_rate=rate), embeddings[0])
    for given in ((wide, fast), (np.ascontiguousarray(wide.T), fast)):
        assert np.array_equal(model.encode_speech(given), embeddings[1])


def test_int16_is_scaled(model, clips):
    samples, rate = soundfile.read(clips[0])
    pcm = (samples * 2**15).astype(np.int16)
    scaled = (pcm / 2**15).astype(np.float32)
    assert np.array_equal(model.encode_speech((pcm, rate)), model.encode_speech((scaled, rate)))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.ones(8000, np.float32), "inputs must come with its sampling_rate in Hz, found samples alone"),
        ([np.ones(8000, np.float32)], r"inputs\[0\] must come with its sampling_rate"),
        ({"path": "a.wav", "bytes": b""}, "must have the keys array and sampling_rate, found path, bytes"),
        ([None], r"inputs\[0\] must be an array of samples or the path of a file, found None"),
        ([b"a.wav"], r"inputs\[0\] must be an array of samples or the path of a file, found a bytes"),
        (7, "must be a list"),
        ({1, 2}, "must be a list"),
        ((np.full(8000, np.nan, np.float32), 16_000), "inputs: holds samples that are not finite"),
        ((np.zeros(8000, np.float32), 16_000), "inputs: "),
        ((np.ones(8000, np.float32), 0), "rate must be a whole number of Hz"),
        ((np.ones(8000, np.float32), True), "rate must be a whole number of Hz"),
        ([(np.ones(8000, np.int64), 16_000)], r"inputs\[0\] must hold floats within -1..1, or PCM"),
        (["nowhere.wav"], r"inputs\[0\]: "),
    ],
)
def test_what_is_no_recording_is_one_line_that_says_which(model, given, message):
    with pytest.raises(ValueError, match=message) as error:
        model.encode_speech(given)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "given", [None, 7, ["fine", 7], [""], " ", {"a": 1}, b"bytes", ["half \ud800 of a pair"]]
)
def test_what_is_no_sentence_is_one_line(model, given):
    with pytest.raises(ValueError, match="sentence") as error:
        model.encode_text(given)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("size", [0, -1, 1.5, True, None, "4"])
def test_counts_are_whole_numbers_above_none(model, size, embeddings):
    for asked in (
        lambda: model.encode_speech([], batch_size=size),
        lambda: model.encode_text("Fine.", batch_size=size),
        lambda: model.search(embeddings, embeddings, top_k=size),
        lambda: model.describe([], top_k=size),
    ):
        with pytest.raises(ValueError, match="must be a whole number above 0"):
            asked()
    assert len(model.search(embeddings[0], embeddings, top_k=np.int64(2))[0]) == 2


# Windows


def test_a_long_recording_is_cropped_with_a_warning_or_embedded_in_windows(model, noise, tmp_path):
    samples = noise(23)
    soundfile.write(tmp_path / "long.wav", samples, 16_000, subtype="FLOAT")
    with pytest.warns(UserWarning, match=r"inputs lasts 23.0 s: the first 10 s are heard; encode_speech"):
        start = model.encode_speech(tmp_path / "long.wav")
    found = model.encode_speech([tmp_path / "long.wav", (samples[:8000], 16_000)], windows=True, batch_size=2)
    assert found[0].start.tolist() == [0, 10, 13]
    assert found[0].end.tolist() == [10, 20, 23]
    assert np.array_equal(found[0].embeddings[0], start)
    assert found[1].start.tolist() == [0]
    assert found[1].end.tolist() == [0.5]
    alone = model.encode_speech((samples, 16_000), windows=True, hop_seconds=5)
    assert alone.start.tolist() == [0, 5, 10, 13]
    assert np.array_equal(alone.embeddings[[0, 2, 3]], found[0].embeddings)
    assert isinstance(
        model.encode_speech((samples[:8000], 16_000), windows=True, convert_to_tensor=True).embeddings,
        torch.Tensor,
    )


def test_windows_of_samples_are_those_of_a_file_of_them(model, tmp_path):
    samples = (0.1 * np.random.default_rng(1).standard_normal(round(12.5 * 22_050))).astype(np.float32)
    soundfile.write(tmp_path / "long.wav", samples, 22_050, subtype="FLOAT")
    of_file, of_samples = model.encode_speech(
        [tmp_path / "long.wav", (samples, 22_050)], windows=True, hop_seconds=4
    )
    assert np.array_equal(of_file.embeddings, of_samples.embeddings)
    assert np.array_equal(of_file.start, of_samples.start)
    with pytest.warns(UserWarning, match="and 1 others are longer"):
        starts = model.encode_speech([tmp_path / "long.wav", (samples, 22_050)])
    assert np.array_equal(starts, np.stack([of_file.embeddings[0]] * 2))


@pytest.mark.parametrize("hop", [0, -1, float("nan"), float("inf")])
def test_a_hop_is_seconds_above_none_and_comes_with_windows(model, noise, hop):
    with pytest.raises(ValueError, match="hop"):
        model.encode_speech((noise(1), 16_000), windows=True, hop_seconds=hop)
    with pytest.raises(ValueError, match="hop_seconds must come with windows=True"):
        model.encode_speech((noise(1), 16_000), hop_seconds=hop)


# Similarity and search


def test_similarity_is_the_cosine(model, embeddings):
    texts = model.encode_text(SENTENCES)
    wanted = embeddings.astype(np.float64) @ texts.astype(np.float64).T
    assert model.similarity(embeddings, texts) == pytest.approx(wanted, abs=1e-6)
    assert model.similarity(7 * embeddings, texts.tolist()) == pytest.approx(wanted, abs=1e-6)
    assert model.similarity(embeddings[0], texts).shape == (1, 6)
    assert model.similarity_pairwise(embeddings, texts[:4]) == pytest.approx(wanted.diagonal(), abs=1e-6)
    assert model.similarity(embeddings, embeddings).max() <= 1
    assert model.similarity([], texts).shape == (0, 6)


def test_similarity_of_tensors_is_a_tensor(model, embeddings):
    wanted = model.similarity(embeddings, embeddings)
    for given in (torch.from_numpy(embeddings), list(torch.from_numpy(embeddings))):
        found = model.similarity(torch.from_numpy(embeddings), given)
        assert torch.equal(found, torch.from_numpy(wanted))
    assert isinstance(model.similarity_pairwise(embeddings, torch.from_numpy(embeddings)), torch.Tensor)
    low = torch.from_numpy(embeddings).to(torch.bfloat16).requires_grad_()
    assert model.similarity(low, embeddings).numpy() == pytest.approx(wanted, abs=0.02)


def test_an_embedding_of_zeros_is_like_nothing_and_its_size_matters_nothing(model, embeddings):
    zeros = np.zeros((1, EMBEDDING_SIZE), np.float32)
    assert (model.similarity(zeros, embeddings) == 0).all()
    wanted = model.similarity(embeddings[:1], embeddings)
    for scale in (1e-38, 1e-30, 1e30, 1e38):
        scaled = (embeddings[:1].astype(np.float64) * scale).astype(np.float32)
        assert model.similarity(scaled, embeddings) == pytest.approx(wanted, abs=1e-3), scale


@pytest.mark.parametrize(
    "given",
    [
        np.zeros((2, 3), np.float32),
        np.zeros((1, 1, EMBEDDING_SIZE), np.float32),
        np.full(EMBEDDING_SIZE, np.nan),
        np.full(EMBEDDING_SIZE, np.inf),
        np.full(EMBEDDING_SIZE, 1e200),
        np.zeros(EMBEDDING_SIZE, bool),
        np.zeros(EMBEDDING_SIZE, complex),
        [[0.0] * EMBEDDING_SIZE, [1.0]],
        ["a sentence"],
        None,
        {},
    ],
)
def test_what_is_no_embedding_is_one_line(model, embeddings, given):
    for asked in (
        lambda: model.similarity(given, embeddings),
        lambda: model.similarity_pairwise(embeddings, given),
        lambda: model.search(embeddings, given),
    ):
        with pytest.raises(ValueError, match="(a|b|embeddings) must ") as error:
            asked()
        assert "\n" not in str(error.value)


def test_pairs_must_be_as_many(model, embeddings):
    with pytest.raises(ValueError, match="a and b must have as many embeddings, found 4 and 3"):
        model.similarity_pairwise(embeddings, embeddings[:3])


def test_search_finds_the_nearest_and_of_equals_the_first(model):
    rng = np.random.default_rng(0)
    rows = rng.integers(-1, 2, (200, EMBEDDING_SIZE)).astype(np.float32)
    rows[100:] = rows[:100]
    for query, found in zip(rows[:5], model.search(rows[:5], rows, top_k=300), strict=True):
        scores = model.similarity(query, rows)[0]
        place = {one["corpus_id"]: at for at, one in enumerate(found)}
        for row in range(100):  # twice there
            first, second = place[row], place[row + 100]
            assert first < second
            assert found[first]["score"] == found[second]["score"]
            assert found[first]["score"] == pytest.approx(scores[row], abs=1e-6)
        assert [one["score"] for one in found] == pytest.approx(sorted(scores, reverse=True), abs=1e-6)


def test_search_takes_sentences_in_any_container(model, embeddings):
    wanted = model.search(model.encode_text(SENTENCES[:2]), embeddings)
    assert [len(found) for found in wanted] == [4, 4]
    for given in (
        SENTENCES[:2],
        tuple(SENTENCES[:2]),
        np.array(SENTENCES[:2]),
        np.array(SENTENCES[:2], object),
    ):
        assert model.search(given, embeddings) == wanted
    assert model.search(SENTENCES[0], embeddings) == wanted[:1]
    assert model.search([], embeddings) == []
    assert model.search(SENTENCES[0], embeddings[:0]) == [[]]


# Words


def test_describe_names_the_captions_nearest_to_a_recording(model, clips, embeddings):
    cosines = model.similarity(embeddings, model.encode_text(SENTENCES))
    for told, row in zip(model.describe(clips, top_k=3), cosines, strict=True):
        assert [one["text"] for one in told] == [SENTENCES[place] for place in np.argsort(-row)[:3]]
        assert [one["score"] for one in told] == pytest.approx(np.sort(row)[::-1][:3], abs=1e-6)
        assert all((one["valence"], one["arousal"]) == CAPTIONS[one["text"]] for one in told)
    assert len(model.describe(clips[0], top_k=99)) == len(CAPTIONS)
    assert model.describe([]) == []


def test_without_captions_describe_says_so(clips):
    bare = EmotionRankCLAP(make_model(), name="bare", device="cpu")
    with pytest.raises(RuntimeError, match="bare must have captions to describe by, found none"):
        bare.describe(clips)


def test_classify_shares_one_among_the_labels(model, clips):
    told = model.classify(clips[0], ["angry", "calm", "happy"])
    assert {one["label"] for one in told} == {"angry", "calm", "happy"}
    assert sum(one["share"] for one in told) == pytest.approx(1)
    assert [one["score"] for one in told] == sorted((one["score"] for one in told), reverse=True)
    assert [one["share"] for one in told] == sorted((one["share"] for one in told), reverse=True)
    written = {
        label: f"The person is speaking in a way that sounds {label}." for label in ("angry", "calm", "happy")
    }
    assert model.classify(clips[0], written) == told
    assert model.classify(clips[0], (label for label in written)) == told
    assert model.classify([], ["angry"]) == []
    assert model.classify(clips[0], ["angry"])[0]["share"] == 1


@pytest.mark.parametrize(
    ("labels", "template", "message"),
    [
        ([], "{}", "labels must be one or more, found none"),
        ({}, "{}", "labels must be one or more, found none"),
        ("angry", "{}", "labels must be a list of words, found one: 'angry'"),
        (["angry", "calm", "angry"], "{}", "labels must differ, found 'angry' twice"),
        (["angry", ""], "{}", "labels must be words, with sentences of words, found ''"),
        (["angry", 7], "{}", "labels must be words, with sentences of words, found 7"),
        ([["angry"]], "{}", "labels must be words"),
        ({"angry": " "}, "{}", "labels must be words, with sentences of words, found 'angry'"),
        ({7: "A sentence."}, "{}", "labels must be words, with sentences of words, found 7"),
        (["angry"], "speech", "template must have a {} for a label, found 'speech'"),
        (["angry"], None, "template must have a {} for a label, found None"),
    ],
)
def test_what_are_no_labels_is_one_line(model, clips, labels, template, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        model.classify(clips[0], labels, template=template)


def test_predict_says_what_the_encoders_regressor_says(model, clips):
    encoder = SpeechEncoder.from_pretrained("builtin:sample-speech", "attentive-stats")
    wanted = encoder.attributes(encoder.encode([str(clip) for clip in clips]))
    assert np.array_equal(model.predict(clips), wanted)
    assert model.predict([]).shape == (0, 3)


def test_an_encoder_that_says_other_things_predicts_nothing(clips, monkeypatch):
    alone = EmotionRankCLAP(make_model(), name="other", device="cpu")
    monkeypatch.setattr(alone.speech, "config", replace(alone.speech.config, num_classes=8))
    with pytest.raises(RuntimeError, match="encoder of other must say valence, arousal and dominance"):
        alone.predict(clips)


def test_features_that_are_not_finite_are_refused(model, clips, monkeypatch):
    monkeypatch.setattr(
        model.speech, "encode_heard", lambda heard: np.full((len(heard), 192), np.nan, np.float32)
    )
    for ask in (model.encode_speech, model.predict, model.describe):
        with pytest.raises(RuntimeError, match="features of finite numbers"):
            ask(clips[0])


# Encoders


def test_encoders_are_loaded_when_they_are_needed_and_once(model_folder, monkeypatch):
    loaded = []
    for encoder in (SpeechEncoder, TextEncoder):
        real = encoder.from_pretrained

        def slow(*args, _real=real, _name=encoder.__name__, **settings):
            loaded.append(_name)
            time.sleep(0.02)
            return _real(*args, **settings)

        monkeypatch.setattr(encoder, "from_pretrained", slow)
    fresh = EmotionRankCLAP.from_pretrained(model_folder, device="cpu")
    assert loaded == []
    fresh.search("The person is speaking calmly.", np.eye(EMBEDDING_SIZE, dtype=np.float32))
    assert loaded == ["TextEncoder"]
    found = []
    threads = [threading.Thread(target=lambda: found.append((fresh.speech, fresh.text))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loaded == ["TextEncoder", "SpeechEncoder"]
    assert len(set(found)) == 1


def test_another_encoder_than_that_of_training_is_refused(model_folder, speech_checkpoint, text_checkpoint):
    other = EmotionRankCLAP.from_pretrained(
        model_folder, device="cpu", speech_encoder=speech_checkpoint, text_encoder=text_checkpoint
    )
    for kind in ("speech", "text"):
        with pytest.raises(
            RuntimeError, match=f"must have the {kind} encoder that its heads were trained on"
        ):
            getattr(other, kind)


def test_an_encoder_that_was_a_folder_must_be_named(speech_checkpoint):
    made = make_model()
    recipe = replace(made.speech.recipe, model="ours")
    lost = EmotionRankCLAP(
        replace(made, speech=replace(made.speech, model="ours", recipe=recipe)), device="cpu"
    )
    with pytest.raises(
        ValueError, match="speech encoder of model was a local folder, 'ours': say where it is"
    ):
        _ = lost.speech


def test_a_type_or_device_that_is_none_is_refused_at_once(model_folder):
    with pytest.raises(ValueError, match="dtype must be torch's"):
        EmotionRankCLAP.from_pretrained(model_folder, dtype="int8")
    with pytest.raises(ValueError, match="device must be one that torch can compute on here"):
        EmotionRankCLAP.from_pretrained(model_folder, device="abacus")
    halved = EmotionRankCLAP.from_pretrained(model_folder, device=torch.device("cpu"), dtype=torch.bfloat16)
    assert halved.encode_text(SENTENCES).shape == (6, EMBEDDING_SIZE)


@pytest.mark.parametrize("name", ["", None, 7, b"folder"])
def test_a_model_is_a_folder_or_a_name(name):
    with pytest.raises(ValueError, match="a model must be the path of a folder or a hub name"):
        EmotionRankCLAP.from_pretrained(name)
