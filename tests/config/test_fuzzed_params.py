"""Params at random are read, or refused by one line of moderate length that names the file."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from pipeline.config import load_params
from tests import quick_yaml
from tests.imports import ROOT

ODD = [
    "",
    "x" * 100_000,
    "\x1b[2J",
    "1e400",
    "-0",
    ".nan",
    ".inf",
    "0x" + "f" * 9000,
    "9" * 5000,
    "[[[[]]]]",
    "{}",
]
ODD += [
    "null",
    "true",
    "~",
    "'",
    '"',
    "&a [*a]",
    "*b",
    "!!python/object:os.system {}",
    "2024-99-99",
    "<<: 3",
    "\t",
]
ODD += [
    "[" * 2000,
    "? [a, b]\n: c",
    "@",
    "`",
    "%",
    "\u202e",
    "é" * 300,
    "-5",
    "3.7",
    "1_000",
    "no",
    "\0",
    "\ud7ff",
]


def damaged(dice: random.Random, text: str) -> bytes:
    """params.yaml of which something is odd."""
    lines = text.splitlines()
    for _ in range(dice.choice([1, 1, 1, 3])):
        at = dice.randrange(len(lines))
        key = lines[at].partition(":")[0]
        lines[at] = dice.choice(
            [
                f"{key}: {dice.choice(ODD)}",
                f"{key}: {dice.choice(ODD)}",
                lines[at] + dice.choice(ODD),
                dice.choice(ODD),
                "",
                f"{lines[at]}\n{lines[at]}",
                f"  {lines[at]}",
            ]
        )
    data = bytearray("\n".join(lines).encode("utf-8", "surrogatepass"))
    if dice.random() < 0.2:
        data[dice.randrange(len(data))] = dice.randrange(256)
    return bytes(data)


def outcome(dice: random.Random, file: Path, text: str) -> str | None:
    """Why params at random are refused, or None."""
    file.write_bytes(damaged(dice, text))
    started = time.monotonic()
    try:
        load_params(file)
    except ValueError as error:
        told = str(error)
        assert told.startswith(str(file)), told[:300]
        assert "\n" not in told, told[:300]
        assert len(told) < 8000, len(told)
        return told
    finally:
        assert time.monotonic() - started < 10
    return None


@pytest.mark.parametrize("profile", ["params.yaml", "stages/profiles/table.yaml"])
def test_params_at_random_are_read_or_refused_by_a_line(tmp_path, profile):
    dice, text = random.Random(0), (ROOT / profile).read_text()
    told = [outcome(dice, tmp_path / "params.yaml", text) for _ in range(40)]
    assert sum(line is not None for line in told) > 10


@pytest.mark.parametrize("value", ["!!int ''", "!!float ''", "!!bool x", "!!timestamp x", "!!binary '*'"])
def test_a_value_that_its_tag_does_not_fit_is_no_yaml(tmp_path, value):
    file = tmp_path / "params.yaml"
    file.write_text(f"prepare: {value}\n")
    with pytest.raises(ValueError, match="params.yaml(: prepare| must be YAML)"):
        load_params(file)


def test_values_and_lists_of_faults_are_shortened(tmp_path):
    file, written = tmp_path / "params.yaml", quick_yaml.load((ROOT / "params.yaml").read_text())
    written["runtime"]["device"] = "x" * 10_000
    written["train"]["epochs"] = list(range(10_000))
    written["extract"] |= {f"key{i}": i for i in range(1000)}
    written["caption"]["captioner"] = {"y" * 5000: list(range(10_000))}
    file.write_text(quick_yaml.dump(written))
    with pytest.raises(
        ValueError, match=r"found \{'y+\.\.\.y+': \[0, 1, 2, 3, 4, 5, \.\.\.\]\}.*and 98\d more"
    ) as error:
        load_params(file)
    assert len(str(error.value)) < 4000


def test_a_bomb_of_aliases_and_many_keys_take_no_time(tmp_path):
    file, text = tmp_path / "params.yaml", (ROOT / "params.yaml").read_text()
    bomb = "\n".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9) if i else 1}]" for i in range(12))
    many = "\n".join(f"k{i}: 1" for i in range(10_000))
    started = time.monotonic()
    for more in (bomb, many):
        file.write_text(f"{text}\n{more}\n")
        with pytest.raises(ValueError, match="is not a key that exists"):
            load_params(file)
    assert time.monotonic() - started < 20
