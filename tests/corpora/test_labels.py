"""Texts as labels: missing ones, decimal commas, other scales; and what is told of them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from pipeline.corpora.labels import to_labels
from pipeline.corpora.remarks import forgotten_scale, unknown_emotions
from pipeline.corpora.table import read
from pipeline.manifest import Utterance

COLUMNS = {"path": "file", "split": "set", "valence": "val", "arousal": "act"}


def labels(*texts: str | None, **how: object) -> list[float | None]:
    column = pa.chunked_array([pa.array(texts, pa.string())])
    return to_labels(
        column, "valence", lambda row: f"line {row + 2}", **{"decimal": None, "hints": True} | how
    )


def test_numbers_of_any_notation_are_read():
    assert labels("1", "2.", "+3.5", ".4e1", "5E0", "06.10") == [1, 2, 3.5, 4, 5, 6.1]


def test_decimal_commas_are_read_where_every_number_of_a_column_has_one_or_none():
    assert labels("1", "2,5", "3,", "6,25") == [1, 2.5, 3, 6.25]
    assert labels("1,234", "7") == [1.234, 7]  # on 1..7 nothing is a thousand
    assert labels("1,5", "2", decimal=",") == [1.5, 2]


@pytest.mark.parametrize(
    ("texts", "how", "message"),
    [
        (
            ("2.5", "2,5"),
            {},
            r"found '2,5' in line 3: write every number of the column with a point, or every",
        ),
        (("2,5", "3,5", "x"), {}, r"found 'x' in line 4"),
        (("1", "1.234,5"), {}, r"found '1.234,5' in line 3: write every number"),
        (("1,234", "2"), {"scale": (0, 2000)}, r"found '1,234' in line 2: write every number"),
        (("1", "2.5"), {"decimal": ","}, r"found '2.5' in line 3, and prepare.table.decimal is ','$"),
        (("1", "2,5"), {"decimal": "."}, r"found '2,5' in line 3, and prepare.table.decimal is '.'$"),
        (("1", "1_0"), {}, r"valence must be a number, found '1_0' in line 3$"),
        (("1", "inf"), {}, r"valence must be a number, found 'inf' in line 3$"),
        (("1", "1e999"), {}, r"valence must lie within 1..7, found 1e999 in line 3"),
        (("1", "x" * 99), {}, r"found 'x{40}' in line 3$"),
    ],
)
def test_what_is_no_number_is_named(texts, how, message):
    with pytest.raises(ValueError, match=message):
        labels(*texts, **how)


@pytest.mark.parametrize("missing", ["nan", "NaN", "NA", "N/A", "None", "null", "-", "<NA>", None])
def test_what_stands_for_no_label_is_missing(missing):
    assert labels("1", missing, required=False) == [1, None]
    found = repr(missing) if missing else "nothing"
    with pytest.raises(
        ValueError, match=f"valence must be a number, found {found} in line 3: label it, or leave"
    ):
        labels("1", missing)


def test_missing_labels_are_counted_and_the_way_to_leave_them_out_is_whole():
    message = (
        r"found 'NA' in line 3 \(in all 3 such rows\): .* prepare.table.drop: {valence: \['', '-', 'NA'\]}$"
    )
    with pytest.raises(ValueError, match=message):
        labels("1", "NA", "2", "-", None)


@pytest.mark.parametrize(
    ("texts", "such"),
    [
        (("0.5", "0.1", "1"), r"\[0, 1\]"),
        (("-0.5", "0.1", "1"), r"\[-1, 1\]"),
        (("0", "5"), r"\[0, 5\]"),
        (("3", "9", "8"), r"\[1, 9\]"),
        (("10", "0"), r"\[0, 10\]"),
        (("3", "99", "88"), r"\[0, 100\]"),
    ],
)
def test_labels_of_another_scale_suggest_it(texts, such):
    with pytest.raises(
        ValueError, match=f"set prepare.table.scale to the lowest .* possible, such as {such}$"
    ):
        labels(*texts)


def test_a_slip_among_many_labels_suggests_no_scale():
    with pytest.raises(ValueError, match=r"within 1..7, found 55 in line 22: mend it, or leave the row out$"):
        labels(*["4"] * 20, "55")


def spread(count: int, low: float, high: float, step: float, seed: int = 0) -> list[Utterance]:
    rng = np.random.default_rng(seed)
    values = np.clip(
        np.round(rng.normal((low + high) / 2, (high - low) / 4, (count, 2)) / step) * step, low, high
    )
    return [Utterance(f"{i}", "a.wav", "train", *pair) for i, pair in enumerate(values.tolist())]


@pytest.mark.parametrize(("count", "step"), [(40, 1.0), (100, 0.1), (5000, 0.01)])
def test_a_scale_that_seems_forgotten_is_told(tmp_path, count, step):
    (note,) = forgotten_scale(spread(count, 1, 5, step), tmp_path)
    assert f"no valence or arousal of the {count} rows of {tmp_path} is above 5: if people could not" in note
    assert "such as [1, 5]; if they could, set it to [1, 7]" in note


def test_a_scale_of_1_to_7_is_not_taken_for_another(tmp_path):
    for seed in range(50):
        assert forgotten_scale(spread(100, 1, 7, 0.2, seed), tmp_path) == []
    few = [Utterance("a", "a.wav", "train", 1.0, 5.0)] * 10
    assert forgotten_scale(few, tmp_path) == []


def test_a_scale_that_is_written_is_not_doubted(tmp_path):
    rows = "".join(f"{i}.wav,train,{1 + i % 5},3\n" for i in range(200))
    (tmp_path / "l.csv").write_text("file,set,val,act\n" + rows)
    assert len(read(tmp_path / "l.csv", columns=COLUMNS).notes) == 1
    for scale in ((1, 5), (1, 7)):
        assert read(tmp_path / "l.csv", columns=COLUMNS, scale=scale).notes == []


def test_emotions_are_renamed_and_unknown_ones_told(tmp_path):
    names = ["happy", "H", "other", "nan", "", "happy", "sad"]
    rows = "".join(f"{i}.wav,train,4,4,{name}\n" for i, name in enumerate(names))
    (tmp_path / "l.csv").write_text("file,set,val,act,emo\n" + rows)
    columns = COLUMNS | {"emotion": "emo"}
    (note,) = read(tmp_path / "l.csv", columns=columns).notes
    assert "has 4 emotions of other names than A S H U F D C N, which methods that learn from" in note
    assert "kept as written: 'happy' 2, 'nan' 1, 'other' 1, 'sad' 1; prepare.table.emotions renames" in note
    emotions = {"happy": "H", "sad": "S", "other": None, "nan": None}
    corpus = read(tmp_path / "l.csv", columns=columns, emotions=emotions)
    assert [u.emotion for u in corpus.utterances] == ["H", "H", None, None, None, "H", "S"]
    assert corpus.notes == []
    with pytest.raises(
        ValueError, match="columns must map emotion where prepare.table.emotions renames them"
    ):
        read(tmp_path / "l.csv", columns=COLUMNS, emotions=emotions)


def test_not_every_one_of_many_unknown_emotions_is_told(tmp_path):
    utterances = [Utterance(f"{i}", "a.wav", "train", 4, 4, emotion=f"e{i:03}") for i in range(30)]
    (note,) = unknown_emotions(utterances, tmp_path)
    assert "'e009' 1 and 20 more; prepare" in note
