"""Recordings at random: each is heard whole, or refused with one line."""

from __future__ import annotations

import os
import random

import pytest

from pipeline.audio import AudioError, inspect_clip
from tests.audio.fuzzing import damaged, recording

CROP = 10.0
COUNT, SEED = (
    int(os.environ.get(f"FUZZED_{name}", given)) for name, given in (("RECORDINGS", 60), ("SEED", 0))
)

TWO_FRAMES = 0.15
"""Seconds, of an mp3 of 8 kHz."""


def outcome(file, data: bytes) -> float | None:
    """How many seconds are heard of a file of these bytes, or None where it is refused."""
    file.write_bytes(data)
    try:
        return inspect_clip(file, CROP).duration
    except AudioError as error:
        told = str(error)
    assert "\n" not in told
    assert len(told) < 400
    return None


def test_a_whole_recording_is_heard_whole(tmp_path):
    dice = random.Random(SEED)
    for _ in range(COUNT):
        kind, data = recording(dice)
        assert outcome(tmp_path / "clip", data), kind


@pytest.mark.parametrize("seed", [2 * SEED, 2 * SEED + 1])
def test_a_damaged_recording_is_refused_or_as_long_as_it_was(tmp_path, seed):
    """But for bytes that were cut out or a rate that was written over, which only a careful decoder can tell."""
    dice, refused = random.Random(seed), 0
    for _ in range(COUNT):
        name, whole, data = damaged(dice)
        heard = outcome(tmp_path / "clip", data)
        refused += heard is None
        expected = outcome(tmp_path / "clip", whole)
        if heard is not None and name.endswith(("overwritten", "doubled", "inserted", "joined", " flipped")):
            assert heard > 0.9 * expected - TWO_FRAMES, name
    assert 0.25 < refused / COUNT < 0.85
