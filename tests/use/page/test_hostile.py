"""Hostile requests are refused with 4xx, never 5xx, and leave nothing; benchmarks/serving.py sends more."""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks.hostile import REFUSED, requests


@pytest.mark.parametrize("seed", range(3))
def test_hostile_requests_are_refused_and_leave_nothing(client, library, ear, seed):
    files = [library.edition.file_id(row) for row in range(len(library.edition.index.files))]
    seen: Counter[int] = Counter()
    for sent in requests(100, seed, files):
        answer = client.request(sent.method, sent.path, headers=sent.headers, content=sent.body)
        assert answer.status_code in REFUSED, (sent, answer.text[:300])
        assert list(answer.json()) == ["error"]
        seen[answer.status_code] += 1
    assert len(seen) >= 7, seen
    assert list(ear.folder.iterdir()) == []
