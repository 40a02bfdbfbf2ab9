"""Every clip is measured once, wherever its file is known; what is kept survives kills, damage and company."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.audio.reading import read_waveform
from pipeline.captions import measuring
from pipeline.captions.acoustics import Acoustics, measure
from pipeline.captions.measuring import keep_memory, measure_clips
from pipeline.corpora.inspection import inspect
from pipeline.manifest import Manifest, Utterance
from tests.captions.odd_measures import odd

MANY = 80  # tasks for every process, and time to kill them in

CLIPS = 16


@pytest.fixture
def corpus(tmp_path: Path, write_audio: Callable[..., Path]) -> tuple[Path, Manifest]:
    """Clips of noise, the last of which two utterances name."""
    root = tmp_path / "corpus"
    for i in range(CLIPS):
        write_audio(root / f"{i:02d}.wav", 0.1 + 0.01 * i, seed=i)
    names = [f"{i:02d}" for i in range(CLIPS)]
    rows = [Utterance(name, f"{name}.wav", "train", 4.0, 3.0) for name in names]
    return root, inspect([*rows, Utterance("again", "15.wav", "test1", 5.0, 5.0)], root)[0]


@pytest.fixture
def measures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Acoustics]]:
    """`measure_clips` with a memory of the test's own; `measures.asked` is how many clips it read each time."""
    asked: list[int] = []
    real = measuring._measure_missing

    def counted(missing, *arguments):
        asked.append(len(missing))
        return real(missing, *arguments)

    monkeypatch.setattr(measuring, "_measure_missing", counted)

    @contextmanager
    def in_this_process(function, seconds):
        yield function

    def run(
        manifest: Manifest,
        root: Path,
        seconds: float = 10.0,
        *,
        processes: bool = False,
        patience: float = 60.0,
    ) -> dict[str, Acoustics]:
        if not processes:
            monkeypatch.setattr(measuring, "Killable", in_this_process)
        return measure_clips(
            manifest,
            root,
            seconds,
            patience=patience,
            memory=tmp_path / "cache/acoustics.parquet",
            listing=tmp_path / "cache/unmeasured.csv",
        )

    run.asked = asked
    return run


def same(first: dict[str, Acoustics], second: dict[str, Acoustics]) -> bool:
    return first.keys() == second.keys() and all(
        np.array_equal(first[name], second[name], equal_nan=True) for name in first
    )


def test_every_utterance_has_the_measures_of_its_clip(corpus, measures):
    root, manifest = corpus
    found = measures(manifest, root)
    paths = dict(zip(manifest.strings("id"), manifest.strings("path"), strict=True))
    assert same(found, {name: measure(read_waveform(root / path, 10.0)) for name, path in paths.items()})
    assert measures.asked == [CLIPS]


def test_only_what_the_encoder_hears_is_measured(corpus, measures):
    root, manifest = corpus
    assert {clip.duration for clip in measures(manifest, root, 0.05).values()} == {0.05}
    assert measures(manifest, root, 10.0)["15"].duration == pytest.approx(0.25)
    assert measures.asked == [CLIPS, CLIPS]  # what was heard is part of what is known


def test_a_second_run_reads_nothing_and_needs_no_audio(corpus, measures, capfd):
    root, manifest = corpus
    first = measures(manifest, root)
    shutil.rmtree(root)
    assert same(measures(manifest, root), first)
    assert measures.asked == [CLIPS, 0]
    log = capfd.readouterr().err
    assert f"acoustics: {CLIPS}/{CLIPS} clips (100%)" in log
    assert "clips/s, done" in log


def test_a_file_that_changed_is_measured_again_and_a_moved_one_is_not(corpus, measures, write_audio):
    root, manifest = corpus
    measures(manifest, root)
    write_audio(root / "03.wav", 0.4, seed=99)
    (root / "04.wav").rename(root / "moved.wav")
    rows = [Utterance(name, name, "train", 4.0, 3.0) for name in ("03.wav", "moved.wav", "05.wav")]
    changed = inspect(rows, root)[0]
    assert measures(changed, root)["03.wav"].duration == pytest.approx(0.4)
    assert measures.asked == [CLIPS, 1]


def test_another_version_of_the_measures_is_measured_anew(corpus, measures, monkeypatch):
    root, manifest = corpus
    measures(manifest, root)
    monkeypatch.setattr("pipeline.captions.acoustics.VERSION", 0)
    measures(manifest, root)
    assert measures.asked == [CLIPS, CLIPS]


def test_the_memory_is_the_same_whatever_was_measured_before_and_in_any_order(corpus, measures, tmp_path):
    root, manifest = corpus
    memory = tmp_path / "cache/acoustics.parquet"
    part = Manifest(manifest.table.take(list(range(len(manifest) - 1, 4, -1))))
    measures(part, root)
    of_part = memory.read_bytes()
    measures(manifest, root)
    measures(part, root)
    assert memory.read_bytes() == of_part
    assert measures.asked == [11, 5, 0]


def test_clips_that_cannot_be_read_are_listed_and_the_others_kept(corpus, measures, tmp_path, write_audio):
    root, manifest = corpus
    (root / "02.wav").unlink()
    write_audio(root / "07.wav", 0.3, seed=98)
    (root / "09.wav").write_bytes((root / "09.wav").read_bytes()[:1000])
    with pytest.raises(
        RuntimeError, match=r"3 of 16 could not: see .*unmeasured\.csv \(the first: 02\.wav: no such"
    ):
        measures(manifest, root)
    listed = (tmp_path / "cache/unmeasured.csv").read_text().splitlines()
    assert listed[0] == "id,path,reason"
    assert "07,07.wav,changed since `erclap prepare`" in listed
    with pytest.raises(RuntimeError, match="3 of 16 could not"):
        measures(manifest, root)
    assert measures.asked == [CLIPS, 3]


def test_a_clip_that_hangs_or_ends_its_process_is_listed_and_the_others_kept(
    corpus, measures, tmp_path, monkeypatch
):
    root, manifest = corpus
    monkeypatch.setattr(measuring, "measure_clip", odd)
    with pytest.raises(
        RuntimeError, match=r"2 of 16 could not.*03\.wav: measuring it was given up after 0\.5 s"
    ):
        measures(manifest, root, processes=True, patience=0.5)
    listed = (tmp_path / "cache/unmeasured.csv").read_text()
    assert "05.wav,measuring it ended its process (exit code 11)" in listed
    assert pq.read_table(tmp_path / "cache/acoustics.parquet").num_rows == CLIPS - 2


def test_without_the_audio_the_error_says_how_much_is_missing(corpus, measures):
    root, manifest = corpus
    measures(manifest.split("test1"), root)
    shutil.rmtree(root)
    with pytest.raises(
        ValueError, match=r"found no folder .*corpus, and 15 of 16 clips are not measured yet"
    ):
        measures(manifest, root)


@pytest.mark.parametrize("damage", [b"", b"PAR1 no parquet", None])
def test_a_damaged_memory_is_a_warning_and_no_more(corpus, measures, tmp_path, capfd, damage):
    root, manifest = corpus
    first = measures(manifest, root)
    memory = tmp_path / "cache/acoustics.parquet"
    memory.write_bytes(memory.read_bytes()[:-20] if damage is None else damage)
    assert same(measures(manifest, root), first)
    assert measures.asked == [CLIPS, CLIPS]
    assert "must be a whole parquet file" in capfd.readouterr().err


def test_what_another_process_kept_meanwhile_is_not_lost(corpus, tmp_path):
    root, manifest = corpus
    memory = tmp_path / "acoustics.parquet"
    ours, theirs = (measuring._Memory(memory, 10.0) for _ in range(2))
    hashes = manifest.strings("sha256")
    theirs.remember(hashes[0], measure(read_waveform(root / "00.wav", 10.0)))
    theirs.write()
    ours.remember(hashes[1], measure(read_waveform(root / "01.wav", 10.0)))
    ours.write()
    assert measuring._Memory(memory, 10.0).found.keys() == {*hashes[:2]}


def test_an_empty_memory_is_written_where_there_is_none_and_left_where_there_is(corpus, measures, tmp_path):
    memory = tmp_path / "cache/acoustics.parquet"
    keep_memory(memory)
    assert pq.read_table(memory).num_rows == 0
    measures(corpus[1], corpus[0])
    before = memory.read_bytes()
    keep_memory(memory)
    assert memory.read_bytes() == before


RUN = """
import sys
from pathlib import Path
from pipeline.captions import measuring
from pipeline.manifest import Manifest
if __name__ == "__main__":
    folder = Path(sys.argv[1])
    measuring.SECONDS_BETWEEN_WRITES, measuring.CLIPS_AHEAD = 0.0, 2
    manifest = Manifest.read(folder / "manifest.parquet")
    measuring.measure_clips(manifest, folder / "corpus", 10.0, memory=folder / "memory.parquet",
                            listing=folder / "unmeasured.csv")
"""


SAYING = """
from pipeline.captions import measuring
remember = measuring._Memory.remember
def said(*arguments):
    remember(*arguments)
    print("one", flush=True)
measuring._Memory.remember = said
"""


def start(folder: Path) -> subprocess.Popen:
    script = folder / "run.py"
    script.write_text(RUN)
    return subprocess.Popen([sys.executable, script, folder], start_new_session=True)


def processes_of(session: int) -> list[int]:
    """The processes of a session that are alive."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(folder.name))
    return found


@pytest.fixture
def many(tmp_path: Path) -> Manifest:
    """A manifest of clips of 2 s in `tmp_path`."""
    import soundfile

    root = tmp_path / "corpus"
    root.mkdir()
    for i in range(MANY):
        samples = 0.1 * np.random.default_rng(i).standard_normal(32_000)
        soundfile.write(root / f"{i}.wav", samples, 16_000)
    manifest = inspect([Utterance(f"{i}", f"{i}.wav", "train", 4.0, 3.0) for i in range(MANY)], root)[0]
    manifest.write(tmp_path / "manifest.parquet")
    return manifest


def test_a_killed_run_keeps_what_it_had_leaves_no_process_and_is_resumed(many, tmp_path, measures):
    memory = tmp_path / "memory.parquet"
    run = start(tmp_path)
    deadline = time.monotonic() + 60
    while not memory.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    run.kill()
    run.wait()
    kept = pq.read_table(memory).num_rows
    assert 0 < kept < MANY
    while processes_of(run.pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert processes_of(run.pid) == []
    (tmp_path / "cache").mkdir()
    shutil.copy(memory, tmp_path / "cache/acoustics.parquet")
    measures(many, tmp_path / "corpus")
    assert measures.asked == [MANY - kept]


@pytest.mark.parametrize("moment", ["while the workers start", "when something is measured"])
def test_ctrl_c_keeps_what_was_measured_and_says_nothing_of_the_workers(many, tmp_path, moment):
    memory, script = tmp_path / "memory.parquet", tmp_path / "run.py"
    script.write_text(SAYING + RUN.replace("0.0, 2", "3600.0, 2"))
    run = subprocess.Popen(
        [sys.executable, script, tmp_path],
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    if moment == "while the workers start":
        # It, two workers and multiprocessing's own.
        while len(processes_of(run.pid)) < 4 and run.poll() is None:
            time.sleep(0.001)
        time.sleep(0.1)  # into what they import
    else:
        assert run.stdout.readline() == "one\n"
    os.killpg(run.pid, signal.SIGINT)  # as a terminal does: to all of them
    said = run.communicate(timeout=60)[1]
    assert said.count("Traceback") == 1  # its own, which the command line does not show
    assert "SpawnProcess" not in said
    assert "stopped" in said
    assert (pq.read_table(memory).num_rows > 0) == (moment == "when something is measured")
    assert pq.read_table(memory).num_rows < MANY


def test_processes_measure_as_one_does(many, tmp_path, measures):
    shuffled = Manifest(many.table.take(np.random.default_rng(0).permutation(MANY)))
    found = measures(shuffled, tmp_path / "corpus", processes=True)
    chosen = [f"{i}" for i in range(0, MANY, 8)]
    assert same(
        {name: found[name] for name in chosen},
        {name: measure(read_waveform(tmp_path / f"corpus/{name}.wav", 10.0)) for name in chosen},
    )


def test_two_runs_at_once_both_end_with_everything(many, tmp_path):
    runs = [start(tmp_path), start(tmp_path)]
    assert [run.wait(timeout=120) for run in runs] == [0, 0]
    table = pq.read_table(tmp_path / "memory.parquet")
    assert sorted(table.column("sha256").to_pylist()) == sorted(many.strings("sha256"))
    hashed = hashlib.sha256((tmp_path / "corpus/0.wav").read_bytes()).hexdigest()
    assert hashed in table.column("sha256").to_pylist()
