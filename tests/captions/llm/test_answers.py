"""Answers that are kept: whole after any kill, the same in any order, and judged anew when they are imported."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from pipeline.captions.llm.answers import Answers, answers_folder, read_answers, writing_answers
from pipeline.captions.llm.requests import Key
from pipeline.captions.llm.table import ANSWERS_SCHEMA, Answer, read_table
from pipeline.support.files import write_parquet

GOOD = "The person is speaking in a soft voice, with joy in the tone."


def answer(draw: int = 0, date: str = "2026-01-01", raw: str = GOOD, problem: str | None = None) -> Answer:
    return Answer("m", "h", "va", "4 4", draw, None if problem else raw, problem, raw, date, 70, 30)


KEY = answer().key


def write(folder: Path, *rows: Answer) -> None:
    with writing_answers(folder) as answers:
        for row in rows:
            answers.add(row)


def test_what_is_added_is_read_while_the_writer_is_at_work_and_after(tmp_path):
    with writing_answers(tmp_path) as answers:
        answers.add(answer(0))
        assert list(read_answers(tmp_path)) == [answer(0)]
        answers.add(answer(1))
        assert list(read_answers(tmp_path)) == [answer(0), answer(1)]
    assert (tmp_path / "journal.jsonl").read_bytes() == b""
    assert read_table(tmp_path / "answers.parquet") == [answer(0), answer(1)]


@pytest.mark.parametrize("kept", [1, 20, -2, -1])
def test_a_line_torn_by_a_kill_is_left_out_and_spoils_no_other(tmp_path, kept, capsys):
    write(tmp_path / "other", answer(0))
    whole = (tmp_path / "other/answers.parquet").read_bytes()
    tmp_path.joinpath("answers.parquet").write_bytes(whole)
    journal = tmp_path / "journal.jsonl"
    with writing_answers(tmp_path / "third") as answers:
        answers.add(answer(1))
        answers.add(answer(2))
        lines = (tmp_path / "third/journal.jsonl").read_bytes().splitlines(keepends=True)
    torn = lines[1][:kept]
    journal.write_bytes(lines[0] + torn)
    assert list(read_answers(tmp_path)) == [answer(0), answer(1)]
    write(tmp_path, answer(3))
    expected = [answer(0), answer(1), answer(3)]
    if kept == -1:  # only the end of the line was missing
        expected.insert(2, answer(2))
    assert read_table(tmp_path / "answers.parquet") == expected
    assert ("is torn" in capsys.readouterr().err) == (kept != -1)


@contextmanager
def full_disk(file: Path, left: int) -> Iterator[None]:
    """A disk with so many bytes left for this file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size + left, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_an_error_and_tears_no_line(tmp_path):
    with writing_answers(tmp_path) as answers:
        answers.add(answer(0))
        with full_disk(tmp_path / "journal.jsonl", left=100), pytest.raises(OSError, match="too large"):
            answers.add(answer(1))
        answers.add(answer(2))
        assert list(read_answers(tmp_path)) == [answer(0), answer(2)]
    assert read_table(tmp_path / "answers.parquet") == [answer(0), answer(2)]


@pytest.mark.parametrize(
    "damage",
    [b"{}", b"[1]", b"\x00\xff", b'{"draw": 0}', b"null"],
    ids=["empty", "list", "bytes", "part", "null"],
)
def test_a_damaged_line_is_named_and_spoils_no_other(tmp_path, damage, capsys):
    with writing_answers(tmp_path) as answers:
        answers.add(answer(0))
        whole = (tmp_path / "journal.jsonl").read_bytes()
    (tmp_path / "journal.jsonl").write_bytes(damage + b"\n" + whole.replace(b": 70", b': "many"') + whole)
    write(tmp_path, answer(1))
    err = capsys.readouterr().err
    assert err.count("or damaged; it is not used") == 2
    assert "line 1 of" in err
    assert "line 2 of" in err
    assert read_table(tmp_path / "answers.parquet") == [answer(0), answer(1)]


ROWS = [
    answer(d, date, raw) for d in (0, 1) for date in "abc" for raw in (GOOD, GOOD.replace("soft", "loud"))
]


@given(st.permutations(ROWS), st.integers(1, len(ROWS)))
def test_the_earliest_good_answer_counts_in_whatever_order_they_come(rows, count):
    first, both = Answers(rows[:count]), Answers([*rows[count:], *rows])
    assert both.table().equals(Answers(ROWS).table())
    assert both.text(KEY) == min((r for r in ROWS if r.key == KEY), key=lambda r: (r.date, r.raw)).answer
    assert len(first) == count


def test_answers_that_are_no_captions_are_counted_and_not_used():
    answers = Answers([answer(problem="empty", raw=""), answer(1)])
    assert answers.text(KEY) is None
    assert [row.problem for row in answers.problems(KEY)] == ["empty"]
    assert answers.text(Key("m", "h", "va", "4 4", 1)) == GOOD


def test_what_is_imported_is_judged_anew(tmp_path):
    claimed = replace(answer(0, raw="It is 7."), answer="It is 7.", problem=None)
    cut = answer(1, problem="the answer was cut off: raise caption.llm.max_tokens")
    with writing_answers(tmp_path) as answers:
        assert answers.merge([claimed, cut, answer(2), answer(2)]) == 3
    kept = read_answers(tmp_path)
    assert kept.text(claimed.key) is None
    assert kept.text(cut.key) is None
    assert kept.text(answer(2).key) == GOOD


def test_an_answer_of_an_unknown_kind_is_refused(tmp_path):
    write_parquet(Answers([replace(answer(), kind="x")]).table(), tmp_path / "theirs.parquet")
    with (
        writing_answers(tmp_path / "ours") as answers,
        pytest.raises(
            RuntimeError, match="must be for one of va, clap4emo, plane, voc, aoc, found 'x' for '4 4'"
        ),
    ):
        answers.merge(read_table(tmp_path / "theirs.parquet"))


def test_a_damaged_table_is_an_error_and_stays(tmp_path):
    (tmp_path / "answers.parquet").write_bytes(b"PAR1 not")
    with pytest.raises(
        RuntimeError, match=r"answers\.parquet must be a table of answers, found another or a"
    ):
        write(tmp_path, answer())
    assert (tmp_path / "answers.parquet").read_bytes() == b"PAR1 not"


def test_the_folder_may_be_a_teams(monkeypatch):
    monkeypatch.setenv("ERCLAP_ANSWERS", "/shared/answers")
    assert answers_folder() == Path("/shared/answers")
    monkeypatch.delenv("ERCLAP_ANSWERS")
    assert answers_folder() == Path("cache/answers")


def test_a_row_says_model_prompt_and_date_and_only_its_answer_may_be_missing():
    optional = {"answer", "problem", "input_tokens", "output_tokens"}
    assert {field.name for field in ANSWERS_SCHEMA if field.nullable} == optional
    assert {"model", "prompt_hash", "cell", "draw", "raw", "date"} <= set(ANSWERS_SCHEMA.names)
