"""A config.json that is odd is one line that names it, or it changes nothing that matters."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline.encoders import SpeechEncoder, TextEncoder

ODD = [0, -1, 1, 3, 7, 2**31, 10**12, 0.5, -2.5, 1e308, "gelu", "zebra", "", "x" * 5000, None, True, False]
ODD += [[], {}, [0], [1, 2], {"a": 1}]
NUMBERS = ("NaN", "Infinity", "-Infinity")


def refused(encoder: type, folder: Path) -> str | None:
    """The line by which a checkpoint is refused, or None where it encodes."""
    try:
        loaded = encoder.from_pretrained(str(folder))
        loaded.encode(
            ["a sentence"] if encoder is TextEncoder else [np.sin(np.arange(4000, dtype=np.float32))]
        )
    except (RuntimeError, ValueError) as error:
        return str(error)
    return None


def write(folder: Path, config: object) -> None:
    (folder / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))


def damaged(dice: random.Random, config: dict[str, Any]) -> object:
    """A config.json of which a field or two is odd, or which is none."""
    if dice.random() < 0.05:
        return dice.choice(["", "[]", "3", "{", "null", json.dumps(config)[:-3]])
    for _ in range(dice.choice([1, 1, 2])):
        nested = config.get("ssl_config")
        part = nested if isinstance(nested, dict) and dice.random() < 0.7 else config
        name = dice.choice(
            [*part, "hidden_act", "layer_norm_eps", "conv_stride", "conv_kernel", "pad_token_id"]
        )
        if dice.random() < 0.15:
            part.pop(name, None)
        else:
            part[name] = dice.choice(ODD)
    text = json.dumps(config)
    return text.replace(": 1e+308", f": {dice.choice(NUMBERS)}")


@pytest.fixture(params=["speech", "text"])
def checkpoint(request, tmp_path, speech_checkpoint, text_checkpoint) -> tuple[type, Path]:
    """An encoder, and a folder of links to its checkpoint whose config.json is the test's own."""
    source, encoder = {
        "speech": (speech_checkpoint, SpeechEncoder),
        "text": (text_checkpoint, TextEncoder),
    }[request.param]
    for file in source.iterdir():
        if file.name != "config.json":
            (tmp_path / file.name).symlink_to(file)
    shutil.copy(source / "config.json", tmp_path)
    return encoder, tmp_path


def test_an_odd_config_is_refused_by_a_line_that_names_it_or_changes_nothing(checkpoint):
    encoder, folder = checkpoint
    config = json.loads((folder / "config.json").read_text())
    dice, refusals = random.Random(0), 0
    for _ in range(40):
        write(folder, damaged(dice, json.loads(json.dumps(config))))
        told = refused(encoder, folder)
        refusals += told is not None
        assert told is None or (str(folder) in told and len(told) < 1500 and "\n" not in told), told
    assert refusals > 10


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("num_attention_heads", 0, "num_attention_heads must be a whole number from 1 to .*, found 0"),
        ("num_attention_heads", 5, "num_attention_heads must divide hidden_size"),
        ("hidden_act", "zebra", "hidden_act must be .*, found 'zebra'"),
        ("num_hidden_layers", "x" * 9000, "num_hidden_layers must be a whole number .*, found 'xxx+\u2026$"),
    ],
)
def test_a_field_that_is_wrong_is_named_with_its_file(checkpoint, field, value, told):
    encoder, folder = checkpoint
    config = json.loads((folder / "config.json").read_text())
    (config.get("ssl_config") or config)[field] = value
    write(folder, config)
    with pytest.raises(RuntimeError, match=rf"config\.json: (ssl_config\.)?{told}"):
        encoder.from_pretrained(str(folder))


def test_a_vocabulary_that_the_weights_have_not_is_named(text_checkpoint, tmp_path):
    shutil.copytree(text_checkpoint, tmp_path, dirs_exist_ok=True)
    config = json.loads((tmp_path / "config.json").read_text())
    for size, told in (
        (-5, "must be a whole number from 1"),
        (10**6, "as in the weights, found 1000000 and 32"),
    ):
        write(tmp_path, config | {"vocab_size": size})
        with pytest.raises(RuntimeError, match=rf"config\.json: vocab_size .*{told}"):
            TextEncoder.from_pretrained(str(tmp_path))


@pytest.mark.parametrize(
    ("encoder", "fixture"), [(SpeechEncoder, "speech_checkpoint"), (TextEncoder, "text_checkpoint")]
)
def test_weights_that_are_no_real_numbers_are_one_line(encoder, fixture, tmp_path, request):
    folder = shutil.copytree(request.getfixturevalue(fixture), tmp_path / "odd")
    tensors = load_file(folder / "model.safetensors")
    for kind, message in (
        (torch.int32, "is torch.int32 instead of torch.float32"),
        (torch.complex64, "is torch.complex64 instead of torch.float32"),
        (torch.float32, r"\[0\] must have a feature of finite numbers, found others in 1 of 1"),
    ):
        odd = {
            name: torch.full_like(t, torch.nan).to(kind) if kind.is_floating_point else t.to(kind)
            for name, t in tensors.items()
        }
        save_file(odd, folder / "model.safetensors")
        told = refused(encoder, folder)
        assert told is not None
        assert re.search(message, told), told
        assert len(told) < 1000


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
@pytest.mark.parametrize(
    ("encoder", "fixture"), [(SpeechEncoder, "speech_checkpoint"), (TextEncoder, "text_checkpoint")]
)
def test_a_pipe_in_a_checkpoint_is_not_waited_for(encoder, fixture, name, tmp_path, request):
    folder = shutil.copytree(request.getfixturevalue(fixture), tmp_path / "odd")
    (folder / name).unlink()
    os.mkfifo(folder / name)
    assert f"{name} must be a regular file" in str(refused(encoder, folder))
