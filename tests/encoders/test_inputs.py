"""What people hand to the encoders: it is heard as they mean it, or refused by a line that says which item."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from emotionrankclap import SpeechEncoder, TextEncoder

RATE = 16_000
RNG = np.random.default_rng(0)
CLIP = RNG.uniform(-0.5, 0.5, RATE).astype(np.float32)
OTHER = RNG.uniform(-0.5, 0.5, RATE).astype(np.float32)
STEPS = np.round(CLIP * 2**15).astype(np.int16)
PCM = (STEPS / 2**15).astype(np.float32)
SENTENCES = ["The person is speaking softly.", "The person is speaking loudly."]


@pytest.fixture(scope="module")
def speech(speech_checkpoint: Path) -> SpeechEncoder:
    return SpeechEncoder.from_pretrained(speech_checkpoint)


@pytest.fixture(scope="module")
def text(text_checkpoint: Path) -> TextEncoder:
    return TextEncoder.from_pretrained(text_checkpoint)


@pytest.fixture(scope="module")
def clip(speech: SpeechEncoder) -> np.ndarray:
    return speech.encode([CLIP])[0]


def read_only(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    "one",
    [
        CLIP[None],
        CLIP[:, None],
        np.stack([CLIP] * 2),
        np.stack([CLIP] * 4, axis=1),
        CLIP.tolist(),
        tuple(CLIP.tolist()),
        CLIP.astype(np.float64),
        CLIP.astype(">f4"),
        np.repeat(CLIP, 2)[::2],
        read_only(CLIP.copy()),
        torch.from_numpy(CLIP),
        torch.from_numpy(CLIP)[None].requires_grad_(),
        np.concatenate([CLIP, np.full(10 * RATE, 0.0)]).astype(np.float32)[:RATE],
    ],
)
def test_a_recording_may_come_in_any_form(speech: SpeechEncoder, clip: np.ndarray, one: object) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(speech.encode([one])[0], clip)


@pytest.mark.parametrize(
    "alone",
    [
        CLIP,
        CLIP.tolist(),
        torch.from_numpy(CLIP),
        CLIP[:, None],
        np.stack([CLIP] * 2, axis=1),
    ],
)
def test_a_single_recording_gives_one_vector(speech: SpeechEncoder, clip: np.ndarray, alone: object) -> None:
    assert np.array_equal(speech.encode(alone), clip)


def test_an_array_of_rows_is_as_many_recordings(speech: SpeechEncoder, clip: np.ndarray) -> None:
    both = speech.encode([CLIP, OTHER])
    assert np.array_equal(both[0], clip)
    for given in (np.stack([CLIP, OTHER]), torch.from_numpy(np.stack([CLIP, OTHER])), (CLIP, OTHER)):
        assert np.array_equal(speech.encode(given), both)
    assert np.array_equal(speech.encode(clip for clip in (CLIP, OTHER)), both)
    assert speech.encode(CLIP[None]).shape == (1, 48)
    assert speech.encode(np.stack([np.stack([CLIP] * 2), np.stack([OTHER] * 2)])).shape == (2, 48)
    ragged = np.empty(2, object)
    ragged[:] = [CLIP, OTHER[:8000]]
    assert speech.encode(ragged).shape == (2, 48)


@pytest.mark.parametrize(
    "steps",
    [
        STEPS,
        STEPS.astype(np.int32) << 16,
        torch.from_numpy(STEPS),
        STEPS.astype(">i2"),
        np.stack([STEPS] * 2),
    ],
)
def test_whole_numbers_are_pcm(speech: SpeechEncoder, steps: object) -> None:
    assert np.array_equal(speech.encode([steps]), speech.encode([PCM]))


def test_quiet_pcm_and_bytes_are_scaled_too(speech: SpeechEncoder) -> None:
    quiet = (STEPS // 50).astype(np.int16)
    assert np.array_equal(speech.encode([quiet]), speech.encode([quiet.astype(np.float32) / 2**15]))
    bytes_ = np.round(CLIP * 127 + 128).astype(np.uint8)
    assert np.array_equal(speech.encode([bytes_]), speech.encode([(bytes_ - 128.0) / 128]))


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100.0, np.int64(48_000)])
@pytest.mark.parametrize("channels", [1, 2])
def test_another_rate_is_heard_as_the_same_file_is(
    speech_checkpoint: Path, rate: int, channels: int, tmp_path: Path
) -> None:
    speech = SpeechEncoder.from_pretrained(speech_checkpoint, crop_seconds=1.0)
    samples = RNG.uniform(-0.5, 0.5, (int(rate * 1.7), channels)).astype(np.float32)
    file = tmp_path / "a.wav"
    soundfile.write(file, samples, int(rate), subtype="FLOAT")
    wanted = speech.encode([file])
    assert np.array_equal(speech.encode([samples], sampling_rate=rate), wanted)
    assert np.array_equal(speech.encode([samples.T], rate), wanted)
    assert np.array_equal(speech.encode(str(file)), wanted[0])
    assert np.array_equal(speech.encode(np.array([str(file)])), wanted)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([None], r"waveforms\[0\] must be an array of samples or the path of a file, found None"),
        ([CLIP, CLIP, "gone.wav"], r"waveforms\[2\]: no such file"),
        ([CLIP, CLIP[:399]], r"waveforms\[1\]: a clip must be at least 25 ms long, found 24.9 ms"),
        ([CLIP, CLIP * 0], r"waveforms\[1\]: silent throughout"),
        ([CLIP * np.nan], r"waveforms\[0\]: holds samples that are not finite"),
        ([CLIP * np.float32(np.inf)], r"waveforms\[0\]: holds samples that are not finite"),
        ([CLIP * 1e6], r"waveforms\[0\]: samples must be within -1..1"),
        (CLIP[:100], r"waveforms: a clip must be at least 25 ms long"),
        ([STEPS.astype(np.float32)], r"waveforms\[0\] must hold floats within -1..1, found whole numbers"),
        ([STEPS.astype(np.int64)], r"waveforms\[0\] must hold floats .*, or PCM of .*, found int64"),
        ([CLIP > 0], r"waveforms\[0\] must hold floats .*, found bool"),
        ([CLIP + 1j], r"waveforms\[0\] must hold floats .*, found complex"),
        (
            [RNG.uniform(-1, 1, (500, 500))],
            r"must be \(samples,\), \(channels, samples\) .* found \(500, 500\)",
        ),
        ([RNG.uniform(-1, 1, (2, 2, 500))], r"found \(2, 2, 500\)"),
        ([{"array": CLIP}], r"waveforms\[0\] must have the keys array and sampling_rate, found array"),
        ({"array": CLIP}, "waveforms must have the keys array and sampling_rate, found array"),
        (b"RIFF", "waveforms must be a list of arrays, found a bytes"),
        (None, "waveforms must be a list of arrays, found None"),
        (3.0, "waveforms must be a list of arrays, found 3.0"),
        (np.float32(3), "waveforms must be a list of arrays"),
        ([[0.1, None] * 500], r"waveforms\[0\] must hold floats .* found object"),
        ("gone.wav", "waveforms: no such file"),
    ],
)
def test_what_is_no_recording_is_refused_by_its_place(
    speech: SpeechEncoder, given: object, message: str
) -> None:
    with pytest.raises(ValueError, match=message) as error:
        speech.encode(given)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("rate", [0, -1, None, True, "8000", 8000.5, float("nan"), float("inf"), 10**9])
def test_a_rate_that_is_none_is_refused(speech: SpeechEncoder, rate: object) -> None:
    with pytest.raises(ValueError, match="sampling_rate must be a whole number of Hz from 4000 to 768000"):
        speech.encode([CLIP], sampling_rate=rate)


def test_a_single_sentence_gives_one_vector(text: TextEncoder) -> None:
    rows = text.encode(SENTENCES)
    assert rows.shape == (2, 32)
    assert np.array_equal(text.encode(SENTENCES[0]), rows[0])
    for given in (np.array(SENTENCES), np.array(SENTENCES, object), tuple(SENTENCES), iter(SENTENCES)):
        assert np.array_equal(text.encode(given), rows)
    assert text.encode([]).shape == text.encode(np.array([], str)).shape == (0, 32)
    assert text.cut_short(SENTENCES[0]) == 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["a", None], r"sentences\[1\] must be a str, found None"),
        (["a", 3], r"sentences\[1\] must be a str, found 3"),
        (["a", b"b"], r"sentences\[1\] must be a str, found a bytes"),
        (["a", ["b"]], r"sentences\[1\] must be a str, found a list"),
        (["a", "b", " \n"], r"sentences\[2\]: a sentence must have words"),
        ("", "sentences: a sentence must have words"),
        (["a", "b\ud83d"], r"sentences\[1\] must be text, found half of a surrogate pair"),
        (b"hello", "sentences must be a list of str, found a bytes"),
        ({"hello": 1}, "sentences must be a list of str, found a dict"),
        ({"hello"}, "sentences must be a list of str, found a set"),
        (None, "sentences must be a list of str, found None"),
        (5, "sentences must be a list of str, found 5"),
        (np.array([1.0]), r"sentences\[0\] must be a str, found 1.0"),
        (np.array([SENTENCES]), r"sentences\[0\] must be a str, found a list"),
    ],
)
def test_what_is_no_sentence_is_refused_by_its_place(text: TextEncoder, given: object, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        text.encode(given)
    assert "\n" not in str(error.value)


ENCODERS = [SpeechEncoder, TextEncoder]


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"device": "cuda:99"}, "device must be one that torch can compute on here, .* found 'cuda:99' and "),
        ({"device": "gpu"}, "device must be one that torch can compute on here, .* found 'gpu' and "),
        ({"device": "meta"}, "found 'meta'"),
        ({"device": None}, "found None"),
        ({"dtype": "int8"}, "dtype must be torch's float32, bfloat16, float16, found 'int8'"),
        ({"dtype": torch.float64}, "dtype must be torch's float32, bfloat16, float16, found torch.float64"),
    ],
)
def test_a_device_and_a_type_that_are_not_there_are_one_line(
    encoder: type, setting: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message) as error:
        encoder.from_pretrained("no such model", **setting)  # found before anything is fetched
    assert "\n" not in str(error.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one")
def test_cuda_without_cuda_is_one_line(text_checkpoint: Path) -> None:
    with pytest.raises(ValueError, match="found 'cuda' and 0 CUDA devices"):
        TextEncoder.from_pretrained(text_checkpoint, device="cuda")


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("model", [None, 3, b"x", "", "no such model"])
def test_a_model_that_is_none_is_one_line(encoder: type, model: object) -> None:
    with pytest.raises(ValueError, match="a model must be"):
        encoder.from_pretrained(model)


@pytest.mark.parametrize("seconds", [0, -1, 0.024, float("nan"), float("inf"), "10", None])
def test_a_crop_that_holds_nothing_is_one_line(speech_checkpoint: Path, seconds: object) -> None:
    with pytest.raises(ValueError, match=r"crop_seconds must be at least 0.025 and finite, found"):
        SpeechEncoder.from_pretrained(speech_checkpoint, crop_seconds=seconds)


@pytest.mark.parametrize("tokens", [0, 2, 10**6, 5.5, "64"])
def test_a_number_of_tokens_that_is_none_is_one_line(text_checkpoint: Path, tokens: object) -> None:
    with pytest.raises(ValueError, match="max_tokens must be 3 to 128"):
        TextEncoder.from_pretrained(text_checkpoint, max_tokens=tokens)


def odd(rng: np.random.Generator) -> object:
    """An array, tensor or list of any type and shape, or nothing of the kind."""
    shape = [(), (0,), (1,), (399,), (500,), (2, 500), (500, 3), (70, 600), (0, 500), (500, 0), (1, 2, 500)]
    made = rng.normal(scale=rng.choice([0, 1e-9, 0.3, 5, 1e9, 1e300]), size=shape[rng.integers(len(shape))])
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = made.astype(rng.choice([*"bBhHiIlLqQefdg?FD", "S4", "U9", "O", "M8[s]", ">f8", ">i4"]))
    if rng.random() < 0.2 and made.dtype.kind in "fO" and made.size:
        made[(0,) * made.ndim] = rng.choice([np.nan, np.inf, -np.inf])
    form = rng.integers(6)
    if form == 0:
        return made.tolist()
    if form == 1:
        return made.T[::-1] if made.ndim else made
    if form == 2 and made.dtype.isnative and made.dtype.char in "bBhiqefd?FD":
        return torch.from_numpy(np.ascontiguousarray(made))
    return [None, "", b"x", {}, made, made][rng.integers(6)] if form == 3 else made


def test_whatever_is_given_is_heard_or_refused_in_a_line(speech: SpeechEncoder, text: TextEncoder) -> None:
    rng, heard = np.random.default_rng(0), 0
    for _ in range(int(os.environ.get("ODD_INPUTS", "300"))):
        given = odd(rng) if rng.random() < 0.4 else [odd(rng) for _ in range(rng.integers(3))]
        for encoder in (speech, text):
            try:
                features = encoder.encode(given)
            except ValueError as error:
                line = str(error)
            else:
                assert np.isfinite(features).all()
                assert features.shape[-1] in (32, 48)
                heard, line = heard + 1, "heard"
            assert line.isprintable()
    assert heard > 20


def test_an_open_file_is_no_recording(speech: SpeechEncoder, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    with (
        (tmp_path / "a.wav").open("rb", buffering=0) as opened,
        pytest.raises(ValueError, match="found a FileIO"),
    ):
        speech.encode([opened])
