"""Progress in a log: counts, shares and rates, by the items or by what they take."""

from __future__ import annotations

import io
import re
import sys

import pytest

from pipeline.support import progress
from pipeline.support.progress import Progress


@pytest.fixture
def lines(monkeypatch, capsys):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    return lambda: capsys.readouterr().err.splitlines()


def test_lines_give_count_share_rate_and_remaining_time(lines):
    with Progress("speech", 4, "clips") as shown:
        shown.advance()
        shown.advance(3)
    first, last = lines()
    assert re.fullmatch(r"speech: 1/4 clips \(25%\), [\d.]+ clips/s, 0:00:00 left", first)
    assert re.fullmatch(r"speech: 4/4 clips \(100%\), [\d.]+ clips/s, done", last)


def test_the_share_goes_by_the_work_where_it_is_given(lines):
    with Progress("speech", 2, "clips", work=10.0) as shown:
        shown.advance(work=9.0)
    assert lines()[0].startswith("speech: 1/2 clips (90%), ")


def test_what_stops_early_says_so(lines):
    with pytest.raises(KeyboardInterrupt), Progress("speech", 2, "clips"):
        raise KeyboardInterrupt
    assert lines()[-1].endswith("clips/s, stopped")


def test_nothing_to_do_says_nothing(lines):
    with Progress("speech", 0, "clips", work=0.0):
        pass
    assert lines() == []


def test_where_quiet_is_asked_for_nothing_is_said(lines, monkeypatch):
    monkeypatch.setenv("ERCLAP_QUIET", "1")
    with Progress("speech", 4, "clips") as shown:
        shown.advance()
    assert lines() == []


def test_a_terminal_gets_a_bar(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with Progress("speech", 4, "clips", work=8.0) as shown:
        shown.advance(3, work=7.0)
        shown.advance(1, work=1.0)
    assert "100%" in terminal.getvalue()
    assert "4/4 clips" in terminal.getvalue()
