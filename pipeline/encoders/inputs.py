"""What people hand to `encode`: recordings as arrays of any kind or as files, and sentences in any container."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.audio import (
    MAX_RATE,
    MIN_RATE,
    MIN_SAMPLES,
    SAMPLING_RATE,
    AudioError,
    Waveform,
    Window,
    check_audible,
    crop,
    header_seconds,
    read_waveform,
    read_windows,
    to_mono_16k,
    windows_of,
)
from pipeline.support import shown

PCM = {"int16": (0, 2**15), "int32": (0, 2**31), "uint8": (2**7, 2**7)}
"""Type of a recording's samples → the step that is silence, and full scale."""

MOST_CHANNELS = 64

MARGIN_SECONDS = 0.1
"""Resampled beyond a crop, as of a file, so that what follows changes no sample of the crop."""


Recording = npt.ArrayLike | os.PathLike[str] | Mapping[str, Any]
"""Samples as an array, a list or a tensor, a file, or `{"array": samples, "sampling_rate": rate}`."""


@dataclass(frozen=True)
class Sound:
    """One recording as it was given: the path of a file, or samples at a rate."""

    name: str
    """What a message calls it."""
    given: object
    sampling_rate: int
    """Hz, of samples; a file has its own."""

    def start(self, seconds: float) -> Waveform:
        """Its first `seconds` as the encoder hears them. Raises AudioError where nothing can be heard of it."""
        with self._named():
            if isinstance(self.given, str | os.PathLike):
                return read_waveform(Path(self.given), seconds)
            most = math.ceil((seconds + MARGIN_SECONDS) * self.sampling_rate)
            samples = _samples(self.given, self.name, most)
            waveform = crop(to_mono_16k(samples, self.sampling_rate), seconds)
            check_audible(waveform)
            return waveform

    def windows(self, seconds: float, hop: float | None = None) -> Iterator[Window]:
        """All of it in windows of `seconds`, one every `hop`. Raises AudioError as `start` does."""
        with self._named():
            if isinstance(self.given, str | os.PathLike):
                yield from read_windows(Path(self.given), seconds, hop)
            else:
                samples = _samples(self.given, self.name, None)
                yield from windows_of(samples, seconds, hop, sampling_rate=self.sampling_rate)

    def seconds(self) -> float:
        """How long it is, of a file by its header. Raises AudioError for a file that has none."""
        with self._named():
            if isinstance(self.given, str | os.PathLike):
                return header_seconds(Path(self.given))
            return len(_samples(self.given, self.name, None)) / self.sampling_rate

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except AudioError as error:
            raise type(error)(f"{self.name}: {error}") from None


def as_sounds(
    given: object, sampling_rate: object = None, *, called: str = "waveforms"
) -> tuple[list[Sound], bool]:
    """Recordings, and whether one was given rather than several.

    A recording is a path, samples, `{"array": samples, "sampling_rate": rate}`, or a pair of both;
    `sampling_rate` is that of samples which come without. Raises ValueError, with the recording's place, for what
    is none.
    """
    if sampling_rate is not None:
        _check_rate(sampling_rate, "sampling_rate")
    items, alone = _recordings(given)
    names = [called if alone else f"{called}[{place}]" for place in range(len(items))]
    return [_sound(item, name, sampling_rate) for item, name in zip(items, names, strict=True)], alone


def as_waveforms(given: object, sampling_rate: object, crop_seconds: float) -> tuple[list[Waveform], bool]:
    """Recordings as the encoder hears them, cropped and checked, and whether one was given rather than several.

    Raises ValueError, with the recording's place, for what is none; AudioError for one that cannot be heard.
    """
    _check_rate(sampling_rate, "sampling_rate")
    sounds, alone = as_sounds(given, sampling_rate)
    return [sound.start(crop_seconds) for sound in sounds], alone


def as_sentences(given: object) -> tuple[list[str], bool]:
    """Sentences as a list, and whether one was given rather than several. Raises ValueError for what is none."""
    alone = isinstance(given, str)
    items = [given] if alone else _listed(given, "sentences", "str")
    for place, item in enumerate(items):
        name = "sentences" if alone else f"sentences[{place}]"
        if not isinstance(item, str):
            raise ValueError(f"{name} must be a str, found {_named(item)}")
        if not item.strip():
            raise ValueError(f"{name}: a sentence must have words, found an empty one")
        if not item.isascii() and item != item.encode(errors="replace").decode():
            raise ValueError(f"{name} must be text, found half of a surrogate pair in it")
    return [str(item) for item in items], alone


def check_finite(features: npt.NDArray[np.float32], name: str) -> None:
    """Raise RuntimeError, with the item's place, where a feature is not finite."""
    wrong = np.flatnonzero(~np.isfinite(features).all(axis=1))
    if len(wrong):
        raise RuntimeError(
            f"{name}[{wrong[0]}] must have a feature of finite numbers, found others in {len(wrong)} of "
            f"{len(features)}: the checkpoint's weights are damaged, or overflow in this dtype"
        )


def _recordings(given: object) -> tuple[list[Any], bool]:
    """What was given as a list of recordings, and whether it is a single one."""
    if isinstance(given, str | os.PathLike | Mapping) or _is_pair(given):
        return [given], True
    if _is_array(given):
        array = _as_array(given, "waveforms")
        flat = array.ndim == 1 and array.dtype.kind not in "OUT"
        # No clip is as short as the channels of one recording are few.
        interleaved = array.ndim == 2 and array.shape[1] <= MOST_CHANNELS < MIN_SAMPLES <= array.shape[0]
        return ([array], True) if flat or interleaved else (_listed(array, "waveforms", "arrays"), False)
    items = _listed(given, "waveforms", "arrays")
    if items and isinstance(items[0], int | float | np.number):
        return [items], True
    return items, False


def _is_pair(item: object) -> bool:
    """Whether it is samples beside their rate."""
    return (
        isinstance(item, tuple)
        and len(item) == 2
        and (_is_array(item[0]) or isinstance(item[0], list))
        and isinstance(item[1], int | float | np.number)
    )


def _sound(item: Any, name: str, sampling_rate: Any) -> Sound:
    if isinstance(item, Mapping):
        if not {"array", "sampling_rate"} <= set(item):
            raise ValueError(
                f"{name} must have the keys array and sampling_rate, found {shown(', '.join(map(str, item)), 80)}"
            )
        item, sampling_rate = item["array"], item["sampling_rate"]
        _check_rate(sampling_rate, f"{name}: sampling_rate")
    elif _is_pair(item):
        item, sampling_rate = item
        _check_rate(sampling_rate, f"{name}: its rate")
    elif isinstance(item, str | os.PathLike):
        sampling_rate = SAMPLING_RATE
    else:
        _check_samples(item, name)
    if sampling_rate is None:
        raise ValueError(f"{name} must come with its sampling_rate in Hz, found samples alone")
    return Sound(name, item, int(sampling_rate))


def _check_rate(rate: object, name: str) -> None:
    if (
        isinstance(rate, bool)
        or not isinstance(rate, int | float | np.integer | np.floating)
        or not MIN_RATE <= rate <= MAX_RATE
        or rate != int(rate)
    ):
        raise ValueError(
            f"{name} must be a whole number of Hz from {MIN_RATE} to {MAX_RATE}, found {_named(rate)}"
        )


def _samples(item: object, name: str, most: int | None) -> npt.NDArray[np.float32]:
    """At most so many, or all, as (samples,) or (samples, channels), in -1..1."""
    _check_samples(item, name)
    array = _as_array(item, name)
    shape = array.shape
    if array.ndim == 2 and shape[0] < shape[1]:
        array = array.T
    if array.ndim not in (1, 2) or (array.ndim == 2 and not 1 <= array.shape[1] <= MOST_CHANNELS):
        raise ValueError(
            f"{name} must be (samples,), (channels, samples) or (samples, channels), found {shape}"
        )
    array = array[:most]
    kind = array.dtype.name
    if kind in PCM:
        silence, full = PCM[kind]
        array = (array.astype(np.float64) - silence) / full
    elif array.dtype.kind != "f":
        raise ValueError(f"{name} must hold floats within -1..1, or PCM of {', '.join(PCM)}, found {kind}")
    peak = float(np.abs(array).max(initial=0))
    if not math.isfinite(peak):  # before channels are averaged
        raise AudioError("holds samples that are not finite numbers")
    if peak > 1 and (array == np.rint(array)).all():
        raise ValueError(
            f"{name} must hold floats within -1..1, found whole numbers up to {peak:g}: divide PCM by its full "
            f"scale, or give it as int16"
        )
    return np.require(array, np.float32, ["C", "W"])


def _check_samples(item: object, name: str) -> None:
    if not (_is_array(item) or isinstance(item, list | tuple)):
        raise ValueError(f"{name} must be an array of samples or the path of a file, found {_named(item)}")


def _is_array(given: object) -> bool:
    return hasattr(given, "__array__") or (hasattr(given, "detach") and hasattr(given, "cpu"))


def _as_array(given: Any, name: str) -> npt.NDArray[Any]:
    """An array or a tensor of any device as an array of this machine's byte order."""
    try:
        if hasattr(given, "detach"):
            given = given.detach().cpu()
            given = (given.float() if given.is_floating_point() else given).numpy()
        array = np.asarray(given)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ValueError(
            f"{name} must be an array of samples, found {_named(given)} ({shown(error, 80)})"
        ) from None
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _listed(given: Any, name: str, of: str) -> list[Any]:
    """The items of a list, an array, a series or anything else in order."""
    scalar = isinstance(given, np.ndarray) and not given.ndim
    if scalar or isinstance(given, bytes | bytearray | Mapping | Set) or not isinstance(given, Iterable):
        raise ValueError(f"{name} must be a list of {of}, found {_named(given)}")
    if of == "str" and hasattr(given, "tolist"):  # so that numpy's and pandas' own scalars become str
        given = given.tolist()
    if not isinstance(given, Iterable) or isinstance(given, str):
        raise ValueError(f"{name} must be a list of {of}, found {_named(given)}")
    return list(given)


def _named(given: object) -> str:
    """A value in a message: short ones as they are, of others the type."""
    if given is None or isinstance(given, bool | int | float | str):
        return shown(repr(given), 60)
    return f"a {type(given).__name__}"
