"""Tables read back: as they were written, or refused in a line that names the file."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.support import read_column, read_parquet, write_parquet

SCHEMA = pa.schema([pa.field("id", pa.string(), nullable=False), pa.field("label", pa.float64())])
TABLE = pa.table({"id": ["a", "b", "a"], "label": [1.0, None, 3.0]}, schema=SCHEMA)


@pytest.fixture
def file(tmp_path) -> Path:
    write_parquet(TABLE, tmp_path / "table.parquet")
    return tmp_path / "table.parquet"


def test_columns_come_in_the_order_asked_for_and_an_unknown_one_is_an_error(file):
    found = read_parquet(file, SCHEMA, made_by="erclap x", columns=["label", "id"])
    assert found.equals(TABLE.select(["label", "id"]))
    assert read_column(file, "id").equals(TABLE.column("id"))
    with pytest.raises(KeyError, match="lable"):
        read_parquet(file, SCHEMA, made_by="erclap x", columns=["id", "lable"])
    with pytest.raises(KeyError, match="lable"):
        read_column(file, "lable")


def test_some_columns_may_be_read_and_repeating_ones_as_dictionaries(file):
    assert read_parquet(file, SCHEMA, made_by="erclap x").equals(TABLE)
    assert read_parquet(file, SCHEMA, made_by="erclap x", columns=["label"]).equals(TABLE.select(["label"]))
    found = read_parquet(file, SCHEMA, made_by="erclap x", repeating=["id"])
    assert pa.types.is_dictionary(found.schema.field("id").type)
    assert found.column("id").to_pylist() == TABLE.column("id").to_pylist()


def test_a_damaged_table_is_read_as_it_was_or_refused_by_its_name(file):
    whole, dice = file.read_bytes(), random.Random(0)
    refused = []
    for _ in range(400):
        content = bytearray(whole)
        content[dice.randrange(len(content))] = dice.randrange(256)
        file.write_bytes(content)
        try:
            found = read_parquet(file, SCHEMA, made_by="erclap x")
        except RuntimeError as error:
            refused.append(str(error))
        else:
            assert found.schema.equals(SCHEMA)
    assert len(refused) > 100
    assert [line for line in refused if not line.startswith(f"{file} must ")] == []
