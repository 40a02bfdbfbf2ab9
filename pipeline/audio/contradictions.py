"""What a file's header says in two places, and differently: its rate, or how many samples it holds."""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from typing import Literal

from pipeline.audio.chunks import BROKEN, SEVERAL, STREAMED, Chunk, chunks, is_name, layout_of

DESCRIPTIONS, SAMPLES = (b"fmt ", b"COMM", b"desc"), (b"data", b"SSND")

PLAIN = {1, 3, 6, 7}
"""A wav's formats whose samples each take the same bytes: PCM, float, A-law and µ-law."""

EXTENSIBLE = 0xFFFE

PLAIN_AIFF = {b"NONE", b"sowt", b"twos", b"raw ", b"in24", b"in32", b"fl32", b"FL32", b"fl64", b"FL64"}

LEFT_OUT = 0.1
"""A share of the bytes of its samples; a file may have so much after them that is no chunk, such as a tag."""


def contradiction(descriptor: int) -> str | None:
    """Why what an open file says of its samples cannot be true; None where it may be, or says it once."""
    head = os.pread(descriptor, 40, 0)
    if head[:4] == b".snd":
        return _left_out(descriptor, _of_au(head), [])
    layout = layout_of(head)
    if layout is None:
        return None
    description, samples, frames = None, None, None
    there = list(chunks(descriptor))
    for chunk in there:
        if samples is not None and chunk.name in (*SAMPLES, head[:4]):
            return SEVERAL
        if chunk.name in SAMPLES:
            samples = chunk
        elif chunk.name in DESCRIPTIONS and description is None:
            description = os.pread(descriptor, min(chunk.size, 64), chunk.at)
            why, frames = _described(chunk.name, description, layout.order)
            if why:
                return f"{BROKEN}: {why}"
    if samples is None:
        return None
    if frames is not None and samples.name == b"SSND":
        room = samples.size - 8 - int.from_bytes(os.pread(descriptor, 4, samples.at), "big")
        if abs(room - frames) > 1:
            return f"{BROKEN}: samples of {frames} bytes, in a chunk of {room}"
    return _left_out(descriptor, samples, there)


def _described(name: bytes, found: bytes, order: Literal["little", "big"]) -> tuple[str | None, int | None]:
    """What is wrong with a description, and how many bytes the samples take where it says so."""
    sign = "<" if order == "little" else ">"
    if name == b"fmt " and len(found) >= 16:
        tag, channels, rate, bytes_a_second, block, bits = struct.unpack(f"{sign}HHIIHH", found[:16])
        if tag == EXTENSIBLE and len(found) >= 26:
            tag = int.from_bytes(found[24:26], order)
        if tag not in PLAIN:
            return None, None
        if block != channels * -(-bits // 8):
            return f"{channels} channels of {bits} bits, in blocks of {block} bytes", None
        if bytes_a_second != rate * block:
            return f"{rate} blocks of {block} bytes a second, and {bytes_a_second} bytes a second", None
    if name == b"COMM" and len(found) >= 18:
        channels, frames, bits = struct.unpack(">hIh", found[:8])
        if len(found) < 22 or found[18:22] in PLAIN_AIFF:
            return None, channels * frames * -(-bits // 8)
    if name == b"desc" and len(found) >= 32 and found[8:12] == b"lpcm":
        a_packet, frames, channels, bits = struct.unpack(">IIII", found[16:32])
        if a_packet != frames * channels * -(-bits // 8):
            return f"{channels} channels of {bits} bits, in blocks of {a_packet} bytes", None
    return None, None


def _of_au(head: bytes) -> Chunk:
    return Chunk(b".snd", int.from_bytes(head[4:8], "big"), int.from_bytes(head[8:12], "big"))


def _left_out(descriptor: int, samples: Chunk, there: Sequence[Chunk]) -> str | None:
    """Whether much follows the samples that is none of the chunks: then they are more than their chunk says."""
    end = os.fstat(descriptor).st_size
    if not 0 < samples.size < STREAMED:
        return None
    if samples.end > end + 1:
        return f"truncated: its samples take {samples.size} bytes by its header, {end - samples.at} are there"
    covered = samples.end
    for chunk in there:
        if chunk.at > samples.end and chunk.end <= end + 1 and is_name(chunk.name):
            covered += chunk.size
    rest = end - covered
    if rest <= max(LEFT_OUT * samples.size, 512):
        return None
    return f"{BROKEN}: its samples take {samples.size} bytes, and {rest} follow that are none by it"
