"""Types that a device multiplies slowly are said."""

from __future__ import annotations

import pytest
import torch

from pipeline.support import slow_dtype

CPU, GPU = torch.device("cpu"), torch.device("cuda:0")


@pytest.mark.parametrize(
    ("told", "dtype", "slow"),
    [
        ({"avx512_bf16": True}, torch.bfloat16, False),
        ({"amx_bf16": True}, torch.bfloat16, False),
        ({"avx512_bf16": False, "amx_bf16": False, "avx512_f": True}, torch.bfloat16, True),
        ({"avx512_bf16": True}, torch.float16, True),
        ({"avx512_fp16": True}, torch.float16, False),
        ({}, torch.float32, False),
    ],
)
def test_a_cpu_is_slow_in_what_it_has_no_instructions_for(monkeypatch, told, dtype, slow):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"architecture": "x86_64"} | told)
    line = slow_dtype(CPU, dtype)
    assert (line is not None) == slow
    if line:
        name = str(dtype).removeprefix("torch.")
        assert line == (
            f"this CPU has no instructions that multiply {name}: float32 is several times faster on it"
        )


def test_another_cpu_is_asked_through_onednn(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"architecture": "aarch64"})
    for has in (False, True):
        monkeypatch.setattr("pipeline.support.devices.multiplies_by_onednn", lambda d, t, has=has: has)
        assert (slow_dtype(CPU, torch.bfloat16) is None) == has


@pytest.mark.parametrize(
    ("capability", "dtype", "line"),
    [
        ((9, 0), torch.float32, "Some GPU) multiplies bfloat16 many times faster than float32"),
        ((9, 0), torch.bfloat16, None),
        ((7, 5), torch.bfloat16, "Some GPU) has no units for bfloat16: float16 or float32 is faster there"),
        ((7, 5), torch.float32, None),
        ((7, 5), torch.float16, None),
    ],
)
def test_a_gpu_has_units_for_bfloat16_or_not(monkeypatch, capability, dtype, line):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Some GPU")
    found = slow_dtype(GPU, dtype)
    assert found == (line and f"cuda ({line}")
