"""An index built: what is new is read and encoded, all else stays, and a killed build leaves the old one."""

from __future__ import annotations

import csv
import os
import signal
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest

from pipeline.audio import read_waveform, windows_of
from pipeline.features import TeamStore
from pipeline.use import Index, build_index
from tests.use.index.fake import LENGTHS, FakeModel, make_corpus, speak


def unreadable(folder: Path) -> dict[str, str]:
    """What unreadable.csv says of each path."""
    path = folder / "unreadable.csv"
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        return {row["path"]: row["reason"] for row in csv.DictReader(file)}


def contents(folder: Path) -> dict[str, np.ndarray]:
    """The embeddings of each path's windows."""
    index = Index.open(folder)
    paths = index.files.column("path").to_pylist()
    return {path: np.array(index.embeddings[list(index.rows_of(row))]) for row, path in enumerate(paths)}


def same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[path], b[path]) for path in a)


def test_every_recording_is_there_in_windows_as_the_model_embeds_them(corpus, folder):
    model = FakeModel()
    summary = build_index(corpus, model, folder)
    index = Index.open(folder)
    assert index.files.column("path").to_pylist() == sorted(LENGTHS)
    assert (summary.files, summary.added, summary.changed, summary.removed, summary.unreadable) == (
        5,
        5,
        0,
        0,
        0,
    )
    assert summary.windows == summary.encoded == len(index) == model.speech.encoded
    row = index.files.column("path").to_pylist().index("b/long.flac")
    rows = index.rows_of(row)
    windows = index.windows.slice(rows.start, len(rows)).to_pylist()
    assert [(w["start"], w["end"]) for w in windows] == [(0, 1), (1, 2), (2, 3), (2.3, 3.3)]
    heard = [w.waveform for w in windows_of(read_waveform(corpus / "b/long.flac", 9), 1.0)]
    statistics = model.speech.encode_heard(heard)
    assert np.array_equal(index.embeddings[rows.start : rows.stop], model.embed_statistics(statistics))
    told = np.array([[w["valence"], w["arousal"], w["dominance"]] for w in windows], np.float32)
    assert np.array_equal(told, model.attributes(statistics).astype(np.float32))
    file = index.files.slice(row, 1).to_pylist()[0]
    assert (file["duration"], file["sampling_rate"]) == (3.3, 16_000)
    assert file["size"] == (corpus / "b/long.flac").stat().st_size


def test_with_nothing_to_do_nothing_is_opened_or_written(corpus, folder, monkeypatch):
    build_index(corpus, FakeModel(), folder)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    monkeypatch.setattr("pipeline.use.index.looking.hash_file", None)
    again = FakeModel()
    summary = build_index(corpus, again, folder)
    assert (summary.added, summary.changed, summary.removed, summary.encoded) == (0, 0, 0, 0)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == before


def test_what_is_new_changed_renamed_or_gone_is_taken_in_and_no_more_is_encoded(corpus, folder, tmp_path):
    build_index(corpus, FakeModel(), folder)
    speak(corpus / "new.wav", 0.7, 50)
    speak(corpus / "a.wav", 0.6, 51)
    (corpus / "b/two.wav").rename(corpus / "zwei.wav")
    (corpus / "stereo.ogg").unlink()
    os.utime(corpus / "c d/e.mp3", (1, 1))
    model = FakeModel()
    summary = build_index(corpus, model, folder)
    assert (summary.added, summary.changed, summary.removed) == (2, 2, 2)
    assert summary.encoded == model.speech.encoded == 2
    fresh = tmp_path / "fresh"
    build_index(corpus, FakeModel(), fresh)
    assert same(contents(folder), contents(fresh))
    assert Index.open(folder).windows.equals(Index.open(fresh).windows)
    assert Index.open(folder).files.equals(Index.open(fresh).files)


def test_a_recording_that_comes_back_is_not_encoded_again(corpus, folder):
    build_index(corpus, FakeModel(), folder)
    kept = (corpus / "b/long.flac").rename(corpus.parent / "long.flac")
    build_index(corpus, FakeModel(), folder)
    kept.rename(corpus / "back.flac")
    assert build_index(corpus, FakeModel(), folder).encoded == 0


def test_another_model_embeds_anew_without_encoding_and_another_encoder_encodes(corpus, folder, tmp_path):
    build_index(corpus, FakeModel(), folder)
    other = FakeModel(1)
    with pytest.raises(
        RuntimeError, match=r"must be by the model that searches it, 000000000001, found one by 0{12}"
    ):
        Index.open(folder).check(other)
    summary = build_index(corpus, other, folder)
    assert (summary.encoded, summary.added, summary.changed) == (0, 0, 0)
    Index.open(folder).check(other)
    build_index(corpus, FakeModel(1), tmp_path / "fresh")
    assert same(contents(folder), contents(tmp_path / "fresh"))
    third = FakeModel(2, revision="sha256:2")
    assert build_index(corpus, third, folder).encoded == len(Index.open(folder))


def test_another_hop_reads_anew_and_encodes_what_there_was_not(corpus, folder):
    build_index(corpus, FakeModel(), folder)
    summary = build_index(corpus, FakeModel(), folder, hop=0.5)
    assert summary.windows > summary.encoded > 0
    index = Index.open(folder)
    assert index.about.hop == 0.5
    assert index.windows.column("start").to_pylist()[1:4] == [0, 0.5, 1.0]
    for hop in (0.0, float("nan"), 5.0):
        with pytest.raises(ValueError, match=r"a hop must be 0\.025 to 1 s, the length of a window"):
            build_index(corpus, FakeModel(), folder, hop=hop)
    assert len(Index.open(folder)) == summary.windows


def test_what_cannot_be_read_is_listed_with_its_reason_and_the_rest_is_searchable(corpus, folder):
    whole = (corpus / "b/two.wav").read_bytes()
    (corpus / "cut.wav").write_bytes(whole[:-3000])
    (corpus / "empty.mp3").write_bytes(b"")
    (corpus / "text.flac").write_text("no audio")
    (corpus / "phone.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(100))
    speak(corpus / "short.wav", 0.01)
    import soundfile

    soundfile.write(corpus / "silent.wav", np.zeros(40_000), 16_000)
    speak(corpus.parent / "elsewhere" / "x.wav", 0.5)
    (corpus / "out.wav").symlink_to(corpus.parent / "elsewhere" / "x.wav")
    (corpus / "out").symlink_to(corpus.parent / "elsewhere")
    (corpus / "nowhere.wav").symlink_to("gone.wav")
    (corpus / "inside.wav").symlink_to("a.wav")
    (corpus / "round").symlink_to(".")
    os.mkfifo(corpus / "pipe.wav")
    (corpus / os.fsdecode(b"latin-\xe9.wav")).write_bytes(whole)
    (corpus / "line\nbreak \x1b[2J.wav").write_bytes(whole)
    (corpus / "bad\x1b[2J\n.wav").write_bytes(b"")
    summary = build_index(corpus, FakeModel(), folder)
    told = unreadable(folder)
    expected = {
        "cut.wav": "truncated: its header promises",
        "empty.mp3": "empty (0 bytes)",
        "text.flac": "not readable as audio",
        "phone.m4a": "not readable as audio",
        "short.wav": "at least 25 ms long",
        "silent.wav": "silent throughout",
        "out.wav": f"a link to {corpus.parent}/elsewhere/x.wav, outside of {corpus}",
        "out": "outside of",
        "nowhere.wav": "a link to gone.wav, which is not there",
        "pipe.wav": "not a plain file",
        r"latin-\udce9.wav": "its path must be UTF-8: rename it",
        r"bad\x1b[2J\n.wav": "empty",
    }
    assert told.keys() == expected.keys()
    assert all(reason in told[path] for path, reason in expected.items())
    assert summary.unreadable == len(expected)
    assert summary.first_unreadable.startswith(r"bad\x1b[2J\n.wav: empty")
    assert set(contents(folder)) == {*LENGTHS, "inside.wav", "line\nbreak \x1b[2J.wav"}
    for path in (corpus / path for path in ("cut.wav", "empty.mp3", "text.flac", "silent.wav")):
        path.unlink()
    build_index(corpus, FakeModel(), folder)
    assert len(unreadable(folder)) == len(expected) - 4


def test_where_none_can_be_read_it_says_so_and_the_index_stays(corpus, folder, tmp_path):
    build_index(corpus, FakeModel(), folder)
    before = contents(folder)
    empty = tmp_path / "empty"
    (empty / "sub").mkdir(parents=True)
    (empty / "readme.txt").write_text("")
    with pytest.raises(
        ValueError, match=r"there must be recordings below .*empty, found none by their names"
    ):
        build_index(empty, FakeModel(), folder)
    with pytest.raises(ValueError, match="there must be a folder of recordings, found none at"):
        build_index(tmp_path / "none", FakeModel(), folder)
    (empty / "x.wav").write_bytes(b"")
    with pytest.raises(
        RuntimeError, match=r"must be readable, found none of 1: see .*\(the first: x\.wav: empty"
    ):
        build_index(empty, FakeModel(), folder, replace_root=True)
    assert same(contents(folder), before)


def test_the_folder_of_the_index_is_not_indexed_wherever_it_lies(corpus):
    folder = corpus / "results" / "index"
    build_index(corpus, FakeModel(), folder)
    speak(folder / "features" / "x.wav", 1.0)
    build_index(corpus, FakeModel(), folder)
    assert set(contents(folder)) == set(LENGTHS)
    with pytest.raises(ValueError, match="must not lie in that of the index"):
        build_index(folder / "features", FakeModel(), folder)
    with pytest.raises(ValueError, match="must not lie in that of the index"):
        build_index(corpus, FakeModel(), corpus)


def test_a_moved_folder_is_searched_where_it_is_with_nothing_decoded_again(corpus, folder, monkeypatch):
    build_index(corpus, FakeModel(), folder)
    moved = corpus.rename(corpus.parent / "moved")
    monkeypatch.setattr("pipeline.use.index.looking.inspect_windows", None)
    assert build_index(moved, FakeModel(), folder).encoded == 0
    index = Index.open(folder)
    assert index.root == moved
    assert index.audio(0) == moved / "a.wav"


def test_a_model_that_reads_no_attributes_leaves_them_out(corpus, folder):
    build_index(corpus, FakeModel(reads=False), folder)
    index = Index.open(folder)
    assert index.windows.column("valence").null_count == len(index)
    with pytest.raises(ValueError, match="takes a speech encoder that reads them, found none"):
        index.by_point(4, 4)


def test_a_recording_whose_features_are_not_finite_is_listed(corpus, folder, monkeypatch):
    model = FakeModel()
    encode = model.speech.encode_heard
    monkeypatch.setattr(
        model.speech,
        "encode_heard",
        lambda batch: np.where(encode(batch)[:, :1] == 0.5, np.nan, encode(batch)),
    )
    build_index(corpus, model, folder)
    assert unreadable(folder) == {"a.wav": "its feature is not finite"}


def test_a_recording_that_changes_between_two_looks_is_listed(corpus, folder, monkeypatch):
    model = FakeModel()
    from pipeline.use.index import building

    look = building.look

    def look_and_change(*given):
        found = look(*given)
        speak(corpus / "b/long.flac", 3.3, 99)
        return found

    monkeypatch.setattr(building, "look", look_and_change)
    build_index(corpus, model, folder)
    assert unreadable(folder) == {"b/long.flac": "changed since it was first read"}
    monkeypatch.setattr(building, "look", look)
    assert build_index(corpus, model, folder).added == 1


def build_and_be_killed(corpus: Path, folder: Path, after: int) -> None:
    """Build in a process of its own that is killed before it encodes its window number `after`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        model = FakeModel()
        model.speech.before_each = lambda: (
            model.speech.encoded >= after and os.kill(os.getpid(), signal.SIGKILL)
        )
        try:
            build_index(corpus, model, folder)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)


def test_a_killed_build_leaves_the_old_index_and_the_next_goes_on_where_it_was(
    corpus, folder, tmp_path, monkeypatch
):
    build_index(corpus, FakeModel(), folder)
    before = contents(folder)
    monkeypatch.setattr("pipeline.features.extraction.SHARD_ROWS", 2)
    speak(corpus / "hour.wav", 20, 60)
    for after in (5, 5, 5):
        build_and_be_killed(corpus, folder, after)
        assert same(contents(folder), before)
    model = FakeModel()
    assert build_index(corpus, model, folder).encoded == model.speech.encoded <= 20 - 3 * 4
    build_index(corpus, FakeModel(), tmp_path / "fresh")
    assert same(contents(folder), contents(tmp_path / "fresh"))


def test_two_builds_at_once_are_each_whole_and_the_last_wins(corpus, folder):
    build_index(corpus, FakeModel(), folder)
    other = make_corpus(corpus.parent / "other")
    speak(other / "more.wav", 1.2, 70)
    opened = Index.open(folder)
    first = np.array(opened.embeddings)
    errors = []

    def build(root: Path) -> None:
        try:
            for hop in (1.0, 0.5):
                build_index(root, FakeModel(), folder, hop=hop, replace_root=True)
                Index.open(folder)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=build, args=(root,)) for root in (corpus, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    index = Index.open(folder)
    assert index.about.hop == 0.5
    assert set(contents(folder)) == {*LENGTHS, *(["more.wav"] if index.root == other else [])}
    assert np.array_equal(opened.embeddings, first)
    generations = [path for path in folder.iterdir() if len(path.name) == 12 and path.is_dir()]
    assert len(generations) <= 2
    assert not list(folder.glob(".*.tmp"))


def test_the_teams_store_is_asked_before_anything_is_encoded_and_offered_what_was(corpus, folder, tmp_path):
    shared = tmp_path / "team"
    shared.mkdir()
    build_index(corpus, FakeModel(), folder, team=TeamStore(shared))
    summary = build_index(corpus, FakeModel(), tmp_path / "elsewhere", team=TeamStore(shared))
    assert summary.encoded == 0
    assert same(contents(folder), contents(tmp_path / "elsewhere"))


def test_a_damaged_index_is_refused_by_readers_and_built_anew_with_a_word(corpus, folder, capsys):
    build_index(corpus, FakeModel(), folder)
    before = contents(folder)
    about = (folder / "index.json").read_text()
    generation = folder / Index.open(folder).about.generation
    tables = {path: path.read_bytes() for path in generation.iterdir()}

    def refused(match: str) -> None:
        with pytest.raises(RuntimeError, match=match):
            Index.open(folder)

    for written, match in (
        ("{", "must be JSON"),
        ('{"version": 2}', "must be of version 1, found 2: run `erclap index DIR` again"),
        ('{"version": 1}', "must say what it is an index of"),
        (about.replace(generation.name, "../../../etc"), "must say what it is an index of"),
        (about.replace(str(corpus), "relative"), "must say what it is an index of"),
    ):
        (folder / "index.json").write_text(written)
        refused(match)
    (folder / "index.json").write_text(about)
    for path, whole in tables.items():
        for broken in (b"", whole[: len(whole) // 2]):
            path.write_bytes(broken)
            refused("again")
        path.unlink()
        refused("again|first")
        path.write_bytes(whole)
    np.save(generation / "embeddings.npy", np.zeros((3, 4), np.float32))
    refused("must hold an embedding for each window")
    np.save(generation / "embeddings.npy", np.array([{}]), allow_pickle=True)
    refused("must hold an embedding for each window")
    capsys.readouterr()
    assert build_index(corpus, FakeModel(), folder).encoded == 0
    assert "warning: the index is built anew" in capsys.readouterr().err
    assert same(contents(folder), before)
    with pytest.raises(RuntimeError, match=r"index\.json is not there: run `erclap index DIR` first"):
        Index.open(folder / "features")
