"""A corpus of one's own: CSV or parquet with a column map."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.corpora.table import read
from pipeline.manifest import Utterance, check_utterances

COLUMNS = {"path": "file", "split": "set", "valence": "val", "arousal": "act"}

CSV = """file,set,val,act,emo,who
a/0012.wav,Train,1,5,H,
b.wav,Dev,2.5,3,X,7
"""


def write(folder: Path, text: str = CSV) -> Path:
    path = folder / "labels.csv"
    path.write_text(text)
    return path


def test_columns_are_mapped_and_labels_rescaled(tmp_path):
    columns = COLUMNS | {"emotion": "emo", "speaker": "who"}
    corpus = read(write(tmp_path), columns=columns, splits={"Train": "train"}, scale=(1, 5))
    assert corpus.left_out == {}
    assert corpus.utterances == [
        Utterance("a/0012.wav", "a/0012.wav", "train", 1.0, 7.0, emotion="H"),
        Utterance("b.wav", "b.wav", "Dev", 3.25, 4.0, emotion="X", speaker="7"),
    ]


def test_a_parquet_file_reads_as_the_csv_does(tmp_path):
    table = pa.table({"file": ["0012", "b"], "set": ["Train", "Dev"], "val": [1, 2.5], "act": [5, 3]})
    pq.write_table(table, tmp_path / "labels.parquet")
    utterances = read(tmp_path / "labels.parquet", columns=COLUMNS).utterances
    assert [u.id for u in utterances] == ["0012", "b"]
    assert [u.valence for u in utterances] == [1.0, 2.5]


def test_ids_that_look_like_numbers_stay_as_written(tmp_path):
    path = write(tmp_path, "file,set,val,act,n\n1.wav,train,4,4,007\n2.wav,train,4,4,7\n")
    utterances = read(path, columns=COLUMNS | {"id": "n"}).utterances
    assert [u.id for u in utterances] == ["007", "7"]


def test_rows_to_drop_are_counted_and_their_labels_not_read(tmp_path):
    path = write(tmp_path, CSV + "c.wav,Test3,,,X,\n")
    columns = COLUMNS | {"emotion": "emo"}
    corpus = read(path, columns=columns, drop={"split": ["Test3"], "emotion": ["X"]})
    assert [u.id for u in corpus.utterances] == ["a/0012.wav"]
    assert corpus.left_out == {"emotion X": 1, "split Test3": 1}


def test_an_empty_cell_is_dropped_by_the_empty_text(tmp_path):
    path = write(tmp_path, CSV + "c.wav,Train,4,4,,\nd.wav,Train,4,4, ,\n")
    corpus = read(path, columns=COLUMNS | {"emotion": "emo"}, drop={"emotion": [""]})
    assert [u.emotion for u in corpus.utterances] == ["H", "X"]
    assert corpus.left_out == {"emotion (empty)": 2}


@pytest.mark.parametrize("scale", [(1, 5), (-1, 1), (-0.9, 0.7), (0.1, 0.7)])
def test_the_ends_of_a_scale_become_the_ends_of_the_manifests(tmp_path, scale):
    low, high = scale
    path = write(tmp_path, f"file,set,val,act\na.wav,train,{low},{high}\n")
    corpus = read(path, columns=COLUMNS, scale=scale)
    check_utterances(corpus.utterances, corpus.source)
    assert (corpus.utterances[0].valence, corpus.utterances[0].arousal) == pytest.approx((1, 7))


def test_a_number_that_only_python_reads_is_read(tmp_path):
    path = write(tmp_path, CSV.replace("2.5", "+2.5"))
    assert read(path, columns=COLUMNS).utterances[1].valence == 2.5


def test_an_optional_label_may_be_missing_or_nan(tmp_path):
    path = write(tmp_path, CSV.replace(",H,", ",nan,").replace(",X,", ",,"))
    corpus = read(path, columns=COLUMNS | {"dominance": "emo"})
    assert [u.dominance for u in corpus.utterances] == [None, None]
    rescaled = read(path, columns=COLUMNS | {"dominance": "emo"}, scale=(1, 5))
    assert [u.dominance for u in rescaled.utterances] == [None, None]


def test_a_wrong_row_is_named_by_its_line_in_the_file_where_others_are_left_out(tmp_path):
    path = write(tmp_path, CSV + "c.wav,Train,9,4,H,\n")
    with pytest.raises(ValueError, match="found 9 in line 4 of .*labels.csv, column .val. .c.wav."):
        read(path, columns=COLUMNS | {"emotion": "emo"}, drop={"emotion": ["X"]})


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        (CSV, COLUMNS | {"mood": "emo"}, "may map .* found mood"),
        (CSV, {"path": "file"}, "must map .* missing split, valence, arousal"),
        (CSV, COLUMNS | {"valence": "V"}, "missing V; it has file, set, val"),
        (
            CSV.replace("2.5", "nice"),
            COLUMNS,
            "valence must be a number, found 'nice' in line 3 of .*, column 'val' .b.wav.$",
        ),
        (
            CSV.replace("2.5", ""),
            COLUMNS,
            r"found nothing in line 3 of .*: label it, or leave such rows out by .*drop: {valence: \[''\]}$",
        ),
        (
            CSV.replace("2.5", "7.5"),
            COLUMNS,
            r"must lie within 1..7, found 7.5 in line 3 of .*to 7.5: set prepare.table.scale .* such as .1, 9.$",
        ),
        (
            CSV.replace("2.5", "nan"),
            COLUMNS,
            r"valence must be a number, found 'nan' in line 3 of .*drop: {valence: \['nan'\]}$",
        ),
        (
            CSV.replace("Dev", ""),
            COLUMNS,
            r"split must not be empty, found nothing in line 3 of .*drop: {split: \[''\]}$",
        ),
        (CSV.replace("emo", "val"), COLUMNS, "must have a mapped column once, found val repeated"),
        (
            CSV + "c.wav,Train\n",
            COLUMNS,
            "must have 6 cells as its header does, found 2 in line 4: put cells",
        ),
    ],
)
def test_wrong_input_is_named_with_its_line(tmp_path, text, columns, message):
    with pytest.raises(ValueError, match=message):
        read(write(tmp_path, text), columns=columns)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            CSV.replace("emo", "\xe9mo").encode("latin-1"),
            r"must be text in UTF-8, found b'\\xe9' in its line 1",
        ),
        (
            CSV.replace("H", "\xe9").encode("latin-1"),
            r"must be text in UTF-8, found b'\\xe9' in its line 2: save it again",
        ),
        (CSV.encode("utf-16"), "must be text in UTF-8, found UTF-16 or no text: save it again"),
        (CSV.encode("utf-16-be"), "must be text in UTF-8, found UTF-16 or no text: save it again"),
    ],
)
def test_a_csv_of_another_kind_is_named_with_what_to_do(tmp_path, content, message):
    path = tmp_path / "labels.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        read(path, columns=COLUMNS)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_byte_order_mark_and_semicolons_beside_commas_are_read(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text(CSV.replace("emo", "e;mo"), "utf-8-sig")
    assert len(read(path, columns=COLUMNS | {"emotion": "e;mo"}).utterances) == 2


def test_splits_of_unusual_names_are_kept_and_told(tmp_path):
    path = write(tmp_path, CSV + "c.wav,Train,4,4,,\nd.wav,test2,4,4,,\ne.wav,mine,4,4,,\n")
    corpus = read(path, columns=COLUMNS, splits={"Dev": "development", "mine": "mine"})
    assert [u.split for u in corpus.utterances] == ["Train", "development", "Train", "test2", "mine"]
    (note,) = corpus.notes
    assert "has 1 split of other names than train, development, test1, test2, test3" in note
    assert "kept as written: 'Train' 2; prepare.table.splits renames them" in note
    assert read(path, columns=COLUMNS, splits={"Dev": "x", "mine": "x", "Train": "train"}).notes == []


def test_not_every_one_of_many_unusual_splits_is_told(tmp_path):
    path = write(tmp_path, CSV + "".join(f"{i}.wav,s{i:03},4,4,,\n" for i in range(20)))
    (note,) = read(path, columns=COLUMNS).notes
    assert "has 22 splits" in note
    assert "'s007' 1 and 12 more; prepare" in note


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(ValueError, match="found no file .*labels.csv"):
        read(tmp_path / "labels.csv", columns=COLUMNS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([{"id": "a"}, {"id": "a"}], "an utterance id must occur once, found 'a'"),
        ([{"valence": 0.5}], r"valence must lie within 1..7, found 0.5 for 'u0'"),
        ([{"dominance": 8.0}], r"dominance must lie within 1..7, found 8.0"),
        ([{"arousal": float("nan")}], r"arousal must lie within 1..7, found nan"),
        ([{"split": ""}], "every utterance must have a split"),
        ([], "must have utterances, found none"),
    ],
)
def test_utterances_that_break_the_rules_are_refused(changes, message):
    utterances = [
        Utterance(
            **({"id": f"u{i}", "path": "x.wav", "split": "train", "valence": 4.0, "arousal": 4.0} | change)
        )
        for i, change in enumerate(changes)
    ]
    with pytest.raises(ValueError, match=message):
        check_utterances(utterances, "here")
