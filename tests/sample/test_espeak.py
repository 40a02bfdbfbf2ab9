"""eSpeak NG is a function of its arguments."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from pipeline.sample.espeak import ACCENTS, SAMPLING_RATE, Espeak, variants
from pipeline.sample.voices import CHECKPOINT_VARIANTS, CORPUS_VARIANTS

TEXT = "The weather there was wonderful."
NOISY_VOICES = ["f2", "m3", "whisper", "klatt2", "robosoft5", "Andrea"]


def digest(voice: str, **parameters: int) -> str:
    return hashlib.sha256(Espeak().speak(TEXT, variant=voice, **parameters).tobytes()).hexdigest()


def test_same_arguments_give_same_samples_in_any_order() -> None:
    first = [digest(voice) for voice in NOISY_VOICES]
    Espeak().speak("Something else, and longer!", voice="en", variant="klatt3", rate=240)
    assert [digest(voice) for voice in reversed(NOISY_VOICES)] == first[::-1]


def test_same_arguments_give_same_samples_in_another_process() -> None:
    program = (
        "import hashlib; from pipeline.sample.espeak import Espeak; "
        f"print(hashlib.sha256(Espeak().speak({TEXT!r}, variant='whisper').tobytes()).hexdigest())"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == digest("whisper")


def test_higher_rate_is_shorter_and_higher_pitch_has_a_higher_fundamental() -> None:
    espeak = Espeak()
    slow, fast = espeak.speak(TEXT, rate=120), espeak.speak(TEXT, rate=240)
    assert len(fast) < 0.7 * len(slow)
    low, high = espeak.speak(TEXT, pitch=20, pitch_range=0), espeak.speak(TEXT, pitch=80, pitch_range=0)
    assert fundamental(high) > 1.5 * fundamental(low)


def fundamental(samples: np.ndarray) -> float:
    """Hz of the strongest period of the whole clip."""
    spectrum = np.abs(np.fft.rfft(samples, 2 * len(samples))) ** 2
    correlation = np.fft.irfft(spectrum)
    periods = np.arange(SAMPLING_RATE // 400, SAMPLING_RATE // 50)
    return float(SAMPLING_RATE / periods[correlation[periods].argmax()])


def test_every_voice_of_the_profile_is_in_the_package() -> None:
    assert len(variants()) > 90
    assert set(CORPUS_VARIANTS) | set(CHECKPOINT_VARIANTS) <= set(variants())


@pytest.mark.parametrize("accent", ACCENTS)
def test_every_accent_speaks_in_full_scale_units(accent: str) -> None:
    samples = Espeak().speak(TEXT, voice=accent, variant="f5")
    assert samples.dtype == np.float32
    assert 0.05 < np.abs(samples).max() <= 1


def test_unknown_voice_and_values_out_of_range_are_named() -> None:
    with pytest.raises(ValueError, match=r"voice must be a language .* found 'tlh\+f5'"):
        Espeak().speak(TEXT, voice="tlh", variant="f5")
    with pytest.raises(ValueError, match="rate must be 80 to 450, found 20"):
        Espeak().speak(TEXT, rate=20)


def test_unknown_variant_is_an_error() -> None:
    with pytest.raises(ValueError, match="variant must be one of .* found 'nobody'"):
        Espeak().speak(TEXT, variant="nobody")


def test_absent_package_names_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(RuntimeError, match=r"pip install -e '\.\[sample\]'"):
        Espeak()
