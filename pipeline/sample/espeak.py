"""eSpeak NG as a function: the same arguments give the same samples, whatever was spoken before."""

from __future__ import annotations

import _ctypes
import ctypes
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

SAMPLING_RATE = 22_050
"""Hz, what eSpeak NG synthesises at."""

ACCENTS = ("en-us", "en-us-nyc", "en", "en-gb-x-rp", "en-gb-scotland", "en-gb-x-gbclan", "en-029")
"""The English voices that the sample profile uses."""

_SYNCHRONOUS, _DO_NOT_EXIT, _UTF8 = 2, 0x8000, 1
_RATE, _PITCH, _PITCH_RANGE = 1, 3, 4
_NOISE_SEED = 1

_OnSamples = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


class Espeak:
    """Speaks one text at a time. Instances may be shared between threads, which then wait for each other.

    Raises RuntimeError where the package that carries eSpeak NG is not installed.
    """

    _alone = threading.Lock()  # the library keeps its state in globals

    def __init__(self) -> None:
        loader = _loader()
        self._library_path = str(loader.get_library_path())
        self._data_path = str(loader.get_data_path())
        self._variants = frozenset(variants())

    def speak(
        self,
        text: str,
        *,
        voice: str = "en-us",
        variant: str | None = None,
        rate: int = 175,
        pitch: int = 50,
        pitch_range: int = 50,
    ) -> npt.NDArray[np.float32]:
        """Synthesise a text, returned as (samples,) mono in -1..1 at `SAMPLING_RATE`.

        `voice` is a language such as those in `ACCENTS`, `variant` one of `variants()`. `rate` is in words a
        minute, 80..450; `pitch` and `pitch_range` go from 0 to 99: 50 is the voice's own, and 50 more doubles
        the pitch. Raises ValueError for an unknown voice or variant or a value outside its range.
        """
        _check_within("rate", rate, 80, 450)
        _check_within("pitch", pitch, 0, 99)
        _check_within("pitch_range", pitch_range, 0, 99)
        # eSpeak NG would take an unknown variant for no variant, and say nothing.
        if variant is not None and variant not in self._variants:
            raise ValueError(f"variant must be one of {', '.join(sorted(self._variants))}; found {variant!r}")
        name = voice if variant is None else f"{voice}+{variant}"
        chunks: list[bytes] = []

        def keep(samples: int | None, count: int, _events: int | None) -> int:
            if samples and count > 0:
                chunks.append(ctypes.string_at(samples, 2 * count))
            return 0

        with self._alone:
            # Breath noise, flutter and the phase of the voice go on from one utterance to the next in the
            # library's globals, and no call resets them: a freshly loaded library has none.
            library = ctypes.CDLL(self._library_path)
            try:
                self._synthesise(library, text, name, (rate, pitch, pitch_range), keep)
            finally:
                _unload(library)
        pcm = np.frombuffer(b"".join(chunks), dtype=np.int16)
        return np.divide(pcm, 32768, dtype=np.float32)

    def _synthesise(
        self,
        library: ctypes.CDLL,
        text: str,
        name: str,
        parameters: tuple[int, int, int],
        keep: Callable[[int | None, int, int | None], int],
    ) -> None:
        rate = library.espeak_Initialize(_SYNCHRONOUS, 0, self._data_path.encode(), _DO_NOT_EXIT)
        if rate != SAMPLING_RATE:
            raise RuntimeError(
                f"eSpeak NG must start at {SAMPLING_RATE} Hz, it said {rate} with the data in "
                f"{self._data_path}: reinstall with pip install --force-reinstall espeakng-loader"
            )
        on_samples = _OnSamples(keep)
        library.espeak_SetSynthCallback(on_samples)
        _seed_noise(library)
        try:
            if library.espeak_SetVoiceByName(name.encode()) != 0:
                raise ValueError(
                    f"voice must be a language that eSpeak NG speaks, such as those of ACCENTS, found {name!r}"
                )
            for parameter, value in zip((_RATE, _PITCH, _PITCH_RANGE), parameters, strict=True):
                library.espeak_SetParameter(parameter, value, 0)
            encoded = text.encode() + b"\0"
            status = library.espeak_Synth(encoded, ctypes.c_size_t(len(encoded)), 0, 1, 0, _UTF8, None, None)
            if status != 0:
                raise RuntimeError(f"eSpeak NG must speak {text!r}, it gave up with status {status}")
        finally:
            library.espeak_Terminate()


def variants() -> tuple[str, ...]:
    """The names of the voice variants that the installed package carries, sorted.

    Raises RuntimeError where it is not installed.
    """
    folder = Path(str(_loader().get_data_path())) / "voices" / "!v"
    return tuple(sorted(file.name for file in folder.iterdir()))


def _loader() -> Any:
    try:
        import espeakng_loader
    except ImportError:
        raise RuntimeError(
            "the sample corpus must have eSpeak NG to speak it, espeakng-loader is not installed: "
            "in the clone, pip install -e '.[sample]' -c constraints.txt"
        ) from None
    return espeakng_loader


def _check_within(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} must be {low} to {high}, found {value}")


def _seed_noise(library: ctypes.CDLL) -> None:
    """eSpeak NG draws noise from its own generator and from the C library's."""
    library.espeak_ng_SetRandSeed(ctypes.c_long(_NOISE_SEED))
    c_library = ctypes.CDLL("ucrtbase" if sys.platform == "win32" else None)
    c_library.srand(_NOISE_SEED)


def _unload(library: ctypes.CDLL) -> None:
    if sys.platform == "win32":
        _ctypes.FreeLibrary(library._handle)
    else:
        _ctypes.dlclose(library._handle)
