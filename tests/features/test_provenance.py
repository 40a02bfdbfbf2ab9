"""Provenance belongs to rows, whatever becomes of them."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.features.shards.provenance import VERSIONS, Provenance, here


def by_row(provenance: Provenance) -> list[str]:
    return [origin["user"] for count, origin in provenance.runs for _ in range(count)]


@pytest.mark.parametrize("seed", range(5))
def test_rows_keep_their_origin_when_they_are_chosen_and_joined(seed):
    rng = np.random.default_rng(seed)
    runs = tuple((int(rng.integers(1, 5)), {"user": "abc"[rng.integers(3)]}) for _ in range(6))
    provenance = Provenance(runs)
    users = by_row(provenance)
    chosen = rng.permutation(len(users))[: rng.integers(1, len(users))]
    assert by_row(provenance.of(chosen)) == [users[row] for row in chosen]
    joined = Provenance.joined([provenance, provenance.of(chosen)])
    assert by_row(joined) == users + [users[row] for row in chosen]
    assert all(a[1] != b[1] for a, b in zip(joined.runs, joined.runs[1:], strict=False))
    assert Provenance.from_json(joined.to_json()) == joined


def test_no_rows_have_no_origin():
    assert Provenance(((3, {"user": "a"}),)).of(np.array([], int)).runs == ()


def test_what_is_computed_here_says_who_when_on_what_with_which_versions():
    ((count, origin),) = here(7, "cuda (NVIDIA H100)").runs
    assert count == 7
    assert origin["device"] == "cuda (NVIDIA H100)"
    assert origin.keys() == {"user", "host", "date", "device", *VERSIONS}


def test_what_is_computed_here_is_no_more_than_a_shard_may_say(monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "\U0001f600" * 10_000)
    provenance = here(7, "\udc80" * 500)
    assert Provenance.from_json(provenance.to_json()) == provenance
    assert provenance.runs[0][1]["user"] == "\U0001f600" * 16


def test_what_is_no_provenance_is_refused():
    for text in (
        "{}x",
        "[1]",
        '[{"user": "a"}]',
        '{"rows": 1}',
        '[{"rows": true}]',
        '[{"rows": 1, "user": 2}]',
    ):
        with pytest.raises(ValueError, match="provenance|JSON|Extra data"):
            Provenance.from_json(text)
