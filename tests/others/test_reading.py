"""Files of embeddings: what is read, and the one line that is said of what cannot be measured."""

from __future__ import annotations

import contextlib
import io
import os
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.others.layout import Unfit
from pipeline.others.model import OtherModel
from pipeline.others.reading import read_model
from tests.others.made import CLIPS, PROMPTS, SIZE, as_rows, unit, whole, write_npz, write_parquet


def with_row(array: np.ndarray, row: int, value: float) -> np.ndarray:
    changed = array.copy()
    changed[row] = value
    return changed


def same(found: OtherModel, expected: OtherModel) -> bool:
    def parts(model: OtherModel) -> list:
        clips = [model.clips, model.probed] if model.probed else [model.clips]
        arrays = [part for c in clips for part in (c.speech, c.captions, c.labels)]
        return [
            *(a.tolist() for a in (*arrays, model.prompts)),
            [c.ids for c in clips],
            model.texts,
            model.title,
        ]

    return parts(found) == parts(expected)


def test_what_is_written_is_what_is_read(tmp_path):
    arrays = whole()
    found = read_model(write_npz(tmp_path / "mine.npz", arrays))
    assert np.array_equal(found.clips.speech, arrays["speech"])
    assert found.clips.speech.dtype == np.float32
    assert np.array_equal(found.labels, np.stack([arrays["valence"], arrays["arousal"]], axis=1))
    assert found.clips.ids == arrays["utterance_id"].tolist()
    assert found.probed is not None
    assert len(found.probed) == 15
    assert (found.title, found.unused) == ("Their model", [])
    found.check_prompts(PROMPTS, "the template")


def test_parquet_says_the_same_as_an_npz(tmp_path):
    expected = read_model(write_npz(tmp_path / "mine.npz", whole()))
    assert same(read_model(write_parquet(tmp_path / "mine.parquet", as_rows(whole()))), expected)


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.float64()), pa.large_list(pa.float32()), pa.list_(pa.float32(), SIZE)]
)
def test_lists_of_any_make_are_read(tmp_path, kind):
    table = pa.Table.from_pylist(as_rows(whole()))
    for name in ("speech", "captions", "prompts"):
        column = table.schema.get_field_index(name)
        table = table.set_column(column, name, table.column(name).cast(kind))
    kinds = table.schema.get_field_index("kind")
    table = table.set_column(kinds, "kind", table.column("kind").dictionary_encode())
    pq.write_table(table, tmp_path / "mine.parquet", row_group_size=7)
    expected = read_model(write_npz(tmp_path / "mine.npz", whole()))
    assert same(read_model(tmp_path / "mine.parquet"), expected)


@pytest.mark.parametrize("dtype", ["<f2", ">f2", ">f4", "<f8", ">f8", "longdouble"])
def test_any_precision_and_byte_order_is_read(tmp_path, dtype):
    arrays = whole()
    cast = {name: arrays[name].astype(dtype) for name in ("speech", "captions", "prompts", "valence")}
    found = read_model(write_npz(tmp_path / "mine.npz", arrays | cast))
    assert found.clips.speech.dtype == np.float32
    assert np.allclose(found.clips.speech, arrays["speech"], atol=1e-3)
    assert np.allclose(found.labels[:, 0], arrays["valence"], atol=5e-3)


def test_columns_first_and_compressed_are_read(tmp_path):
    arrays = whole() | {"speech": np.asfortranarray(whole()["speech"])}
    np.savez_compressed(tmp_path / "mine.npz", **arrays)
    expected = read_model(write_npz(tmp_path / "plain.npz", whole()))
    assert same(read_model(tmp_path / "mine.npz"), expected)


def test_ids_may_be_numbers_or_bytes_and_labels_whole_numbers(tmp_path):
    arrays = whole() | {"utterance_id": np.arange(CLIPS), "valence": np.full(CLIPS, 4)}
    found = read_model(write_npz(tmp_path / "mine.npz", arrays | {"text": whole()["text"].astype("S")}))
    assert found.clips.ids == [str(i) for i in range(CLIPS)]
    assert found.labels[:, 0].tolist() == [4.0] * CLIPS
    found.check_prompts(PROMPTS, "the template")


def test_without_a_title_the_file_gives_it(tmp_path):
    arrays = {name: array for name, array in whole().items() if name != "title"}
    assert read_model(write_npz(tmp_path / "Their CLAP.npz", arrays)).title == "Their CLAP"


def test_what_the_layout_does_not_know_is_told(tmp_path):
    found = read_model(write_npz(tmp_path / "mine.npz", whole() | {"probe_caption": np.ones(3)}))
    assert found.unused == ["probe_caption"]
    rows = [row | {"speaker": "x", "list": 3, "__index_level_0__": 0} for row in as_rows(whole())]
    assert read_model(write_parquet(tmp_path / "mine.parquet", rows)).unused == ["speaker"]


def test_vectors_of_any_length_are_normalised_on_request(tmp_path):
    arrays = whole()
    longer = arrays | {name: 3 * arrays[name].astype(np.float64) for name in ("speech", "captions")}
    path = write_npz(tmp_path / "mine.npz", longer | {"prompts": (100 * arrays["prompts"]).astype(np.int8)})
    found = read_model(path, normalize=True)
    assert np.allclose(found.clips.speech, arrays["speech"], atol=1e-6)
    assert np.allclose(np.linalg.norm(found.prompts, axis=1), 1, atol=1e-6)


CLIP_ARRAYS = ("speech", "captions", "valence", "arousal", "utterance_id")

BROKEN = {
    "nan": ({"speech": with_row(unit(CLIPS, 1), 7, np.nan)}, "speech must be finite, found nan in row 7"),
    "inf": ({"prompts": with_row(unit(56, 1), 5, -np.inf)}, "prompts must be finite, found -inf in row 5"),
    "zero": ({"captions": with_row(unit(CLIPS, 1), 3, 0)}, "nothing but zeros in row 3"),
    "long": ({"captions": with_row(unit(CLIPS, 1), 4, 2)}, "length one, found 4.899 in row 4.*--normalize"),
    "flat": ({"speech": np.ones(CLIPS)}, "speech must be a row of two numbers or more for each.*shape \\(20,\\)"),
    "deep": ({"speech": np.ones((CLIPS, 2, 2))}, r"found the shape \(20, 2, 2\)"),
    "none": ({"speech": np.ones((0, 6))}, r"found the shape \(0, 6\)"),
    "text": ({"speech": np.full((CLIPS, SIZE), "a")}, "speech must be real numbers, found <U1"),
    "complex": ({"speech": np.ones((CLIPS, SIZE), complex)}, "must be real numbers, found complex128"),
    "few": ({n: whole()[n][:13] for n in CLIP_ARRAYS}, "speech must be at least 14 clips to retrieve, found 13"),
    "rows": ({"captions": unit(CLIPS - 1, 2)}, "a row for each clip, found 20 and 19"),
    "sizes": ({"prompts": unit(56, 3, size=9)}, "found 6 numbers in a row of speech and 9 in one of prompts"),
    "scale": ({"arousal": np.full(CLIPS, 0.5)}, r"arousal must lie within 1\.\.7, found 0.5 in row 0"),
    "label": ({"valence": with_row(whole()["valence"], 2, np.nan)}, r"valence must lie .*found nan in row 2"),
    "labels": ({"valence": np.full(CLIPS - 1, 4.0)}, r"must be one for each of the 20 rows.*shape \(19,\)"),
    "column": ({"valence": np.full((CLIPS, 1), 4.0)}, r"found the shape \(20, 1\)"),
    "words": ({"valence": np.full(CLIPS, "4")}, "valence must be real numbers, found <U1"),
    "ids": ({"utterance_id": np.full(CLIPS, "a")}, "utterance_id must be there once, found 'a' in rows 0 and 1"),
    "float ids": ({"utterance_id": np.arange(20.0)}, "utterance_id must be texts, found float64"),
    "bytes": ({"utterance_id": np.full(CLIPS, b"\xff")}, "utterance_id must be texts in UTF-8"),
    "texts": ({"text": np.array(["one"])}, r"text must be one for each of the 56 rows of prompts.*\(1,\)"),
    "pickled ids": ({"utterance_id": np.full(CLIPS, "a", object)}, "Python objects.*dtype=str"),
    "pickled": ({"speech": np.full((CLIPS, SIZE), 1, object)}, "Python objects.*would be unpickled.*np.float32"),
    "titles": ({"title": np.array(["a", "b"])}, r"title must be one text, found the shape \(2,\)"),
    "title": ({"title": np.array("a | b")}, r"title must be 1 to 60 characters.*found 'a \| b'"),
    "papers": ({"title": np.array("paper's own")}, "title must be"),
    "escape": ({"title": np.array("a\x1b[2Jb")}, r"title must be"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_bad_arrays_get_one_line(tmp_path, case):
    arrays, told = BROKEN[case]
    path = write_npz(tmp_path / "mine.npz", whole() | arrays)
    with pytest.raises(ValueError, match=told) as caught:
        read_model(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("left_out", "told"),
    [
        ("speech", "must have speech, captions, prompts, found no speech but captions"),
        ("prompts", "found no prompts but"),
        ("valence", "must have both valence and arousal or neither, found arousal alone"),
        ("probe_speech", "must have probe_speech beside probe_captions, found none: docs/score.md"),
        ("probe_arousal", "both probe_valence and probe_arousal or neither"),
    ],
)
def test_missing_arrays_get_one_line(tmp_path, left_out, told):
    arrays = {name: array for name, array in whole().items() if name != left_out}
    with pytest.raises(ValueError, match=told):
        read_model(write_npz(tmp_path / "mine.npz", arrays))


ROWS = as_rows(whole())

BROKEN_ROWS = {
    "no kind": ([{n: v for n, v in row.items() if n != "kind"} for row in ROWS], "must have a column kind"),
    "kind": ([*ROWS, ROWS[0] | {"kind": "clips"}], "kind must be clip, prompt or probe, found 'clips'"),
    "no kinds": ([ROWS[0] | {"kind": None}, *ROWS[1:]], "kind must be there in every row, found none in row 0"),
    "gap": ([*ROWS[:2], ROWS[2] | {"speech": None}, *ROWS[3:]], "in every row of kind clip, found none in row 2"),
    "hole": ([*ROWS[:2], ROWS[2] | {"speech": [None] * 6}, *ROWS[3:]], "no empty places in its lists.*row 2"),
    "short": ([*ROWS[:2], ROWS[2] | {"speech": [1.0]}, *ROWS[3:]], "found 6 numbers in row 0 and 1 in row 2"),
    "no list": ([row | {"speech": 1.0} for row in ROWS], "speech must be a list of numbers .*found double"),
    "words": ([row | {"valence": "4"} for row in ROWS], "valence must be numbers, found string"),
    "texts": ([row | {"text": 4} for row in ROWS], "text must be texts, found int64"),
    "titles": ([row | {"title": str(i % 2)} for i, row in enumerate(ROWS)], "title must be one text"),
    "no prompts": ([row for row in ROWS if row["kind"] != "prompt"], "found no prompts but speech"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN_ROWS)
def test_bad_rows_get_one_line(tmp_path, case):
    rows, told = BROKEN_ROWS[case]
    with pytest.raises(ValueError, match=told) as caught:
        read_model(write_parquet(tmp_path / "mine.parquet", rows))
    assert "\n" not in str(caught.value)


def npz_of(members: dict[str, bytes], *, compressed: bool = False) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def npy(shape: str, data: bytes = b"", descr: str = "<f4", version: bytes = b"\x01\x00") -> bytes:
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY" + version + len(header).to_bytes(2, "little") + header + data


WHOLE = io.BytesIO()
np.savez(WHOLE, **whole())

FILES = {
    "empty": (b"", "must be an .npz .np.savez. or parquet, found an empty file"),
    "text": (b"speech,captions\n", "must be an .npz .*found b'speech,c'"),
    "one array": (npy("(2, 2)"), "found a single array: write them all by np.savez"),
    "cut": (WHOLE.getvalue()[:-900], "must be a whole .npz"),
    "cut in the middle": (WHOLE.getvalue()[:300], "must be a whole .npz"),
    "changed": (WHOLE.getvalue().replace(whole()["speech"].tobytes()[:8], b"\0" * 8), "must be a whole .npz"),
    "no zip": (b"PK\x03\x04 and so on", "must be a whole .npz"),
    "cut parquet": (b"PAR1 and so on PAR1", "must be a whole parquet file"),
    "huge": (npz_of({"speech.npy": npy("(10**6, 10**6)")}), "speech must be an array as np.savez writes it"),
    "claim": (npz_of({"speech.npy": npy("(1000000, 1000000)")}), "hold what its header says, found 0 bytes"),
    "negative": (npz_of({"speech.npy": npy("(-2, -2)", bytes(16))}), "hold what its header says"),
    "nothing wide": (npz_of({"text.npy": npy("(10000000000000,)", descr="<U0")}), "hold what its header says"),
    "long header": (npz_of({"speech.npy": npy("(" + "1," * 30_000 + ")")[:60_000]}), "as np.savez writes it"),
    "nested": (npz_of({"speech.npy": npy("(" * 4000)}), "as np.savez writes it"),
    "version": (npz_of({"speech.npy": npy("(1,)", version=b"\x09\x00")}), "as np.savez writes it"),
    "no array": (npz_of({"speech.npy": b"\x80\x04."}), "as np.savez writes it"),
    "twice": (npz_of({"speech.npy": npy("(0,)"), "speech": npy("(0,)")}), "an array once, found speech more"),
    "nothing": (npz_of({}), "must be an .npz|found no speech"),
    "elsewhere": (npz_of({"../../speech.npy": npy("(0,)")}), "found no speech but ../../speech"),
}  # fmt: skip


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_is_no_such_file_gets_one_line(tmp_path, case):
    data, told = FILES[case]
    path = tmp_path / "mine.npz"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=told) as caught:
        read_model(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_what_unpacks_to_more_than_memory_has_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.others.npz.LARGEST_BYTES", 1 << 20)
    bomb = npz_of({"speech.npy": npy("(1024, 512)", bytes(1 << 21))}, compressed=True)
    assert len(bomb) < 1 << 13
    (tmp_path / "mine.npz").write_bytes(bomb)
    with pytest.raises(ValueError, match="must unpack to at most 0 GiB, found 0.0 GiB"):
        read_model(tmp_path / "mine.npz")
    monkeypatch.setattr("pipeline.others.columns.LARGEST_BYTES", 1 << 14)
    rows = [row | {"speech": [0.0] * 4096} for row in ROWS]
    with pytest.raises(ValueError, match="must unpack to at most"):
        read_model(write_parquet(tmp_path / "mine.parquet", rows))


def test_a_folder_a_pipe_and_nothing_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "pipe.npz")
    for name, found in ((".", "a folder"), ("pipe.npz", "something else"), ("none.npz", "nothing")):
        with pytest.raises(ValueError, match=f"must be a file, .npz or parquet, found {found}"):
            read_model(tmp_path / name)


@pytest.mark.parametrize("seed", range(4))
def test_damaged_files_are_read_or_get_one_line(tmp_path, seed):
    rng = np.random.default_rng(seed)
    files = [WHOLE.getvalue(), write_parquet(tmp_path / "a.parquet", ROWS).read_bytes()]
    for number in range(int(os.environ.get("FUZZED_FILES", "25"))):
        data = bytearray(files[number % 2])
        for _ in range(rng.integers(1, 6)):
            place = int(
                rng.integers(len(data) - 200, len(data)) if rng.random() < 0.5 else rng.integers(len(data))
            )
            data[place] = int(rng.integers(256))
        path = tmp_path / "mine"
        path.write_bytes(data[: int(rng.integers(len(data)))] if rng.random() < 0.2 else data)
        with contextlib.suppress(Unfit):  # whose line names the file; any other error ends the test
            read_model(path)


def test_the_prompts_are_counted_and_compared(tmp_path):
    arrays = whole()

    def model(**changed: np.ndarray) -> OtherModel:
        return read_model(write_npz(tmp_path / "mine.npz", arrays | changed))

    fewer = {"prompts": arrays["prompts"][1:], "text": arrays["text"][1:]}
    with pytest.raises(
        ValueError, match="prompts must be 56 rows, one for each row of the template .*found 55: embed"
    ):
        model(**fewer).check_prompts(PROMPTS, "the template")
    repeated = [*PROMPTS[:-1], PROMPTS[0]]
    with pytest.raises(ValueError, match="found 55, which is how many distinct sentences they are: embed"):
        model(**fewer).check_prompts(repeated, "the template")
    with pytest.raises(
        ValueError, match="in row 0 'aoc 1 13' and not 'voc 0 0': the same sentences in another order"
    ):
        model(text=arrays["text"][::-1]).check_prompts(PROMPTS, "the template")
    with pytest.raises(ValueError, match="in row 4 'else' and not 'voc 0 4'$"):
        model(text=np.where(np.arange(56) == 4, "else", arrays["text"])).check_prompts(
            PROMPTS, "the template"
        )
    without = {name: array for name, array in arrays.items() if name != "text"}
    read_model(write_npz(tmp_path / "mine.npz", without)).check_prompts(PROMPTS, "the template")
