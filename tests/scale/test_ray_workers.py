"""How many processes a cluster takes, and what is refused before one is joined. No Ray is started."""

from __future__ import annotations

import os
import queue
import re
import socket
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, strategies

from pipeline.config.runtime import RayRuntime, Runtime
from pipeline.scale import ray_address, ray_watch
from pipeline.scale.ray_cluster import Cluster, Node, joined, own_cluster
from pipeline.scale.ray_encoding import answered
from pipeline.scale.ray_rounds import _answer, _suspects_last
from pipeline.scale.ray_watch import Watch
from pipeline.scale.ray_workers import ENCODER_LEAVES, READER_ASKS, workers_for
from stages.cli import main


def cluster(*nodes: tuple[float, float]) -> Cluster:
    """Of nodes with so many CPUs and GPUs."""
    return Cluster(tuple(Node(str(i), f"10.0.0.{i}", *node) for i, node in enumerate(nodes)))


@pytest.mark.parametrize(
    ("nodes", "encoders", "cpus", "gpus"),
    [
        ([(3, 0)], 1, 2, 0),  # this machine of two cores, and one more for the reader
        ([(1, 0), (1, 0), (1, 0)], 2, 1, 0),
        ([(64, 0), (64, 0)], 15, 8, 0),
        ([(0, 0), (32, 4), (32, 4)], 8, 1, 1),  # a head that computes nothing
        ([(16, 0), (8, 8)], 8, 1, 1),
        ([(8, 8)], 7, 1, 1),  # a GPU is idle, as no CPU would read otherwise
    ],
)
def test_as_many_encoders_as_there_is_room_for_beside_a_reader(nodes, encoders, cpus, gpus):
    found = workers_for(cluster(*nodes), Runtime())
    assert (found.encoders, found.cpus, found.gpus) == (encoders, cpus, gpus)


def test_a_cluster_without_gpus_is_refused_where_they_are_asked_for():
    with pytest.raises(
        RuntimeError,
        match="must have room for 1 encoder of 1 CPU and a GPU each, beside a reader of 1 CPUs; it has 1 node "
        "with 8 CPUs and 0 GPUs, room for 0",
    ):
        workers_for(cluster((8, 0)), Runtime(device="cuda"))


def test_a_cpu_may_be_asked_for_where_there_are_gpus_and_no_single_gpu():
    assert workers_for(cluster((8, 8)), Runtime(device="cpu")).gpus == 0
    with pytest.raises(ValueError, match="must be auto, cpu or cuda with --engine ray.* found 'cuda:1'"):
        workers_for(cluster((8, 8)), Runtime(device="cuda:1"))


@given(
    strategies.lists(strategies.tuples(strategies.integers(0, 9), strategies.integers(0, 3)), max_size=4),
    strategies.integers(1, 5),
    strategies.sampled_from(["auto", 1, 2, 3]),
    strategies.sampled_from([0.25, 1.0, 2.0]),
)
def test_what_is_given_fits_beside_a_reader(nodes, encoders, cpus, reader_cpus):
    ray = RayRuntime(encoders=encoders, encoder_cpus=cpus, reader_cpus=reader_cpus)
    try:
        found = workers_for(cluster(*nodes), Runtime(ray=ray))
    except RuntimeError:
        return
    assert found.encoders == encoders
    assert sum(has for has, _ in nodes) >= encoders * found.cpus + reader_cpus
    assert sum(has for _, has in nodes) >= encoders * found.gpus
    assert max(has for has, _ in nodes) >= max(found.cpus, reader_cpus)


def test_after_a_node_is_lost_what_fits_is_taken():
    runtime = Runtime(ray=RayRuntime(encoders=8))
    assert workers_for(cluster((9, 0)), runtime.model_copy(), at_most=True).encoders == 1
    assert workers_for(cluster((9, 4)), runtime, at_most=True).encoders == 4


@pytest.mark.parametrize("cpus", [1, 2, 8])
@pytest.mark.parametrize("has", [1, 2, 7, 8, 64, 256])
def test_a_reader_starts_where_encoders_have_taken_a_whole_node(has, cpus):
    asked = cpus - ENCODER_LEAVES
    left = has - int(has / asked + 1e-9) * asked
    assert left >= READER_ASKS


def test_a_lost_node_is_told_and_where_nothing_comes_after_it_the_wait_ends(monkeypatch, capsys):
    monkeypatch.setattr(ray_watch, "SECONDS_BETWEEN_LOOKS", 0.01)
    monkeypatch.setattr(ray_watch, "SECONDS_WITHOUT_ANSWER", 0.1)
    before, after = cluster((2, 0), (2, 0)), cluster((2, 0))
    with Watch(lambda: before, before):
        time.sleep(0.2)  # without a loss it waits for ever
    assert capsys.readouterr().err == ""
    started = time.monotonic()
    with (
        pytest.raises(
            RuntimeError, match=r"nothing came for .* after a node was lost; it has 1 node with 2 CPU"
        ),
        Watch(lambda: after, before),
    ):
        queue.Queue().get(timeout=60)
    assert time.monotonic() - started < 30
    assert capsys.readouterr().err == (
        "warning: node 10.0.0.1 of the Ray cluster is gone, and what it had is done again by what is left: "
        "1 node with 2 CPUs and 0 GPUs\n"
    )


def test_a_cluster_of_ones_own_has_a_token_and_a_folder_that_go_with_it(monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    tokens = set()
    for _ in range(2):
        with own_cluster() as folder:
            assert Path(folder).is_dir()
            assert os.environ["RAY_AUTH_MODE"] == "token"
            tokens.add(os.environ["RAY_AUTH_TOKEN"])
        assert not Path(folder).exists()
        assert (os.environ["RAY_AUTH_MODE"], "RAY_AUTH_TOKEN" in os.environ) == ("disabled", False)
    assert len(tokens) == 2
    assert min(map(len, tokens)) == 64


def test_rows_that_others_overtook_come_last():
    answered = np.array([True, False, True, False, False])
    assert _suspects_last(np.arange(5), answered).tolist() == [3, 4, 1]
    assert _suspects_last(np.array([4, 3, 1]), np.zeros(5, bool)).tolist() == [4, 3, 1]
    assert _suspects_last(np.arange(5), np.ones(5, bool)).tolist() == []


def test_a_store_that_is_full_ends_the_run_with_its_line():
    def encode(block: pa.Table) -> dict[int, str]:
        raise OSError(28, "No space left on device", "/shared/store")

    answers = answered(pa.table({"row": [3, 4]}), encode)
    with pytest.raises(
        RuntimeError, match=r"on node \S+: OSError: .*No space left on device: '/shared/store'"
    ):
        _answer(answers)


def test_rows_that_failed_are_answered_by_their_reasons():
    answer = _answer(answered(pa.table({"row": [3, 4]}), lambda block: {4: "silent"}))
    assert (answer.rows.tolist(), answer.reasons) == ([3, 4], {4: "silent"})


@pytest.mark.parametrize(
    "address",
    [
        "ray://10.0.0.1:10001",
        "10.0.0.1",
        "http://10.0.0.1:8265",
        ":6379",
        " :1",
        "a:６３７９",
        "a:0",
        "a:65536",
    ],
)
def test_what_is_no_address_is_refused(address):
    with (
        pytest.raises(ValueError, match=f"must be auto or host:port.* found {re.escape(repr(address))}"),
        joined(address),
    ):
        pass


def test_an_address_where_nothing_answers_is_an_error_at_once():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        started = time.monotonic()
        with (
            pytest.raises(RuntimeError, match=f"a Ray cluster must answer at {address}, nothing does"),
            joined(address),
        ):
            pass
        assert time.monotonic() - started < 10


@pytest.mark.parametrize("says", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_what_listens_and_is_no_cluster_is_an_error_at_once(says, monkeypatch):
    monkeypatch.setattr(ray_address, "SECONDS_TO_CONNECT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            asked, _ = server.accept()
            with asked:
                asked.sendall(says)
                asked.recv(100)
                time.sleep(0.4)

        threading.Thread(target=answer).start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with (
            pytest.raises(RuntimeError, match=f"must answer at {address}, what listens there is none"),
            joined(address),
        ):
            pass


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--ray-address", "10.0.0.1:6379"], "error: --ray-address needs --engine ray"),
        (
            ["--engine", "ray", "--part", "1/2"],
            "error: --part is for machines of which none knows the others",
        ),
    ],
)
def test_options_that_mean_nothing_together_are_refused(options, line, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["extract", *options])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith(line)
