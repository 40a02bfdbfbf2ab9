"""An inspection in parts comes to what one of everything does, and nothing is looked at twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.corpora import found_by_parts, inspected, looking
from pipeline.corpora.found_by_parts import FoundByPart
from pipeline.corpora.inspection import PartInspection, inspect, inspect_part
from pipeline.manifest import Utterance
from pipeline.support import Part

PARTS = [Part(number, 3) for number in (1, 2, 3)]


@pytest.fixture
def corpus(old_root: Path) -> tuple[Path, list[Utterance]]:
    """Twenty clips written long ago, one named twice and one no audio, and a row whose file is not there."""
    names = [f"{i:02d}.wav" for i in range(20)]
    rows = [
        Utterance(str(i), name, "train", 4.0, 3.0) for i, name in enumerate([*names, "03.wav", "gone.wav"])
    ]
    return old_root, rows


def look(corpus: tuple[Path, list[Utterance]], part: Part, left: Path) -> PartInspection:
    root, rows = corpus
    return inspect_part(rows, root, part, left, heard_seconds=10.0, workers=2, patience=60.0)


def test_parts_and_a_last_inspection_come_to_what_one_does_and_read_each_file_once(
    tmp_path, corpus, looked_at
):
    root, rows = corpus
    whole = inspect(rows, root)
    looked_at.clear()
    done = [look(corpus, part, tmp_path / "left") for part in PARTS]
    assert sum(part.clips for part in done) == len(rows)
    assert sorted(reject.path for part in done for reject in part.rejects) == ["19.wav", "gone.wav"]
    assert sorted(path.name for path in (tmp_path / "left").iterdir()) == [
        f"{i}-of-3.parquet" for i in (1, 2, 3)
    ]
    last = inspect(rows, root, memory=tmp_path / "memory.sqlite", parts=tmp_path / "left")
    assert last.manifest.table.equals(whole.manifest.table)
    assert last.rejects == whole.rejects
    # What may pass, such as a file that is not there, is looked at again.
    assert sorted(looked_at) == sorted([f"{i:02d}.wav" for i in range(20)] + ["gone.wav"] * 2)
    assert list((tmp_path / "left").iterdir()) == []
    looked_at.clear()
    inspect(rows, root, memory=tmp_path / "memory.sqlite", parts=tmp_path / "left")
    assert looked_at == ["gone.wav"]


def test_what_is_missing_of_the_parts_is_looked_at_by_the_last(tmp_path, corpus, looked_at):
    root, rows = corpus
    look(corpus, PARTS[1], tmp_path / "left")
    once = len(looked_at)
    last = inspect(rows, root, memory=tmp_path / "memory.sqlite", parts=tmp_path / "left")
    assert 0 < once < 20
    assert len([name for name in looked_at if name != "gone.wav"]) == 20
    assert last.manifest.table.equals(inspect(rows, root)[0].table)


def test_a_part_that_was_killed_goes_on_where_it_was(tmp_path, corpus, looked_at, monkeypatch):
    monkeypatch.setattr(found_by_parts, "SECONDS_BETWEEN_WRITES", 0.0)
    monkeypatch.setattr(looking, "FILES_AT_ONCE", 1)

    def interrupt(progress: looking.Progress, count: int = 1) -> None:
        progress.done += count
        if progress.done == 7:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(looking.Progress, "advance", interrupt)
        patch.setattr(FoundByPart, "__exit__", lambda *_: None)  # which a kill leaves no time for
        with pytest.raises(KeyboardInterrupt):
            look(corpus, Part(1, 1), tmp_path / "left")
    looked_at.clear()
    done = look(corpus, Part(1, 1), tmp_path / "left")
    assert (done.clips, len(done.rejects)) == (22, 2)
    assert len(looked_at) == 21 - 7


def test_a_file_that_changed_is_looked_at_again(tmp_path, corpus, looked_at, write_audio):
    root, rows = corpus
    for part in PARTS:
        look(corpus, part, tmp_path / "left")
    looked_at.clear()
    write_audio(root / "03.wav", 0.2, seed=99)
    last = inspect(rows, root, memory=tmp_path / "memory.sqlite", parts=tmp_path / "left")
    assert sorted(looked_at) == ["03.wav", "gone.wav"]
    assert last.manifest.table.equals(inspect(rows, root)[0].table)


@pytest.mark.parametrize("what", ["checks", "heard"])
def test_what_earlier_checks_found_counts_for_nothing(tmp_path, corpus, looked_at, monkeypatch, what):
    root, rows = corpus
    for part in PARTS:
        look(corpus, part, tmp_path / "left")
    looked_at.clear()
    if what == "checks":
        for module in (inspected, found_by_parts):
            monkeypatch.setattr(module, "CHECKS", "another")
    inspect(rows, root, parts=tmp_path / "left", heard_seconds=10.0 if what == "checks" else 0.05)
    assert len(looked_at) == 21


def test_a_damaged_file_of_a_part_is_named_and_its_clips_looked_at_anew(tmp_path, corpus, looked_at, capsys):
    root, rows = corpus
    for part in PARTS:
        look(corpus, part, tmp_path / "left")
    looked_at.clear()
    (tmp_path / "left/2-of-3.parquet").write_bytes(b"PAR1")
    last = inspect(rows, root, memory=tmp_path / "memory.sqlite", parts=tmp_path / "left")
    assert last.manifest.table.equals(inspect(rows, root)[0].table)
    assert "2-of-3.parquet must be a whole parquet file" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "left").iterdir()] == ["2-of-3.parquet"]


def test_where_there_is_no_memory_what_parts_left_is_used_and_stays(tmp_path, corpus, looked_at, capsys):
    root, rows = corpus
    for part in PARTS:
        look(corpus, part, tmp_path / "left")
    looked_at.clear()
    (tmp_path / "memory.sqlite").write_text("no database, however long it is looked at" * 100)
    inspect(rows, root, memory=tmp_path / "memory.sqlite", parts=tmp_path / "left")
    assert looked_at == ["gone.wav"]
    assert len(list((tmp_path / "left").iterdir())) == 3


def test_a_part_whose_work_cannot_be_left_anywhere_fails(tmp_path, corpus):
    (tmp_path / "left").write_text("a file where the folder should be")
    with pytest.raises(OSError, match="left"):
        look(corpus, PARTS[0], tmp_path / "left")
