"""Files that people keep tables in: what is read, and what is refused with one line."""

from __future__ import annotations

import bz2
import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from pipeline.corpora.loading import load
from pipeline.corpora.table import read
from pipeline.manifest import Utterance

COLUMNS = {"path": "file", "split": "set", "valence": "val", "arousal": "act"}

CSV = "file,set,val,act\na.wav,train,2.5,3\nb.wav,train,4,5\n"

EXPECTED = [Utterance("a.wav", "a.wav", "train", 2.5, 3.0), Utterance("b.wav", "b.wav", "train", 4.0, 5.0)]

TABLE = pa.table({"file": ["a.wav", "b.wav"], "set": ["train"] * 2, "val": [2.5, 4.0], "act": [3, 5]})


def write(file: Path, content: str | bytes) -> Path:
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def refuses(file: Path, message: str, columns: dict[str, str] = COLUMNS, **how: object) -> None:
    with pytest.raises(ValueError, match=message) as refused:
        read(file, columns=columns, **how)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("separator", list(",;\t|"))
@pytest.mark.parametrize("name", ["labels.csv", "labels.tsv", "labels.txt", "LABELS.CSV", "labels"])
def test_the_header_tells_what_separates_columns(tmp_path, separator, name):
    assert read(write(tmp_path / name, CSV.replace(",", separator)), columns=COLUMNS).utterances == EXPECTED


def test_names_in_quotes_may_hold_other_separators(tmp_path):
    text = '"file";"set, x; y";"val"\t;act\na.wav;train;2,5;3\nb.wav;train;4;5\n'
    file = write(tmp_path / "labels.csv", text)
    assert read(file, columns=COLUMNS | {"split": "set, x; y"}).utterances == EXPECTED


def test_commas_in_names_are_told_from_those_that_separate(tmp_path):
    text = "a, b;set;val;act, too\na.wav;train;2,5;3\nb.wav;train;4;5\n"
    file = write(tmp_path / "labels.csv", text)
    assert load(file).names == ["a, b", "set", "val", "act, too"]
    assert load(write(file, CSV.replace("set", "s;et"))).names == ["file", "s;et", "val", "act"]


def test_any_other_separator_is_named(tmp_path):
    file = write(tmp_path / "labels.csv", CSV.replace(",", "^"))
    assert read(file, columns=COLUMNS, separator="^").utterances == EXPECTED
    refuses(file, r"it has file\^set\^val\^act; prepare.table.separator says what else separates columns")
    refuses(write(tmp_path / "b.csv", CSV), "missing act, file, set, val; it has file,set", separator=";")


def test_excels_line_that_names_the_separator_is_read(tmp_path):
    text = "sep=;\r\n" + CSV.replace(",", ";").replace("\n", "\r\n")
    assert read(write(tmp_path / "labels.csv", text), columns=COLUMNS).utterances == EXPECTED
    refuses(write(tmp_path / "b.csv", text.replace("4;", "x;")), "found 'x' in line 4 of")


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_lines_count_as_an_editor_counts_them(tmp_path, ends):
    text = '"file\nname",set,val,act\n\n"a\nb.wav",train,1,1\n\n\nc.wav,train,x,1\n'.replace("\n", ends)
    columns = COLUMNS | {"path": "file" + ends + "name"}
    refuses(
        write(tmp_path / "labels.csv", text), r"found 'x' in line 8 of .*, column 'val' \(c.wav\)", columns
    )


def test_line_breaks_in_quoted_cells_are_read_beyond_a_block(tmp_path):
    rows = "".join(f'{i}.wav,train,4,4,"he said ""{i}"",\nand\r\n\nmore {"x" * 60}"\n' for i in range(30_000))
    file = write(tmp_path / "labels.csv", f"file,set,val,act,text\n{rows}")
    assert file.stat().st_size > 3 << 20
    utterances = read(file, columns=COLUMNS | {"transcript": "text"}).utterances
    assert len(utterances) == 30_000
    assert utterances[-1].transcript == f'he said "29999",\nand\r\n\nmore {"x" * 60}'
    write(file, f"file,set,val,act,text\n{rows}last.wav,train,9,4,x\n")
    refuses(file, f"found 9 in line {30_000 * 4 + 2} of")


@pytest.mark.parametrize("order", ["file,set,val,act", "val,act,set,file"])
def test_a_quote_that_never_ends_is_found_out(tmp_path, order):
    rows = {"file": '"b.wav', "set": "train", "val": "1", "act": "1"}
    broken = ",".join(rows[name] for name in order.split(","))
    good = broken.replace('"', "")
    text = f"{order}\n{good}\n{broken}\n{good}\n{good}\n"
    refuses(write(tmp_path / "labels.csv", text), "must end with a quote, found none .* in line 3 or below")


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("labels.csv.gz", gzip.compress),
        ("labels.csv.bz2", bz2.compress),
        ("labels.tsv.zst", lambda data: pa.compress(data, "zstd", asbytes=True)),
        ("labels", gzip.compress),
    ],
)
def test_compressed_text_is_read(tmp_path, name, pack):
    assert read(write(tmp_path / name, pack(CSV.encode())), columns=COLUMNS).utterances == EXPECTED
    refuses(write(tmp_path / name, pack(CSV.replace("2.5", "x").encode())), "found 'x' in line 2 of")
    refuses(
        write(tmp_path / name, pack(CSV.encode() * 99)[:-20]), "must be a table as CSV, parquet or feather"
    )


@pytest.mark.parametrize("name", ["l.parquet", "l.PARQUET", "l.pq", "l.feather", "l.Arrow", "l.arrows", "l"])
def test_files_with_columns_of_their_own_are_told_by_their_content(tmp_path, name):
    file = tmp_path / name
    if name.lower().endswith(("feather", "arrow")):
        pyarrow.feather.write_feather(TABLE, str(file))
    elif name.endswith("arrows"):
        with pa.ipc.new_stream(str(file), TABLE.schema) as stream:
            stream.write_table(TABLE)
    else:
        pq.write_table(TABLE, file)
    assert read(file, columns=COLUMNS).utterances == EXPECTED


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["train"] * 2, pa.large_string()),
        pa.array(["train"] * 2).dictionary_encode(),
        pa.array([b"train"] * 2),
        pa.array([b"train"] * 2, pa.large_binary()),
        pa.array([b"train"] * 2, pa.binary(5)),
        pa.array(["train"] * 2, pa.string_view()),
    ],
    ids=lambda column: str(column.type),
)
def test_texts_of_any_type_are_texts(tmp_path, column):
    pq.write_table(TABLE.set_column(1, "set", column), tmp_path / "l.parquet")
    assert read(tmp_path / "l.parquet", columns=COLUMNS).utterances == EXPECTED


def labels(tmp_path: Path, **columns: object) -> Path:
    table = TABLE
    for name, column in columns.items():
        table = table.append_column(name, column if isinstance(column, pa.Array) else pa.array(column))
    pq.write_table(table, tmp_path / "l.parquet")
    return tmp_path / "l.parquet"


def test_an_id_that_became_a_fraction_is_a_whole_number_again(tmp_path):
    file = labels(tmp_path, n=[1.0, 20.0], m=[1.5, 2.0], who=[7.0, None])
    utterances = read(file, columns=COLUMNS | {"id": "n", "speaker": "who"}).utterances
    assert [(u.id, u.speaker) for u in utterances] == [("1", "7"), ("20", None)]
    assert [u.id for u in read(file, columns=COLUMNS | {"id": "m"}).utterances] == ["1.5", "2.0"]


def test_labels_to_drop_are_named_as_the_file_has_them(tmp_path):
    pq.write_table(TABLE.set_column(2, "val", pa.array([0.0, 4.0])), tmp_path / "l.parquet")
    corpus = read(tmp_path / "l.parquet", columns=COLUMNS, drop={"valence": ["0.0"]})
    assert (corpus.utterances, corpus.left_out) == (EXPECTED[1:], {"valence 0.0": 1})


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_an_id_that_is_missing_is_the_path_and_told(tmp_path, missing):
    corpus = read(labels(tmp_path, n=[missing, 2.0]), columns=COLUMNS | {"id": "n"})
    assert [u.id for u in corpus.utterances] == ["a.wav", "2"]
    (note,) = corpus.notes
    assert "1 row has no id, for which the path stands (the first: row 1 of" in note


def test_columns_that_are_not_mapped_may_hold_anything(tmp_path):
    file = labels(tmp_path, sound=[b"\xff\xfe", None], curve=[[1, 2], []], nested=[{"a": 1}, {"a": 2}])
    assert read(file, columns=COLUMNS).utterances == EXPECTED
    refuses(file, r"must hold text in UTF-8, found b'\\xff\\xfe' in row 1 of", COLUMNS | {"id": "sound"})
    refuses(file, "column 'curve' of .* must hold text or numbers, found list", COLUMNS | {"id": "curve"})
    refuses(file, "column 'nested' of .* must hold text or numbers, found struct", COLUMNS | {"id": "nested"})


def test_a_missing_label_of_parquet_is_named_with_its_row(tmp_path):
    for value, found in ((None, "found nothing"), (float("nan"), "found 'nan'")):
        pq.write_table(TABLE.set_column(2, "val", pa.array([2.5, value])), tmp_path / "l.parquet")
        refuses(
            tmp_path / "l.parquet", rf"{found} in row 2 of .*, column 'val' \(b.wav\): label it, or leave"
        )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("l.xlsx", b"PK\x03\x04...", "found that it is an Excel .* file: save its sheet as `CSV UTF-8`"),
        ("l.csv", b"PK\x03\x04...", "found that it is an Excel .* file: save its sheet as `CSV UTF-8`"),
        ("l.xls", b"\xd0\xcf\x11\xe0...", "found that it is an old Excel file: save its sheet"),
        ("l.csv.xz", b"\xfd7zXZ\x00...", "found that it is compressed by xz: unpack it"),
        ("l.csv", b"version https://git-lfs.github.com/spec/v1\n", "found a Git LFS pointer: run `git lfs"),
        ("l.csv", b"<!DOCTYPE html>\n<html>", "must be a table as CSV, parquet or feather, found a web page"),
        ("l.csv", b"", "must have a header and rows, found an empty file"),
        ("l.csv", b" \n\n", "must have a header and rows, found an empty file"),
        ("l.csv", b"file,set,val,act\n", "must have a row a clip below its header, found none"),
        ("l.parquet", CSV.encode(), "must be parquet, as it is called, found other bytes: copy it again"),
        ("l.parquet", b"PAR1" + bytes(50), "must be a table as CSV, parquet or feather: "),
        ("l.feather", b"ARROW1" + bytes(50), "must be a table as CSV, parquet or feather: "),
    ],
)
def test_what_is_no_table_is_called_what_it_is(tmp_path, name, content, message):
    refuses(write(tmp_path / name, content), message)


def test_names_of_columns_are_found_without_spaces_and_in_another_case(tmp_path):
    file = write(tmp_path / "labels.csv", CSV.replace("file,set,val", "\ufeff file, set ,VAL"))
    corpus = read(file, columns=COLUMNS | {"split": " set"})
    assert corpus.utterances == EXPECTED
    (note,) = corpus.notes
    assert note.endswith("has no column 'val': 'VAL' was read as valence")
    write(file, CSV.replace("file,set,val,act", "file,set,Val,VAL"))
    refuses(file, "missing act, val; it has file, set, Val, VAL; like val: ")


def test_names_that_are_like_an_absent_one_are_told(tmp_path):
    file = write(tmp_path / "labels.csv", CSV.replace("val,act", "valence,arousal"))
    refuses(file, "missing act, valens; it has .*; like valens: valence$", COLUMNS | {"valence": "valens"})


def test_lines_with_too_many_cells_are_named(tmp_path):
    file = write(tmp_path / "labels.csv", CSV + "c.wav,train,2,5,3\n")
    refuses(file, "must have 4 cells as its header does, found 5 in line 4: .* or a number's decimal comma")


def test_rows_without_anything_are_left_out_and_counted(tmp_path):
    corpus = read(write(tmp_path / "labels.csv", f"{CSV},,,\n , ,,\n"), columns=COLUMNS)
    assert (corpus.utterances, corpus.left_out) == (EXPECTED, {"empty row": 2})
    assert read(tmp_path / "labels.csv", columns=COLUMNS, drop={"split": [""]}).left_out == {"empty row": 2}
