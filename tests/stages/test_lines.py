"""Times and names in lines of a terminal: what they say, and never wider than they may be."""

from __future__ import annotations

import doctest

import pytest

from stages import lines
from stages.lines import clock, narrowed, padded


def test_the_examples_hold():
    assert doctest.testmod(lines).failed == 0


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0:00.0"), (59.96, "1:00.0"), (3599.97, "1:00:00.0"), (36_000.5, "10:00:00.5")]
)
def test_a_time_is_rounded_as_a_whole(seconds, shown):
    assert clock(seconds) == shown


@pytest.mark.parametrize(
    "name",
    [
        "a.wav",
        "x" * 200 + ".wav",
        "話し声/とても長い名前のファイル.wav",
        "e\u0301" * 50 + ".wav",
        "\x1b[31m" * 30,
        "",
    ],
)
def test_a_name_fits_its_columns_and_keeps_its_end(name):
    for columns in (12, 20, 33):
        shortened = narrowed(name, columns)
        assert lines._columns(shortened) <= columns
        assert lines._columns(padded(shortened, columns)) == columns
        assert "\x1b" not in shortened
        assert not name.endswith(".wav") or shortened.endswith(".wav")
