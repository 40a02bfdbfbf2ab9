"""Parts of some work: each item in just one, the same whatever is added, and told from SLURM's array."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from pipeline.support import Part

TEXTS = st.lists(st.text(max_size=8), max_size=40, unique=True)


def part_of(text: str, count: int) -> int:
    """The definition: the first eight bytes of the sha256, modulo n, and one."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % count + 1


@settings(max_examples=60, deadline=None, derandomize=True)
@given(TEXTS, TEXTS, st.integers(1, 12))
def test_every_item_is_in_one_part_and_stays_there_when_others_are_added(texts, added, count):
    parts = [Part(number, count) for number in range(1, count + 1)]
    held = np.array([part.holds_texts(texts) for part in parts]).reshape(count, len(texts))
    assert (held.sum(axis=0) == 1).all()
    assert [part_of(text, count) - 1 for text in texts] == held.argmax(axis=0).tolist()
    more = np.array([part.holds_texts([*added, *texts]) for part in parts]).reshape(count, -1)
    assert np.array_equal(more[:, len(added) :], held)


def test_parts_are_of_about_one_size():
    digests = np.frombuffer(np.random.default_rng(0).bytes(32 * 100_000), "S32")
    sizes = [int(Part(number, 16).holds(digests).sum()) for number in range(1, 17)]
    assert max(abs(size - 6250) for size in sizes) < 5 * 6250**0.5


@pytest.mark.parametrize(("text", "part"), [("1/1", Part(1, 1)), ("3/10", Part(3, 10))])
def test_a_part_is_read(text, part):
    assert Part.parse(text, {}) == part
    assert str(part) == text


@pytest.mark.parametrize(
    "text", ["", "0/3", "4/3", "3", "1/0", "-1/3", "1 /3", "1/3x", "a/b", "1/99999999", "²/3"]
)
def test_what_is_no_part_is_an_error(text):
    with pytest.raises(ValueError, match="--part must be i/n, i from 1 to n"):
        Part.parse(text, {})


def slurm(**said: object) -> dict[str, str]:
    return {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in said.items()}


@pytest.mark.parametrize(
    ("said", "part"),
    [
        (slurm(ID=0, COUNT=4, MIN=0, MAX=3), Part(1, 4)),
        (slurm(ID=4, COUNT=4, MIN=1, MAX=4, STEP=1), Part(4, 4)),
        (slurm(ID=102, COUNT=3, MIN=100), Part(3, 3)),
        (slurm(ID=5, COUNT=3, MIN=1, MAX=9, STEP=4), Part(2, 3)),
    ],
)
def test_a_task_of_an_array_is_a_part(said, part):
    assert Part.parse("slurm", said) == part


@pytest.mark.parametrize("absent", ["ID", "COUNT", "MIN"])
def test_an_array_of_which_not_all_is_known_is_an_error(absent):
    said = {"ID": 1, "COUNT": 2, "MIN": 1}
    del said[absent]
    with pytest.raises(ValueError, match=f"needs SLURM.*, found no SLURM_ARRAY_TASK_{absent}: submit"):
        Part.parse("slurm", slurm(**said))


@pytest.mark.parametrize(
    "said",
    [
        slurm(ID=1, COUNT=3, MIN=1, MAX=9, STEP=1),  # --array=1,5,9: no task could be told its place
        slurm(ID=9, COUNT=3, MIN=1, MAX=9, STEP=1),
        slurm(ID=9, COUNT=3, MIN=1),
        slurm(ID=2, COUNT=3, MIN=1, MAX=9, STEP=4),
        slurm(ID=0, COUNT=3, MIN=1),
        slurm(ID=1, COUNT=0, MIN=1),
    ],
)
def test_a_sparse_array_is_an_error_and_never_a_part_done_twice_or_not_at_all(said):
    with pytest.raises(ValueError, match=r"an array of evenly spaced tasks.*give --part i/n"):
        Part.parse("slurm", said)


def test_what_slurm_never_says_is_named():
    with pytest.raises(ValueError, match="SLURM_ARRAY_TASK_COUNT must be a whole number, found 'x'"):
        Part.parse("slurm", slurm(ID=1, COUNT="x", MIN=1))
