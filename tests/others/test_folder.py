"""The folder of models from elsewhere, and their clips in the order of a split."""

from __future__ import annotations

import re

import numpy as np
import pytest

from pipeline.methods import METHODS
from pipeline.others.folder import read_others
from tests.others.made import CLIPS, PROMPTS, as_rows, unit, whole, write_npz, write_parquet


def test_every_model_is_read_and_what_lies_beside_is_not(tmp_path):
    write_npz(tmp_path / "b.npz", whole() | {"title": np.array("Second")})
    write_parquet(tmp_path / "a.parquet", as_rows(whole()))
    for name in ("README.md", "b.npz.dvc", ".gitignore"):
        (tmp_path / name).write_text("")
    found = read_others(METHODS, PROMPTS, tmp_path)
    assert [(name, model.title) for name, model in found.items()] == [("a", "Their model"), ("b", "Second")]
    assert all(model.baseline and model.aligned for model in found.values())
    assert read_others(METHODS, PROMPTS, tmp_path / "nowhere") == {}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("theirs.csv", "must hold .npz and .parquet files alone: see .*README.md"),
        ("folder", "must hold .npz and .parquet files alone"),
        ("their model.npz", "its name must be of the letters a to z, digits"),
        ("-x.npz", "its name must be of the letters"),
        ("clap-sce.npz", "its name must be its own, found another clap-sce: rename it"),
        ("first.parquet", "its name must be its own, found another first"),
        ("second.npz", "its title must be its own, found another 'Their model'"),
    ],
)
def test_a_file_that_cannot_stand_beside_the_others_is_named(tmp_path, name, told):
    write_npz(tmp_path / "first.npz", whole())
    path = tmp_path / name
    if path.suffix:
        write_npz(path, whole()) if path.suffix == ".npz" else path.write_text("")
    else:
        path.mkdir()
    with pytest.raises(ValueError, match=rf"^{re.escape(str(path))}: .*{told}"):
        read_others(METHODS, PROMPTS, tmp_path)


def test_its_title_may_be_no_methods(tmp_path):
    write_npz(tmp_path / "x.npz", whole() | {"title": np.array(METHODS["clap-sce"].title)})
    with pytest.raises(ValueError, match=r"found another 'CLAP-SCE \(A-V\)': put in another `title`"):
        read_others(METHODS, PROMPTS, tmp_path)


def test_its_prompts_are_those_of_the_project(tmp_path):
    write_npz(tmp_path / "x.npz", whole())
    with pytest.raises(ValueError, match="for each row of data/prompts.parquet and in its order"):
        read_others(METHODS, PROMPTS[:28], tmp_path)


def test_clips_are_taken_by_their_ids_with_the_labels_of_the_split(tmp_path):
    write_npz(tmp_path / "x.npz", whole())
    model = read_others(METHODS, PROMPTS, tmp_path)["x"]
    labels = np.arange(6.0).reshape(3, 2) + 1
    found = model.of(
        (["clip 4", "clip 0", "clip 9"], labels, "split a"), (["probe 1"], labels[:1], "split b")
    )
    assert np.array_equal(found.clips.speech, whole()["speech"][[4, 0, 9]])
    assert np.array_equal(found.clips.captions, whole()["captions"][[4, 0, 9]])
    assert np.array_equal(found.labels, labels)
    fitted = found.fitted()
    assert fitted is not None
    assert np.array_equal(fitted[0].speech, whole()["probe_speech"][[1]])
    with pytest.raises(
        ValueError, match="every clip of split a, found 1 of 2 by their utterance ids and no 'x'"
    ):
        model.of((["x", "clip 1"], labels[:2], "split a"), ([], labels[:0], "split b"))
    with pytest.raises(ValueError, match="every clip of split b, found 0 of 1"):
        model.of((["clip 1"], labels[:1], "split a"), (["clip 1"], labels[:1], "split b"))


def test_without_ids_there_is_no_split(tmp_path):
    write_npz(
        tmp_path / "x.npz", {name: a for name, a in whole().items() if not name.endswith("utterance_id")}
    )
    model = read_others(METHODS, PROMPTS, tmp_path)["x"]
    with pytest.raises(ValueError, match="must have the utterance ids of split a"):
        model.of((["clip 1"], np.ones((1, 2)), "split a"), ([], np.ones((0, 2)), "split b"))


def test_two_files_of_the_same_clips_stand_beside_each_other(tmp_path):
    order = np.random.default_rng(0).permutation(CLIPS)
    names = ("speech", "captions", "valence", "arousal", "utterance_id")
    write_npz(tmp_path / "a.npz", whole())
    write_npz(tmp_path / "b.npz", whole() | {n: whole()[n][order] for n in names} | {"title": np.array("b")})
    first, second = read_others(METHODS, PROMPTS, tmp_path).values()
    assert np.array_equal(second.beside(first).clips.speech, first.clips.speech)
    other = whole() | {
        "utterance_id": np.arange(CLIPS),
        "valence": np.full(CLIPS, 2.0),
        "speech": unit(CLIPS, 9),
    }
    write_npz(tmp_path / "b.npz", other | {"title": np.array("b")})
    first, second = read_others(METHODS, PROMPTS, tmp_path).values()
    with pytest.raises(
        ValueError, match="must be of the clips of .*a.npz, in its order or by utterance_id in both"
    ):
        second.beside(first)
