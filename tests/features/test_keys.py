"""Keys: raw bytes and hexadecimal digits are the same thing."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.features.shards.keys import as_text, packed

ZEROS_AT_THE_END = "ab" + "00" * 31


def test_keys_come_back_as_they_were_zeros_at_their_end_included():
    keys = [ZEROS_AT_THE_END, "0" * 64, "f" * 64, "ab" + "00" * 30 + "01"]
    assert as_text(packed(keys)) == keys
    assert as_text(packed(keys)[::-1]) == keys[::-1]
    assert len(np.unique(packed(keys))) == 4
    assert as_text(packed([])) == []


@pytest.mark.parametrize("wrong", ["a", "A" * 64, "g" * 64, " " * 64, "a" * 65, "é" * 64])
def test_what_is_no_sha256_is_refused(wrong):
    with pytest.raises(ValueError, match=f"64 hexadecimal digits, found {wrong!r}"):
        packed([ZEROS_AT_THE_END, wrong])


def test_two_wrong_keys_that_make_up_for_each_other_are_refused():
    with pytest.raises(ValueError, match=f"found {'a' * 63!r}"):
        packed(["a" * 63, "a" * 65])
