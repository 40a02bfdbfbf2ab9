"""Threads: results in order, work bounded, and torch left as it was."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from pipeline.support.parallel import in_order, merged, torch_threads


def test_results_come_in_order_and_a_bounded_number_waits():
    taken: list[int] = []

    def items():
        for i in range(50):
            taken.append(i)
            yield i

    with ThreadPoolExecutor(4) as pool:
        results = in_order(pool, lambda i: i * i, items(), 3)
        assert next(results) == 0
        assert len(taken) == 3
        assert list(results) == [i * i for i in range(1, 50)]


def test_what_was_not_begun_is_dropped_when_the_caller_stops():
    begun: list[int] = []
    go = threading.Event()

    def work(i: int) -> int:
        begun.append(i)
        if i:
            go.wait(10)
        return i

    with ThreadPoolExecutor(1) as pool:
        results = in_order(pool, work, range(10), 6)
        assert next(results) == 0
        results.close()
        go.set()
    assert len(begun) <= 2


def test_what_waits_is_bounded_by_weight():
    taken: list[float] = []

    def items():
        for weight in (4.0, 4.0, 4.0, 1.0, 1.0, 1.0, 1.0):
            taken.append(weight)
            yield weight

    with ThreadPoolExecutor(2) as pool:
        results = in_order(pool, lambda w: w, items(), 8.0, weight=lambda w: w)
        next(results)
        assert taken == [4.0, 4.0]
        assert sum(results) == 12.0


def test_an_error_reaches_the_caller():
    def fail(i: int) -> int:
        raise RuntimeError(f"item {i}")

    with ThreadPoolExecutor(2) as pool, pytest.raises(RuntimeError, match="item 0"):
        list(in_order(pool, fail, range(4), 2))


def test_each_thread_computes_alone_and_torch_is_left_as_it_was():
    before = torch.get_num_threads()
    with torch_threads() as pool:
        counts = list(pool.map(lambda _: torch.get_num_threads(), range(8)))
    assert set(counts) == {1}
    assert torch.get_num_threads() == before
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(torch.get_num_threads).result() == before


def test_streams_are_merged_each_in_its_own_order():
    streams = [[(stream, i) for i in range(stream)] for stream in range(12)]
    found = list(merged(map(iter, streams), 3, 2))
    assert [[item for item in found if item[0] == stream] for stream in range(12)] == streams
    assert list(merged(iter([]), 2, 1)) == []


def test_of_merged_streams_a_bounded_number_of_items_waits():
    taken = []

    def stream():
        for i in range(1000):
            taken.append(i)
            yield i

    items = merged(iter([stream(), stream()]), 2, 3)
    next(items)
    items.close()
    assert len(taken) <= 3 + 1 + 2 + 2  # waiting, given, in hand, and drawn when it was closed
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("merged")]


def test_what_a_merged_stream_raises_is_raised_and_its_threads_end():
    def broken():
        yield 1
        raise KeyError("broken")

    with pytest.raises(KeyError, match="broken"):
        list(merged(iter([broken(), iter(range(100))]), 2, 1))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("merged")]
