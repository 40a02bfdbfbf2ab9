"""Tables at random: each is read, or refused with one line."""

from __future__ import annotations

import csv
import gzip
import io
import random
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from pipeline.corpora import propose_table
from pipeline.corpora.table import read
from pipeline.manifest import check_utterances

COLUMNS = {
    "path": "file",
    "split": "set",
    "valence": "val",
    "arousal": "act",
    "dominance": "dom",
    "emotion": "emo",
    "id": "id",
    "transcript": "text",
}

ODD = [
    "",
    " ",
    "nan",
    "NA",
    "-",
    "None",
    "\u00a0",
    '"',
    "'",
    "\n",
    "a\r\nb",
    "\\",
    "é",
    "e\u0301",
    "\0",
    "=1+1",
    "~",
    "7,5",
    "inf",
]


def cell(dice: random.Random, name: str, row: int) -> Any:
    """A value that a column of the name may have."""
    if dice.random() < 0.01:
        return dice.choice([*ODD, None])
    if name in ("val", "act", "dom"):
        return dice.choice([round(dice.uniform(1, 7), 2), dice.randint(1, 7)])
    if name == "file":
        return f"{dice.choice(['a/', 'B/', '', 'é/', './'])}{row}.wav"
    if name == "set":
        return dice.choice(["train", "development", "test1"])
    if name == "emo":
        return dice.choice(["A", "H", "happy", "N"])
    if name == "text":
        return dice.choice(["hello", 'she said "no"', "one;\ttwo, |three", "two\nlines", "été"])
    return row


def delimited(dice: random.Random, header: list[str], rows: list[list[Any]]) -> bytes:
    """Rows as text of some dialect, sometimes damaged."""
    text = io.StringIO(newline="")
    writer = csv.writer(
        text,
        delimiter=dice.choice(",,;\t|"),
        quoting=dice.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
        lineterminator=dice.choice(["\n", "\r\n", "\r"]),
    )
    writer.writerow(header)
    comma = dice.random() < 0.2
    for row in rows:
        writer.writerow([str(v).replace(".", ",") if comma and isinstance(v, float) else v for v in row])
    written = text.getvalue()
    if dice.random() < 0.1:
        at = dice.randrange(len(written))
        written = (
            written[:at]
            + dice.choice(['"', "\n", ";", ",", "\0", "'", "\r"])
            + written[at + dice.randint(0, 3) :]
        )
    written = unicodedata.normalize(dice.choice(["NFC", "NFD"]), written)
    encoding = dice.choice(["utf-8"] * 8 + ["utf-8-sig", "latin-1", "utf-16", "utf-16-be", "cp1252"])
    data = written.encode(encoding, "replace")
    if dice.random() < 0.1:
        data = gzip.compress(data)
    return data[: dice.randrange(len(data))] if dice.random() < 0.05 else data


KINDS = [
    pa.string(),
    pa.large_string(),
    pa.float64(),
    pa.float32(),
    pa.int8(),
    pa.int64(),
    pa.binary(),
    pa.string_view(),
]


def column(dice: random.Random, values: list[Any]) -> pa.Array:
    """Values as a column of some type that can hold them."""
    for kind in dice.sample(KINDS, len(KINDS)):
        try:
            array = pa.array(
                [
                    None if v is None else v if not pa.types.is_binary(kind) else str(v).encode()
                    for v in values
                ],
                kind,
            )
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            continue
        return array.dictionary_encode() if dice.random() < 0.1 and kind != pa.string_view() else array
    texts = pa.array([None if v is None else str(v) for v in values])
    return dice.choice([texts, texts.dictionary_encode(), pa.array([[v] for v in texts.to_pylist()])])


def columnar(dice: random.Random, header: list[str], rows: list[list[Any]], file: Path) -> None:
    arrays = [column(dice, [row[i] for row in rows]) for i in range(len(header))]
    table = pa.Table.from_arrays(arrays, names=header)
    if dice.random() < 0.5:
        pq.write_table(table, file)
    else:
        pyarrow.feather.write_feather(table, str(file))
    if dice.random() < 0.1:
        data = bytearray(file.read_bytes())
        for _ in range(dice.randint(1, 20)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        file.write_bytes(data[: dice.randrange(len(data))] if dice.random() < 0.3 else data)


def make(dice: random.Random, folder: Path) -> Path:
    """A table at random."""
    header = dice.sample(list(COLUMNS.values()), len(COLUMNS)) + dice.choice(
        [*[[]] * 6, ["more"], ["more"], ["val"], ["VAL "]]
    )
    rows = [
        [cell(dice, name.strip().lower(), row) for name in header]
        for row in range(dice.choice([0, 1, 3, 3, 10, 40, 40, 40]))
    ]
    header = [
        dice.choice([name] * 90 + [f" {name} ", name.upper(), f"\ufeff{name}", name + "\n"])
        for name in header
    ]
    file = folder / dice.choice(["l.csv", "l.CSV", "l.tsv", "l", "l.txt", "l.parquet", "l.feather"])
    if file.suffix in (".parquet", ".feather") and dice.random() < 0.95:
        columnar(dice, header, rows, file)
    else:
        file.write_bytes(delimited(dice, header, rows))
    return file


def refusal(action: Callable[[], object]) -> str | None:
    """Why an action refuses its input; what is not said in a line of ours is the caller's to see."""
    try:
        action()
    except ValueError as error:
        if isinstance(error, (UnicodeError, pa.ArrowException)) or "\n" in str(error):
            raise RuntimeError(f"not a line of ours: {error!r}") from error
        return str(error)
    return None


def outcome(dice: random.Random, folder: Path) -> str:
    """Why a table at random is refused, or nothing where it is read."""
    file = make(dice, folder)
    drop = dice.choice([None, {"valence": ["", "NA", "nan"], "path": [""]}])
    how = {"scale": dice.choice([None, (1, 7), (0, 10)]), "drop": drop, "splits": {"train": "train"}}

    def read_it() -> None:
        corpus = read(file, columns=COLUMNS, root=folder, emotions={"happy": "H"}, **how)
        check_utterances(corpus.utterances, corpus.source)

    told = refusal(read_it) or ""
    refusal(lambda: propose_table(folder, file, {}))
    file.unlink()
    return told


@pytest.mark.parametrize("seed", range(4))
def test_any_table_is_read_or_refused_with_one_line(tmp_path, seed):
    dice = random.Random(seed)
    outcomes = [outcome(dice, tmp_path) for _ in range(50)]
    assert 5 < outcomes.count("") < 45
