"""Feeding a device: one batch ahead, in order, none lost."""

from __future__ import annotations

import torch

from pipeline.encoders.transfer import Transfers, one_ahead, sent


def test_each_batch_is_started_before_the_one_before_is_waited_for():
    events: list[str] = []

    def start(batch: int):
        events.append(f"start {batch}")

        def wait() -> int:
            events.append(f"wait {batch}")
            return batch

        return wait

    assert list(one_ahead(start, iter(range(3)))) == [0, 1, 2]
    assert events == ["start 0", "start 1", "wait 0", "start 2", "wait 1", "wait 2"]
    assert list(one_ahead(start, [])) == []


def test_on_a_cpu_nothing_is_copied():
    device, tensor = torch.device("cpu"), torch.ones(3)
    assert sent(tensor, device) is tensor
    transfers = Transfers(device)
    assert transfers.there(tensor) is tensor
    assert transfers.back(tensor)().tolist() == [1, 1, 1]
    assert transfers.zeros(2, 3).tolist() == [[0, 0, 0], [0, 0, 0]]
