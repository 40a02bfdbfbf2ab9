"""Words of an emotion class, from a file in the lexicon's own format or an installed package."""

import json
import sys

import pytest

from pipeline.captions.nrc import class_words, words_come_from

LINES = """\
furious\tanger\t1
furious\tdisgust\t0
vile\tanger\t1
vile\tdisgust\t1
glad\tjoy\t1
table\tjoy\t0
"""


def test_a_class_has_the_words_that_all_its_emotions_have(tmp_path):
    path = tmp_path / "nrc.txt"
    path.write_text(LINES)
    words = class_words(path)
    assert words["A"] == ["furious", "vile"]
    assert words["D"] == words["C"] == ["vile"]
    assert words["H"] == ["glad"]
    assert (words["S"], words["N"]) == (["sadness"], ["neutral"])  # by their own name
    assert words_come_from(path) == str(path)


def test_a_line_of_titles_is_passed_over_and_any_other_is_named(tmp_path):
    path = tmp_path / "nrc.txt"
    path.write_text("English Word\tEmotion\tAssociated\n" + LINES)
    assert class_words(path)["H"] == ["glad"]
    path.write_text(LINES + "glad\tjoy\n")
    with pytest.raises(ValueError, match="found .*'glad', 'joy'.* in line 7 of .*nrc.txt"):
        class_words(path)


def test_an_installed_package_is_read_and_not_run(tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "nrclex", raising=False)
    data = tmp_path / "nrclex/data"
    data.mkdir(parents=True)
    (tmp_path / "nrclex/__init__.py").write_text("raise RuntimeError('was run')")
    (data / "nrc_en.json").write_text(json.dumps({"dread": ["fear", "negative"], "hope": ["joy"]}))
    monkeypatch.syspath_prepend(tmp_path)
    assert class_words(None)["F"] == ["dread"]
    assert words_come_from(None) == "the package nrclex"


def test_without_either_each_class_goes_by_its_own_name(monkeypatch):
    monkeypatch.setattr("pipeline.captions.nrc.INSTALLED", "no_such_package")
    assert class_words(None)["A"] == ["anger"]
    assert "no lexicon" in words_come_from(None)
