"""Every clip looked at: the manifest of those that can be heard, the others with their reasons."""

from __future__ import annotations

import csv
import hashlib
import os
import threading
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import soundfile

from pipeline.corpora import looking
from pipeline.corpora.inspected import Inspected
from pipeline.corpora.inspection import inspect
from pipeline.corpora.rejects import check_splits, write_rejects
from pipeline.manifest import Manifest, Utterance


def utterance(path: str, split: str = "train") -> Utterance:
    return Utterance(path, path, split, 4.0, 3.0, speaker="s")


def test_the_manifest_describes_every_clip_in_order(tmp_path, write_audio):
    write_audio(tmp_path / "a" / "one.flac", 0.5, rate=8_000)
    write_audio(tmp_path / "two.wav", 1.0, rate=44_100, channels=2)
    manifest, rejects, _ = inspect([utterance("two.wav"), utterance("a/one.flac")], tmp_path)
    assert rejects == []
    two, one = manifest.table.to_pylist()
    assert (two["path"], two["sampling_rate"], two["channels"]) == ("two.wav", 44_100, 2)
    assert (one["path"], one["sampling_rate"], one["duration"]) == ("a/one.flac", 8_000, 0.5)
    assert one["sha256"] == hashlib.sha256((tmp_path / "a" / "one.flac").read_bytes()).hexdigest()
    assert [u.id for u in manifest.utterances()] == ["two.wav", "a/one.flac"]


def test_clips_that_cannot_be_used_are_listed_with_their_reason(tmp_path, write_audio):
    write_audio(tmp_path / "good.wav")
    (tmp_path / "bad.wav").write_bytes(b"not audio")
    (tmp_path / "folder.wav").mkdir()
    names = ["good.wav", "bad.wav", "gone.wav", "folder.wav", "no/folder.wav", "good.wav/x.wav", "long" * 99]
    manifest, rejects, _ = inspect([utterance(name) for name in names], tmp_path)
    assert manifest.strings("id") == ["good.wav"]
    assert [reject.path for reject in rejects] == names[1:]
    write_rejects(rejects, tmp_path / "rejects.csv")
    with (tmp_path / "rejects.csv").open() as file:
        listed = list(csv.DictReader(file))
    assert listed[1] == {"id": "gone.wav", "path": "gone.wav", "split": "train", "reason": "no such file"}
    assert "not readable as audio" in listed[0]["reason"]


def test_a_split_without_a_usable_clip_is_an_error(tmp_path, write_audio):
    write_audio(tmp_path / "good.wav")
    manifest, rejects, _ = inspect([utterance("good.wav"), utterance("gone.wav", "test1")], tmp_path)
    with pytest.raises(ValueError, match="none left in test1: 1 of 2 clips .* no such file; see list.csv"):
        check_splits(manifest, rejects, Path("list.csv"))


def test_a_clip_that_is_silent_as_far_as_it_is_heard_is_left_out(tmp_path, noise):
    late = np.concatenate([np.zeros(32_000, np.float32), noise(1.0)])
    soundfile.write(tmp_path / "late.wav", late, 16_000)
    whole, _, _ = inspect([utterance("late.wav")], tmp_path, heard_seconds=3.0)
    assert len(whole) == 1
    _, rejects, _ = inspect([utterance("late.wav")], tmp_path, heard_seconds=1.5)
    assert "silent in its first 1.5 s" in rejects[0].reason


def test_a_path_outside_the_root_and_an_absent_root_are_refused(tmp_path):
    with pytest.raises(ValueError, match="must stay inside its corpus's root"):
        inspect([utterance("../secret.wav")], tmp_path)
    with pytest.raises(ValueError, match="prepare.root must be the folder"):
        inspect([utterance("a.wav")], tmp_path / "nowhere")


def test_a_clip_at_which_a_decoder_hangs_is_listed_and_the_others_kept(tmp_path, write_audio, monkeypatch):
    rows = [utterance(write_audio(tmp_path / f"{i}.wav", 0.1, seed=i).name) for i in range(6)]
    real, ever = looking.inspect_clip, threading.Event()

    def hang(file: Path, heard_seconds: float) -> object:
        if file.name in ("2.wav", "5.wav"):
            ever.wait()
        return real(file, heard_seconds)

    monkeypatch.setattr(looking, "inspect_clip", hang)
    manifest, rejects, _ = inspect(rows, tmp_path, patience=0.2, memory=tmp_path / "memory.sqlite")
    ever.set()
    assert list(manifest.strings("path")) == ["0.wav", "1.wav", "3.wav", "4.wav"]
    assert [reject.path for reject in rejects] == ["2.wav", "5.wav"]
    assert "given up: no answer for 0.2" in rejects[0].reason
    monkeypatch.undo()
    assert not inspect(rows, tmp_path, memory=tmp_path / "memory.sqlite").rejects


def test_clips_whose_sides_cancel_are_told_and_remembered(tmp_path, noise):
    sides = noise(1.0)
    for name, left in (("quiet", 0.008), ("heard", 0.03)):
        both = np.stack([sides, (left - 1) * sides], axis=1)
        soundfile.write(tmp_path / f"{name}.wav", both, 16_000, subtype="FLOAT")
        os.utime(tmp_path / f"{name}.wav", (0, 0))
    rows = [utterance("heard.wav"), utterance("quiet.wav")]
    for _ in range(2):
        found = inspect(rows, tmp_path, memory=tmp_path / "memory.sqlite")
        assert found.cancelling == ["quiet.wav"]
        assert len(found.manifest) == 2


def test_any_number_of_workers_gives_the_same_manifest(tmp_path, write_audio):
    utterances = [utterance(write_audio(tmp_path / f"{i}.wav", 0.1, seed=i).name) for i in range(20)]
    one, _, _ = inspect(utterances, tmp_path, workers=1)
    many, _, _ = inspect(utterances, tmp_path, workers=8)
    assert one.table.equals(many.table)
    one.write(tmp_path / "one.parquet")
    many.write(tmp_path / "many.parquet")
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "many.parquet").read_bytes()
    assert Manifest.read(tmp_path / "one.parquet").table.equals(one.table)


def test_a_file_is_looked_at_once_however_many_rows_name_it_and_however_they_spell_it(
    tmp_path, write_audio, looked_at
):
    write_audio(tmp_path / "a" / "one.wav")
    (tmp_path / "link.wav").symlink_to("a/one.wav")
    (tmp_path / "b").symlink_to("a")
    paths = ["a/one.wav", "a//one.wav", "./a/one.wav", "a/../a/one.wav", "link.wav", "b/one.wav", "a/one.wav"]
    rows = [Utterance(str(i), path, "train", 4.0, 3.0) for i, path in enumerate(paths)]
    manifest, rejects, _ = inspect(rows, tmp_path)
    assert looked_at == ["one.wav"]
    assert rejects == []
    assert manifest.strings("path") == ["a/one.wav"] * 7
    assert manifest.strings("id") == [str(i) for i in range(7)]


def test_rows_and_rejects_keep_the_order_of_the_utterances(tmp_path, write_audio):
    for i in range(0, 100, 2):
        write_audio(tmp_path / f"{i}.wav", 0.05, seed=i)
    rng = np.random.default_rng(0)
    rows = [
        Utterance(f"u{k}", f"{i}.wav", "train", 4.0, 3.0) for k, i in enumerate(rng.integers(0, 100, 300))
    ]
    manifest, rejects, _ = inspect(rows, tmp_path, workers=3)
    even = [int(row.path[:-4]) % 2 == 0 for row in rows]
    assert manifest.strings("id") == [row.id for row, ok in zip(rows, even, strict=True) if ok]
    assert [reject.id for reject in rejects] == [row.id for row, ok in zip(rows, even, strict=True) if not ok]
    assert (
        manifest.table.column("sha256")[0].as_py()
        == hashlib.sha256((tmp_path / manifest.strings("path")[0]).read_bytes()).hexdigest()
    )
    assert manifest.utterances() == [row for row, ok in zip(rows, even, strict=True) if ok]


def test_no_usable_clip_gives_an_empty_manifest(tmp_path):
    manifest, rejects, _ = inspect([utterance("a.wav"), utterance("b.wav")], tmp_path)
    assert (len(manifest), len(rejects)) == (0, 2)
    manifest.write(tmp_path / "manifest.parquet")
    assert len(Manifest.read(tmp_path / "manifest.parquet")) == 0


def test_a_link_that_leaves_the_root_is_a_reject_and_never_read(tmp_path, write_audio, looked_at):
    root = tmp_path / "root"
    write_audio(root / "good.wav")
    write_audio(tmp_path / "secret" / "a.wav")
    (root / "out").symlink_to(tmp_path / "secret")
    (root / "file.wav").symlink_to(tmp_path / "secret" / "a.wav")
    paths = ["out/a.wav", "good.wav", "file.wav", "out/b.wav", "out/a.wav"]
    manifest, rejects, _ = inspect([utterance(path) for path in paths], root)
    assert manifest.strings("path") == ["good.wav"]
    assert [reject.path for reject in rejects] == ["out/a.wav", "file.wav", "out/b.wav", "out/a.wav"]
    assert rejects[0].reason.startswith(f"out is a link to {tmp_path}/secret, outside of prepare.root {root}")
    assert rejects[1].reason.startswith(f"file.wav is a link to {tmp_path}/secret/a.wav, outside")
    assert looked_at == ["good.wav"]
    looked_at.clear()
    for path in ("out/../good.wav", str(tmp_path / "secret" / "a.wav"), ".."):
        with pytest.raises(ValueError, match=f"must stay inside its corpus's root .* found {path}"):
            inspect([utterance("good.wav"), utterance(path)], root)
    with pytest.raises(ValueError, match="must not hold a NUL"):
        inspect([utterance("a/b\0.wav")], root)
    assert looked_at == []


def test_a_corpus_whose_folder_is_a_link_is_told_what_to_do(tmp_path, write_audio):
    write_audio(tmp_path / "disk" / "a.wav")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "Audios").symlink_to(tmp_path / "disk")
    manifest, rejects, _ = inspect([utterance("Audios/a.wav"), utterance("Audios/b.wav")], tmp_path / "root")
    wanted = (
        f"2 of 2 .*: Audios is a link to {tmp_path}/disk, outside .*: set prepare.root to the folder where"
    )
    with pytest.raises(ValueError, match=wanted):
        check_splits(manifest, rejects, Path("list.csv"))


def test_only_so_many_files_are_looked_at_ahead(tmp_path, write_audio, looked_at):
    one = write_audio(tmp_path / "0.wav", 0.05)
    names = [f"{i}.wav" for i in range(2000)]
    for name in names[1:]:
        os.link(one, tmp_path / name)
    with Inspected(None, 10.0) as inspected:
        outcomes = looking.Looking(str(tmp_path), 10.0, 2, 60.0).outcomes(names, inspected)
        list(islice(outcomes, 10))
        outcomes.close()
    assert len(looked_at) <= 5 * looking.FILES_AT_ONCE


def test_an_interrupt_ends_it_soon_and_keeps_what_was_found(tmp_path, write_audio, looked_at, monkeypatch):
    one = write_audio(tmp_path / "0.wav", 0.05)
    os.utime(one, (1e9, 1e9))
    names = [f"{i}.wav" for i in range(2000)]
    for name in names[1:]:
        os.link(one, tmp_path / name)

    def interrupt(progress: looking.Progress, count: int = 1) -> None:
        progress.done += count
        if progress.done == 100:
            raise KeyboardInterrupt("stop")

    rows = [utterance(name) for name in names]
    with monkeypatch.context() as patch:
        patch.setattr(looking.Progress, "advance", interrupt)
        with pytest.raises(KeyboardInterrupt, match="stop"):
            inspect(rows, tmp_path, memory=tmp_path / "memory.sqlite")
    assert len(looked_at) < 500
    looked_at.clear()
    manifest, _, _ = inspect(rows, tmp_path, memory=tmp_path / "memory.sqlite")
    assert len(manifest) == 2000
    assert len(looked_at) <= 1900


def test_an_empty_split_is_named_with_what_there_is(tmp_path, write_audio):
    write_audio(tmp_path / "good.wav")
    manifest, _, _ = inspect([utterance("good.wav")], tmp_path)
    with pytest.raises(ValueError, match="'development' must have utterances, found none; .* train 1"):
        manifest.split("development")


def test_an_absent_or_foreign_manifest_is_named(tmp_path):
    with pytest.raises(RuntimeError, match="run `erclap prepare` first"):
        Manifest.read(tmp_path / "manifest.parquet")
    (tmp_path / "manifest.parquet").write_text("no")
    with pytest.raises(RuntimeError, match="must be a whole parquet file: run `erclap prepare` again"):
        Manifest.read(tmp_path / "manifest.parquet")
