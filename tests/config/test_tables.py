"""prepare.table: what its keys may hold."""

from __future__ import annotations

import pytest
import yaml
from pydantic import ValidationError

from pipeline.config import Prepare

TABLE = """
corpus: table
root: data
table:
  file: labels.csv
  columns: {path: file, split: set, valence: val, arousal: act}
"""


def settings(*lines: str) -> Prepare:
    return Prepare.model_validate(yaml.safe_load(TABLE + "".join(f"  {line}\n" for line in lines)))


def test_whole_numbers_are_the_texts_that_they_are_written_as():
    table = settings(
        "splits: {0: train, 1: development}",
        "emotions: {0: A, 1: N, 2: null}",
        "drop: {split: [3, ''], emotion: [-1]}",
    ).table
    assert table is not None
    assert table.splits == {"0": "train", "1": "development"}
    assert table.emotions == {"0": "A", "1": "N", "2": None}
    assert table.drop == {"split": ["3", ""], "emotion": ["-1"]}
    named = Prepare.model_validate(yaml.safe_load(TABLE.replace("path: file", "path: 0"))).table
    assert named is not None
    assert named.columns["path"] == "0"


def test_what_is_not_written_is_told_from_the_file():
    table = settings().table
    assert table is not None
    assert (table.name, table.scale, table.separator, table.decimal) == (None, None, None, None)


@pytest.mark.parametrize("separator", ['","', '";"', '"\\t"', '"|"', '"^"'])
def test_a_separator_is_one_character(separator):
    table = settings(f"separator: {separator}").table
    assert table is not None
    assert table.separator == yaml.safe_load(separator)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("splits: {no: train}", "a name must be a text, found False: write what the file has in quotes"),
        ("splits: {null: train}", "a name must be a text, found None"),
        ("splits: {0.5: train}", "a name must be a text, found 0.5"),
        ("drop: {split: [yes]}", "a name must be a text, found True"),
        ("drop: {split: 3}", "table.drop.split.*\n.*valid list"),
        ("emotions: {happy: joy}", "table.emotions.happy.*\n.*'A', 'S', 'H', 'U', 'F', 'D', 'C' or 'N'"),
        ("separator: tab", "table.separator.*\n.*match pattern"),
        ("separator: ''", "table.separator.*\n.*match pattern"),
        ("separator: 'é'", "table.separator.*\n.*match pattern"),
        ("separator: '\"'", "table.separator.*\n.*match pattern"),
        ("decimal: ';'", "table.decimal.*\n.*'.' or ','"),
        ("scale: [1]", "table.scale.*\n.*at least 2"),
    ],
)
def test_what_a_key_may_not_hold_is_named(line, message):
    with pytest.raises(ValidationError, match=message):
        settings(line)
