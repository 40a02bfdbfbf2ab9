"""Paths of a table: how they may differ from the files' names, and where a corpus may have moved."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from pipeline.config import Prepare
from pipeline.corpora import read_corpus
from pipeline.corpora.corpus import Corpus
from pipeline.corpora.table import read

COLUMNS = {"path": "file", "split": "set", "valence": "val", "arousal": "act"}


def table(folder: Path, *paths: str) -> Path:
    rows = "".join(f'"{path}",train,4,4\n' for path in paths)
    (folder / "labels.csv").write_text(f"file,set,val,act\n{rows}", encoding="utf-8")
    return folder / "labels.csv"


def clips(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def found(folder: Path, root: Path, *paths: str) -> tuple[list[str], list[str], list[str]]:
    """Ids, paths and notes of a table with these paths."""
    corpus = read(table(folder, *paths), columns=COLUMNS, root=root)
    return [u.id for u in corpus.utterances], [u.path for u in corpus.utterances], corpus.notes


def test_paths_that_are_as_the_files_are_called_stay_and_are_the_ids(tmp_path):
    root = clips(tmp_path / "audio", "a/b.wav", "c.wav")
    paths = ["a/b.wav", "c.wav", "no/such.wav", "./c.wav"]
    assert found(tmp_path, root, *paths) == (paths, paths, [])
    assert found(tmp_path, tmp_path / "nowhere", *paths) == (paths, paths, [])


def test_backslashes_are_slashes_where_files_are_found_so(tmp_path):
    root = clips(tmp_path / "audio", "a/b.wav")
    ids, paths, (note,) = found(tmp_path, root, r"a\b.wav", r"a\c.wav", "c.wav")
    assert ids == paths == ["a/b.wav", "a/c.wav", "c.wav"]
    assert note == "2 paths hold backslashes, read as forward slashes"


def test_backslashes_that_belong_to_names_stay(tmp_path):
    root = clips(tmp_path / "audio", "a/b.wav", r"a\b.wav")
    _, paths, (note,) = found(tmp_path, root, r"a\b.wav", "a/b.wav")
    assert paths == [r"a\b.wav", "a/b.wav"]
    assert note == "1 path holds backslashes, which belong to the names of files, and were kept"


def test_backslashes_that_help_nothing_are_told(tmp_path):
    root = clips(tmp_path / "audio", "c.wav")
    _, paths, (note,) = found(tmp_path, root, r"a\b.wav")
    assert paths == [r"a\b.wav"]
    assert note == "1 path holds backslashes, and no such file is found, nor one with forward slashes"


@pytest.mark.parametrize(("listed", "on_disk"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_another_unicode_form_is_the_files(tmp_path, listed, on_disk):
    name = "évaluée/été.wav"
    asked, file = (unicodedata.normalize(form, name) for form in (listed, on_disk))
    ids, paths, (note,) = found(tmp_path, clips(tmp_path / "audio", file), asked, "été/x.wav")
    assert ids[0] == asked
    assert paths == [file, "été/x.wav"]
    assert note.startswith("1 path is in another Unicode form than the file's name, which was taken: ")


def test_both_forms_beside_each_other_are_two_files(tmp_path):
    forms = [unicodedata.normalize(form, "été.wav") for form in ("NFC", "NFD")]
    root = clips(tmp_path / "audio", *forms)
    assert found(tmp_path, root, *forms) == (forms, forms, [])


def test_another_case_is_the_files_where_one_alone_is_called_so(tmp_path):
    root = clips(tmp_path / "audio", "Session1/A.WAV", "Session1/b.wav", "c.wav")
    ids, paths, (note,) = found(tmp_path, root, "session1/a.wav", "session1/b.wav", "c.wav", "no.wav")
    assert ids == ["session1/a.wav", "session1/b.wav", "c.wav", "no.wav"]
    assert paths == ["Session1/A.WAV", "Session1/b.wav", "c.wav", "no.wav"]
    assert note == (
        "2 paths differ from files' names in case alone, and were read as the files (the first: session1/a.wav is "
        "Session1/A.WAV)"
    )


def test_another_case_of_two_files_is_neither(tmp_path):
    root = clips(tmp_path / "audio", "A.wav", "a.WAV", "b/x.wav", "B/x.wav")
    _, paths, (note,) = found(tmp_path, root, "a.wav", "A.wav", "b/x.wav")
    assert paths == ["a.wav", "A.wav", "b/x.wav"]
    assert note == (
        "1 path differs from two files' names in case alone (the first: a.wav may be A.wav or a.WAV): write the "
        "right one"
    )


def test_absolute_paths_below_the_root_are_relative_to_it(tmp_path):
    root = clips(tmp_path / "audio", "a/b.wav")
    (tmp_path / "link").symlink_to(root)
    for way in (root, tmp_path / "link"):
        for asked in (root, tmp_path / "link"):
            assert found(tmp_path, way, f"{asked}/a/b.wav") == (["a/b.wav"], ["a/b.wav"], [])


def test_absolute_paths_elsewhere_are_named_with_their_line(tmp_path):
    root = clips(tmp_path / "audio", "b.wav")
    message = (
        r"relative to prepare.root, or lie below it, found /other/b.wav in line 3 of .*, column 'file', which"
    )
    with pytest.raises(ValueError, match=message):
        found(tmp_path, root, "b.wav", "/other/b.wav")


def prepare(root: str, file: str) -> Corpus:
    settings = Prepare.model_validate(
        {"corpus": "table", "root": root, "table": {"file": file, "columns": COLUMNS}}
    )
    return read_corpus(settings, settings.folder)


def test_a_corpus_that_is_mounted_elsewhere_is_read_there(tmp_path, monkeypatch):
    mounted = clips(tmp_path / "mounted", "a/b.wav")
    table(mounted, "/data/corpus/a/b.wav", "a/c.wav")
    monkeypatch.setenv("ERCLAP_CORPUS_ROOT", str(mounted))
    for file in ("labels.csv", "/data/corpus/labels.csv"):
        corpus = prepare("/data/corpus", file)
        assert [u.path for u in corpus.utterances] == ["a/b.wav", "a/c.wav"]
        assert corpus.source == str(mounted / "labels.csv")
    with pytest.raises(ValueError, match="found no file /data/other/labels.csv$"):
        prepare("/data/corpus", "/data/other/labels.csv")


def test_a_relative_file_is_looked_for_in_the_working_folder_first(tmp_path, monkeypatch):
    root = clips(tmp_path / "corpus", "b.wav")
    table(root, "b.wav")
    monkeypatch.chdir(tmp_path)
    assert prepare("corpus", "labels.csv").source == "corpus/labels.csv"
    table(tmp_path, "b.wav")
    assert prepare("corpus", "labels.csv").source == "labels.csv"


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    table(clips(tmp_path / "corpus", "b.wav"), "b.wav")
    assert prepare("~/corpus", "~/corpus/labels.csv").source == str(tmp_path / "corpus/labels.csv")
    monkeypatch.setenv("ERCLAP_CORPUS_ROOT", "~/corpus")
    assert prepare("/elsewhere", "labels.csv").source == str(tmp_path / "corpus/labels.csv")
