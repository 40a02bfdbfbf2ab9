"""Where a checkpoint is, or why it cannot be had, told without loading or fetching any."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time

import huggingface_hub
import pytest

from pipeline.encoders.checkpoint import locate
from pipeline.encoders.state import checkpoint_state
from tests.encoders.hubs import REFERENCE_COMMIT, SPEECH, SPEECH_COMMIT, TEXT, TEXT_COMMIT

PINNED = [REFERENCE_COMMIT, TEXT_COMMIT]


def test_what_would_be_fetched_is_told_and_not_fetched(hub, repositories):
    state = checkpoint_state(SPEECH, SPEECH_COMMIT)
    _, folder = repositories[SPEECH]["main"]
    assert (state.place, state.revision, state.pickled) == ("hub", SPEECH_COMMIT, False)
    assert state.files == ("config.json", "model.safetensors")
    assert state.size == sum((folder / name).stat().st_size for name in state.files)
    assert state.line.startswith(f"{SPEECH} at {SPEECH_COMMIT[:12]} is on the hub, ")
    assert hub.fetched == []


def test_what_was_fetched_is_here_without_the_hub(hub, monkeypatch):
    locate(SPEECH, SPEECH_COMMIT)
    hub.hang = lambda request: True
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    state = checkpoint_state(SPEECH, SPEECH_COMMIT)
    assert (state.place, state.revision, state.size) == ("here", SPEECH_COMMIT, 0)


def test_pickled_weights_are_said_to_be_converted(hub):
    assert checkpoint_state(TEXT, PINNED).revision == REFERENCE_COMMIT
    assert not checkpoint_state(TEXT, PINNED).pickled
    del hub.models[TEXT][REFERENCE_COMMIT]
    state = checkpoint_state(TEXT, PINNED)
    assert (state.place, state.revision, state.pickled) == ("hub", TEXT_COMMIT, True)
    assert state.line.endswith("its weights are pickled: their tensors are converted once")
    locate(TEXT, PINNED)
    assert checkpoint_state(TEXT, PINNED).place == "here"
    assert checkpoint_state(TEXT, PINNED).pickled


def test_a_hub_that_hangs_is_out_of_reach_in_the_given_time(hub):
    hub.hang = lambda request: True
    started = time.monotonic()
    state = checkpoint_state(TEXT, PINNED, seconds=0.5)
    assert time.monotonic() - started < 5  # a bound against waiting for ever
    assert state.place == "nowhere"
    assert state.line.endswith("no answer within 0.5 s")


@pytest.mark.parametrize(
    ("model", "revision", "line"),
    [
        ("nobody/nothing", None, "no such model, or a private one that HF_TOKEN does not open"),
        (TEXT, ["v8", "v9"], "revision v8: no such revision; revision v9: no such revision"),
        ("no name at all", None, "'no name at all' is no folder, and no hub name owner/name"),
    ],
)
def test_what_cannot_be_had_says_why(hub, model, revision, line):
    state = checkpoint_state(model, revision)
    assert state.place == "nowhere"
    assert state.line.endswith(line)


def test_offline_is_a_reason(hub, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in checkpoint_state(TEXT, PINNED).line


def test_folders_and_builtin_models_are_here_or_lack_something(text_checkpoint, tmp_path):
    assert checkpoint_state("builtin:sample-speech").place == "here"
    assert checkpoint_state(str(text_checkpoint)).place == "here"
    for name, lack in (
        ("model.safetensors", "model.safetensors or pytorch_model.bin"),
        ("tokenizer.json", "tokenizer.json, or vocab.json and merges.txt"),
        ("config.json", "config.json"),
    ):
        folder = shutil.copytree(text_checkpoint, tmp_path / name)
        (folder / name).unlink()
        state = checkpoint_state(str(folder))
        assert (state.place, state.line) == ("nowhere", f"{folder} has no {lack}")


def test_looking_imports_no_torch():
    code = "import sys; from pipeline.encoders.state import checkpoint_state\n"
    code += "checkpoint_state('builtin:sample-text'); print('torch' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"
