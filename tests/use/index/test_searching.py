"""Searches of an index are exact: what a full product and a stable sort give, in blocks and bounded."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.use import Index
from pipeline.use.index import index as searching
from pipeline.use.index.best import Best
from pipeline.use.index.disk import About, Stored

DIMENSIONS = 8


def index_of(
    embeddings: np.ndarray, files: np.ndarray, attributes: np.ndarray | None = None, root="/r"
) -> Index:
    """An index of rows that lie in these files, each a second after the one before."""
    count = int(files.max()) + 1
    attributes = np.full((len(files), 3), 4.0) if attributes is None else attributes
    windows = pa.table(
        {
            "file": pa.array(files, pa.int32()),
            "start": np.arange(len(files), dtype=np.float64),
            "end": np.arange(len(files)) + 1.0,
            **{
                name: pa.array(attributes[:, i], pa.float32())
                for i, name in enumerate(("valence", "arousal", "dominance"))
            },
        }
    )
    table = pa.table(
        {
            "path": [f"f{row}.wav" for row in range(count)],
            "size": [1] * count,
            "mtime_ns": [1] * count,
            "sha256": ["0" * 64] * count,
            "duration": [1.0] * count,
            "sampling_rate": [16_000] * count,
        }
    )
    return Index(Stored(About("0" * 12, str(root), "m", 1.0, 1.0), table, windows, embeddings))


def slow(scores: np.ndarray, files: np.ndarray, k: int, of_each: int | None, without=()) -> list[int]:
    """The rows of the k best scores, the earlier of equal ones first, by sorting all of them."""
    found, counts = [], dict.fromkeys(files.tolist(), 0)
    for row in np.argsort(-scores, kind="stable").tolist():
        if row in without or (of_each is not None and counts[files[row]] == of_each):
            continue
        counts[files[row]] += 1
        found.append(row)
    return found[:k]


def drawn(seed: int) -> tuple[np.random.Generator, np.ndarray, np.ndarray]:
    """A few integers, so that products are exact and tie; some files of many rows, some of one."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 120))
    embeddings = rng.integers(-2, 3, (count, DIMENSIONS)).astype(np.float32)
    files = np.sort(rng.integers(0, rng.integers(1, count + 1), count))
    return rng, embeddings, np.unique(files, return_inverse=True)[1]


@pytest.mark.parametrize("seed", range(40))
def test_a_search_is_what_a_full_product_and_a_stable_sort_give(monkeypatch, seed):
    rng, embeddings, files = drawn(seed)
    index = index_of(embeddings, files)
    queries = rng.integers(-2, 3, (3, DIMENSIONS)).astype(np.float32)
    scores = queries @ embeddings.T
    for first_rows, rows_a_block in ((1, 1), (3, 7), (2, 40), (1000, 1000)):
        monkeypatch.setattr(searching, "FIRST_ROWS", first_rows)
        monkeypatch.setattr(searching, "BLOCK_ROWS", rows_a_block)
        for k in (1, 5, 200):
            for of_each in (1, 2, None):
                found = index.by_embedding(queries, k, windows_per_file=of_each)
                for hits, row in zip(found, scores, strict=True):
                    assert [hit.window for hit in hits] == slow(row, files, k, of_each)
                    assert [hit.score for hit in hits] == [row[hit.window] for hit in hits]
                    assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
                    assert all(
                        hit.file == files[hit.window]
                        and hit.path == f"f{hit.file}.wav"
                        and hit.start == hit.window
                        for hit in hits
                    )
    alone = index.by_embedding(queries[0], 5)
    assert [hit.window for hit in alone[0]] == slow(scores[0], files, 5, 1)


@pytest.mark.parametrize("seed", range(5))
def test_what_is_like_a_window_leaves_that_window_out(seed):
    _, embeddings, files = drawn(seed)
    index = index_of(embeddings, files)
    for row in range(0, len(files), 7):
        for of_each in (1, None):
            hits = index.by_like(row, 4, windows_per_file=of_each)
            assert [hit.window for hit in hits] == slow(
                embeddings @ embeddings[row], files, 4, of_each, [row]
            )
    with pytest.raises(ValueError, match="a window must be a row from 0 to"):
        index.by_like(len(files))


@pytest.mark.parametrize("seed", range(5))
def test_a_place_on_the_plane_finds_the_nearest_readings(seed):
    rng, embeddings, files = drawn(seed)
    attributes = rng.integers(2, 15, (len(files), 3)) / 2
    index = index_of(embeddings, files, attributes)
    for valence, arousal in ((1, 7), (4, 4), (2.5, 6)):
        distances = np.hypot(attributes[:, 0] - valence, attributes[:, 1] - arousal)
        for of_each in (1, None):
            hits = index.by_point(valence, arousal, 6, windows_per_file=of_each)
            assert [hit.window for hit in hits] == slow(-distances, files, 6, of_each)
            assert [hit.score for hit in hits] == pytest.approx(
                1 - distances[[h.window for h in hits]] / 72**0.5
            )
            assert [(hit.valence, hit.arousal) for hit in hits] == [
                tuple(attributes[h.window, :2]) for h in hits
            ]
    for wrong in ((0.9, 4), (4, 7.1), (np.nan, 4), (np.inf, 4)):
        with pytest.raises(ValueError, match="must be from 1 to 7, found"):
            index.by_point(*wrong)


def test_what_is_no_query_is_refused():
    _, embeddings, files = drawn(0)
    index = index_of(embeddings, files)
    with pytest.raises(ValueError, match="must be an embedding of 8 numbers, found"):
        index.by_embedding(np.zeros(7, np.float32))
    with pytest.raises(ValueError, match="must be finite numbers"):
        index.by_embedding(np.full(8, np.nan, np.float32))
    for wrong in ({"k": 0}, {"windows_per_file": 0}):
        with pytest.raises(ValueError, match="must be at least 1, found 0"):
            index.by_embedding(embeddings[0], **wrong)


def test_a_score_that_is_no_number_is_never_found():
    embeddings = np.ones((5, DIMENSIONS), np.float32)
    embeddings[2] = np.nan
    hits = index_of(embeddings, np.arange(5)).by_embedding(np.ones(DIMENSIONS, np.float32), 10)[0]
    assert [hit.window for hit in hits] == [0, 1, 3, 4]


def test_no_more_than_the_best_is_kept():
    best = Best(np.arange(10_000, dtype=np.int32), 10, 1)
    for first in range(0, 10_000, 100):
        best.offer(first, np.arange(first, first + 100, dtype=np.float32))
        assert len(best.rows) == len(best.scores) == 10
    assert best.rows.tolist() == list(range(9_999, 9_989, -1))


def test_a_file_is_found_where_it_lies_and_only_while_it_is_as_it_was(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    path = root / "f0.wav"
    path.write_bytes(b"x")
    os.utime(path, ns=(1, 1))
    index = index_of(np.ones((1, DIMENSIONS), np.float32), np.array([0]), root=root)
    assert index.audio(0) == path
    assert index.file_at(path) == 0
    assert index.file_at(tmp_path / "f0.wav") is None
    assert index.file_at(Path("/")) is None
    for row in (-1, 1):
        with pytest.raises(ValueError, match="a file must be a row from 0 to 0, found"):
            index.audio(row)
    os.utime(path, ns=(2, 2))
    with pytest.raises(
        RuntimeError, match=r"f0\.wav must be the file that was indexed, found it gone or changed"
    ):
        index.audio(0)
    assert index.file_at(path) is None
    path.unlink()
    with pytest.raises(RuntimeError, match="gone or changed"):
        index.audio(0)
    (tmp_path / "secret").write_bytes(b"x")
    path.symlink_to(tmp_path / "secret")
    os.utime(path, ns=(1, 1))
    with pytest.raises(RuntimeError, match="must lie in .*root, found that it does not"):
        index.audio(0)
    away = index_of(np.ones((1, DIMENSIONS), np.float32), np.array([0]), root=root)
    away.files = away.files.set_column(0, "path", pa.array(["../secret"]))
    with pytest.raises(RuntimeError, match="must lie in"):
        away.audio(0)
