"""A recording of the index as a browser can play it, in parts, and the outline of a window."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import numpy as np
import soundfile
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from pipeline.use.page.answers import refusal
from pipeline.use.page.limits import WAVEFORM_PEAKS

TYPES = {"WAV": "audio/wav", "MP3": "audio/mpeg", "FLAC": "audio/flac", "OGG": "audio/ogg"}
"""What browsers play as it is."""

PLAIN = ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT")
"""What they play of wav."""

SENT_BYTES = 1 << 18
"""Read at once."""

WAV_HEADER = 44
LARGEST_WAV = (1 << 32) - 1 - WAV_HEADER

RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


class Sound(Protocol):
    """An open recording as bytes of a type."""

    type: str
    size: int

    def read(self, start: int, count: int) -> bytes:
        """At most so many bytes from there."""

    def close(self) -> None:
        """Let go of the file."""


class AsItIs:
    """A file's own bytes."""

    def __init__(self, descriptor: int, kind: str) -> None:
        self._descriptor, self.type = descriptor, kind
        self.size = os.fstat(descriptor).st_size

    def read(self, start: int, count: int) -> bytes:
        return os.pread(self._descriptor, count, start)

    def close(self) -> None:
        os.close(self._descriptor)


class AsWav:
    """A file of a format that browsers do not play, decoded while it is read, as a wav of 16 bits."""

    type = "audio/wav"

    def __init__(self, descriptor: int, sound: soundfile.SoundFile) -> None:
        self._descriptor, self._sound = descriptor, sound
        self._frame = 2 * sound.channels
        data = min(sound.frames * self._frame, LARGEST_WAV // self._frame * self._frame)
        self.size = WAV_HEADER + data
        rate, channels = sound.samplerate, sound.channels
        form = struct.pack("<HHIIHH", 1, channels, rate, rate * self._frame, self._frame, 16)
        self._header = b"RIFF" + struct.pack("<I", data + 36) + b"WAVEfmt " + struct.pack("<I", 16) + form
        self._header += b"data" + struct.pack("<I", data)

    def read(self, start: int, count: int) -> bytes:
        end = min(start + count, self.size)
        head = self._header[start:end]
        first, last = max(start - WAV_HEADER, 0), end - WAV_HEADER
        if last <= first:
            return head
        frame = first // self._frame
        wanted = -(-last // self._frame) - frame
        if self._sound.tell() != frame:
            self._sound.seek(frame)
        decoded: bytes = self._sound.read(wanted, dtype="int16", always_2d=True).astype("<i2").tobytes()
        decoded = decoded.ljust(wanted * self._frame, b"\0")  # where a header promises more than there is
        return head + decoded[first - frame * self._frame : last - frame * self._frame]

    def close(self) -> None:
        self._sound.close()
        os.close(self._descriptor)


def open_sound(file: Path, size: int, mtime_ns: int) -> Sound:
    """A recording to be sent. Raises RuntimeError where it is no longer what was indexed."""
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        found = os.fstat(descriptor)
        if (found.st_size, found.st_mtime_ns) != (size, mtime_ns):
            raise RuntimeError("changed since it was indexed")
        sound = soundfile.SoundFile(descriptor, closefd=False)
    except soundfile.LibsndfileError as error:
        os.close(descriptor)
        raise RuntimeError("not readable as audio") from error
    except BaseException:
        os.close(descriptor)
        raise
    kind = TYPES.get(sound.format)
    if kind and (sound.format != "WAV" or sound.subtype in PLAIN):
        sound.close()
        return AsItIs(descriptor, kind)
    return AsWav(descriptor, sound)


def parse_range(header: str, size: int) -> tuple[int, int]:
    """The first byte that a Range header asks for, and behind the last. Refused with 416 for no range."""
    parts = RANGE.fullmatch(header.strip())
    if parts and (parts[1] or parts[2]):
        if parts[1]:
            start, end = int(parts[1]), min(int(parts[2]) + 1 if parts[2] else size, size)
        else:
            start, end = max(size - int(parts[2]), 0), size
        if start < end:
            return start, end
    raise refusal(416, "a range must be one, within the recording", content_range=f"bytes */{size}")


class SoundResponse(StreamingResponse):
    """A sound's bytes from one place to another; it is closed whatever happens."""

    def __init__(
        self, sound: Sound, start: int, end: int, status: int, headers: dict[str, str], *, empty: bool
    ) -> None:
        self._sound = sound
        super().__init__(_bytes_of(sound, start, start if empty else end), status, headers, sound.type)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._sound.close()


async def _bytes_of(sound: Sound, start: int, end: int) -> AsyncIterator[bytes]:
    while start < end:
        piece = await run_in_threadpool(sound.read, start, min(SENT_BYTES, end - start))
        if not piece:  # cut short meanwhile: the connection ends, and the client sees that
            raise RuntimeError("a recording was cut short while it was sent")
        start += len(piece)
        yield piece


def send_sound(sound: Sound, tag: str, method: str, asked: str | None, if_range: str | None) -> Response:
    """A sound, or the part of it that a Range header asks for. Refused with 416."""
    headers = {"accept-ranges": "bytes", "etag": f'"{tag}"', "cache-control": "private, max-age=600"}
    start, end, status = 0, sound.size, 200
    try:
        if asked is not None and if_range in (None, headers["etag"]):
            (start, end), status = parse_range(asked, sound.size), 206
            headers["content-range"] = f"bytes {start}-{end - 1}/{sound.size}"
        headers["content-length"] = str(end - start)
        return SoundResponse(sound, start, end, status, headers, empty=method == "HEAD")
    except BaseException:
        sound.close()
        raise


def peaks(file: Path, start: float, end: float, count: int = WAVEFORM_PEAKS) -> list[float]:
    """How far a recording goes from zero, 0..1 of full scale, in so many equal parts of a stretch of seconds."""
    with soundfile.SoundFile(file) as sound:
        rate = sound.samplerate
        first = min(round(start * rate), sound.frames)
        length = max(1, min(round(end * rate), sound.frames) - first)
        found, at = np.zeros(count, np.float32), 0
        sound.seek(first)
        block = max(1, (1 << 18) // sound.channels)
        while at < length:
            samples = sound.read(min(block, length - at), dtype="float32", always_2d=True)
            if not len(samples):
                break
            loud = np.nan_to_num(np.abs(samples).max(axis=1), nan=0.0, posinf=1.0)
            np.maximum.at(found, np.arange(at, at + len(loud)) * count // length, loud)
            at += len(loud)
    return [round(float(value), 3) for value in np.minimum(found, 1)]
