"""An unchanged file is not read again, and a memory that fails is never more than a warning."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.corpora import inspected, looking
from pipeline.corpora.inspection import inspect
from pipeline.manifest import Utterance
from tests.corpora.conftest import LONG_AGO


@pytest.fixture
def corpus(old_root: Path) -> tuple[Path, list[Utterance]]:
    """Twenty clips, the last of which is no audio, all written long ago."""
    return old_root, [Utterance(f"{i:02d}", f"{i:02d}.wav", "train", 4.0, 3.0) for i in range(20)]


def test_nothing_is_read_twice_and_the_manifest_is_the_same(tmp_path, corpus, looked_at):
    root, rows = corpus
    memory = tmp_path / "cache" / "memory.sqlite"
    afresh, rejects, _ = inspect(rows, root)
    first, _, _ = inspect(rows, root, memory=memory)
    looked_at.clear()
    second, rejects_again, _ = inspect(rows, root, memory=memory)
    assert looked_at == []
    assert first.table.equals(afresh.table)
    assert second.table.equals(afresh.table)
    assert rejects_again == rejects
    assert [reject.id for reject in rejects] == ["19"]


def test_what_changed_is_read_again(tmp_path, corpus, looked_at, write_audio):
    root, rows = corpus
    memory = tmp_path / "memory.sqlite"
    inspect(rows, root, memory=memory)
    looked_at.clear()
    write_audio(root / "03.wav", 0.2, seed=99)  # another size
    os.utime(root / "03.wav", (LONG_AGO, LONG_AGO))
    write_audio(root / "04.wav", 0.1, seed=99)  # the same size
    write_audio(root / "19.wav", 0.1, seed=99)
    os.utime(root / "05.wav", ns=(0, LONG_AGO * 10**9 + 1))
    manifest, rejects, _ = inspect(rows, root, memory=memory)
    assert sorted(looked_at) == ["03.wav", "04.wav", "05.wav", "19.wav"]
    assert rejects == []
    assert manifest.table.equals(inspect(rows, root)[0].table)


def test_a_file_replaced_with_its_size_and_time_is_read_again(tmp_path, corpus, looked_at, write_audio):
    root, rows = corpus
    memory = tmp_path / "memory.sqlite"
    before, _, _ = inspect(rows, root, memory=memory)
    looked_at.clear()
    write_audio(root / "03.wav", 0.1, seed=99)
    write_audio(tmp_path / "other.wav", 0.1, seed=98).replace(root / "04.wav")
    for name in ("03.wav", "04.wav"):
        os.utime(root / name, (LONG_AGO, LONG_AGO))
    after, _, _ = inspect(rows, root, memory=memory)
    assert sorted(looked_at) == ["03.wav", "04.wav"]
    changed = np.flatnonzero(np.not_equal(before.strings("sha256"), after.strings("sha256")))
    assert changed.tolist() == [3, 4]
    looked_at.clear()
    assert inspect(rows, root, memory=memory)[0].table.equals(after.table)
    assert looked_at == []


def test_what_the_checks_depend_on_is_part_of_the_memory(tmp_path, corpus, looked_at, monkeypatch):
    root, rows = corpus
    memory = tmp_path / "memory.sqlite"
    inspect(rows, root, memory=memory)
    looked_at.clear()
    inspect(rows, root, memory=memory, heard_seconds=0.05)
    assert len(looked_at) == 20
    monkeypatch.setattr(inspected, "CHECKS", "another")
    inspect(rows, root, memory=memory, heard_seconds=0.05)
    assert len(looked_at) == 40


def test_a_file_written_just_now_is_not_remembered(tmp_path, corpus, looked_at):
    root, rows = corpus
    memory = tmp_path / "memory.sqlite"
    os.utime(root / "07.wav")
    os.utime(root / "08.wav", (time.time() + 1e6,) * 2)
    inspect(rows, root, memory=memory)
    looked_at.clear()
    inspect(rows, root, memory=memory)
    assert sorted(looked_at) == ["07.wav", "08.wav"]


def test_what_may_pass_is_not_remembered(tmp_path, corpus, looked_at, monkeypatch):
    root, rows = corpus
    memory = tmp_path / "memory.sqlite"
    (root / "02.wav").rename(root / "away")

    def refuse(file: Path, *how: object) -> int:
        if Path(file).name == "01.wav":
            raise PermissionError(13, "Permission denied")
        return os_open(file, *how)

    os_open = os.open
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        _, rejects, _ = inspect(rows, root, memory=memory)
    assert [reject.reason for reject in rejects[:2]] == ["not readable (Permission denied)", "no such file"]
    (root / "away").rename(root / "02.wav")
    looked_at.clear()
    manifest, _, _ = inspect(rows, root, memory=memory)
    assert sorted(looked_at) == ["01.wav", "02.wav"]
    assert len(manifest) == 19


@pytest.mark.parametrize("harm", ["damaged", "cut", "locked", "folder", "nonsense", "foreign"])
def test_a_memory_that_fails_costs_a_warning_and_nothing_else(
    tmp_path, corpus, looked_at, monkeypatch, capsys, harm
):
    monkeypatch.setattr(inspected, "SECONDS_TO_WAIT", 0.05)
    root, rows = corpus
    memory = tmp_path / "memory.sqlite"
    wanted, _, _ = inspect(rows, root, memory=memory)
    other = sqlite3.connect(memory)
    if harm == "damaged":
        data = bytearray(memory.read_bytes())
        data[100:] = b"\xff" * (len(data) - 100)
        memory.write_bytes(data)
    elif harm == "cut":
        memory.write_bytes(memory.read_bytes()[:5000])
    elif harm == "locked":
        other.execute("BEGIN EXCLUSIVE")
    elif harm == "folder":
        memory.unlink()
        memory.mkdir()
    elif harm == "nonsense":
        other.execute("UPDATE clips SET sha256 = 7, duration = 'long' WHERE reason IS NULL")
        other.commit()
    elif harm == "foreign":
        other.execute("ALTER TABLE clips RENAME COLUMN sha256 TO md5")
    capsys.readouterr()
    looked_at.clear()
    manifest, _, _ = inspect(rows, root, memory=memory)
    other.close()
    assert manifest.table.equals(wanted.table)
    assert len(looked_at) >= 19
    warnings = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning")]
    assert len(warnings) == (0 if harm == "nonsense" else 1)
    assert all(str(memory) in line for line in warnings)


@pytest.mark.parametrize(
    "nonsense",
    [
        "sampling_rate = 9999999999",
        "sampling_rate = -1",
        "channels = 0",
        "channels = 9999999999",
        "duration = 9e999",
        "duration = -1.0",
        "sha256 = replace(hex(zeroblob(32)), '0', 'é')",
    ],
)
def test_a_remembered_row_that_no_file_can_have_is_as_if_absent(
    tmp_path, corpus, looked_at, capsys, nonsense
):
    root, rows = corpus
    memory = tmp_path / "memory.sqlite"
    wanted, _, _ = inspect(rows, root, memory=memory)
    with sqlite3.connect(memory) as other:
        other.execute(f"UPDATE clips SET {nonsense} WHERE file LIKE '%/07.wav'")
    other.close()
    looked_at.clear()
    assert inspect(rows, root, memory=memory)[0].table.equals(wanted.table)
    assert looked_at == ["07.wav"]
    assert "warning" not in capsys.readouterr().err


def test_a_memory_that_can_only_be_read_is_used_and_said_to_keep_nothing_new(
    tmp_path, corpus, looked_at, capsys, monkeypatch
):
    root, rows = corpus
    memory = tmp_path / "memory.sqlite"
    inspect(rows[:15], root, memory=memory)
    connect = sqlite3.connect
    looked_at.clear()
    capsys.readouterr()
    with monkeypatch.context() as patch:
        patch.setattr(
            sqlite3, "connect", lambda path, **how: connect(f"file:{path}?mode=ro", uri=True, **how)
        )
        patch.setattr(inspected, "SECONDS_BETWEEN_WRITES", 0.0)
        manifest, _, _ = inspect(rows, root, memory=memory)
    assert len(manifest) == 19
    assert len(looked_at) == 5
    (warning,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning")]
    assert (
        "cannot be written (attempt to write a readonly database), so what is found from here on" in warning
    )
    looked_at.clear()
    inspect(rows, root, memory=memory)
    assert len(looked_at) == 5


def test_a_memory_that_cannot_be_written_any_more_costs_a_warning(tmp_path, corpus, capsys, monkeypatch):
    root, rows = corpus
    memory = tmp_path / "memory.sqlite"
    inspect(rows[:5], root, memory=memory)
    real = looking.inspect_clip

    def drop_and_look(file: Path, heard_seconds: float) -> object:
        other = sqlite3.connect(memory)
        other.execute("DROP TABLE IF EXISTS clips")
        other.close()
        return real(file, heard_seconds)

    monkeypatch.setattr(looking, "inspect_clip", drop_and_look)
    manifest, _, _ = inspect(rows, root, memory=memory)
    assert len(manifest) == 19
    assert "no such table: clips" in capsys.readouterr().err


PROGRAM = """
import sys, time
from pathlib import Path
from pipeline.corpora import inspected, inspection, looking
from pipeline.manifest import Utterance
root, memory, log, pause = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), float(sys.argv[4])
inspected.SECONDS_BETWEEN_WRITES = 0.02
real = looking.inspect_clip
def look(file, heard_seconds):
    with log.open("a") as lines:
        lines.write(file.name + "\\n")
    time.sleep(pause)
    return real(file, heard_seconds)
looking.inspect_clip = look
rows = [Utterance(f.name, f.name, "train", 4.0, 3.0) for f in sorted(root.iterdir())]
manifest, rejects, _ = inspection.inspect(rows, root, memory=memory)
assert (len(manifest), len(rejects)) == (len(rows), 0)
"""


@pytest.fixture
def many(tmp_path: Path, write_audio: Callable[..., Path]) -> Path:
    """A corpus of 400 files written long ago."""
    root = tmp_path / "many"
    one = write_audio(root / "000.wav", 0.05)
    os.utime(one, (LONG_AGO, LONG_AGO))
    for i in range(1, 400):
        shutil.copy2(one, root / f"{i:03d}.wav")
    return root


def start(root: Path, memory: Path, log: Path, pause: float) -> subprocess.Popen[bytes]:
    log.touch()
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(root), str(memory), str(log), str(pause)], stderr=subprocess.PIPE
    )


def test_a_run_that_was_killed_goes_on_where_it_was(tmp_path, many):
    memory, log = tmp_path / "memory.sqlite", tmp_path / "log"
    process = start(many, memory, log, 0.005)
    while len(log.read_text().splitlines()) < 250:
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    read = len(log.read_text().splitlines())
    log.unlink()
    process = start(many, memory, log, 0.0)
    _, said = process.communicate()
    assert process.returncode == 0, said
    again = len(log.read_text().splitlines()) - (400 - read)
    # What was under way or waiting: two threads, five batches.
    assert 0 <= again <= 5 * looking.FILES_AT_ONCE + 40
    assert b"warning" not in said


def test_two_runs_at_once_do_not_hurt_each_other(tmp_path, many):
    memory = tmp_path / "memory.sqlite"
    logs = [tmp_path / "one", tmp_path / "other"]
    processes = [start(many, memory, log, 0.001) for log in logs]
    for process in processes:
        _, said = process.communicate()
        assert process.returncode == 0, said
        assert b"warning" not in said
    third = start(many, memory, tmp_path / "third", 0.0)
    assert b"warning" not in third.communicate()[1]
    assert (tmp_path / "third").read_text() == ""
