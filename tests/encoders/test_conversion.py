"""Pickled weights: tensors alone are taken from them, once, in a process of its own."""

from __future__ import annotations

import json
import os
import pickle
import resource
import shutil
import sys
import threading
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from pipeline.encoders import SpeechEncoder, TextEncoder, conversion
from pipeline.encoders.conversion import converted
from pipeline.encoders.unpickling import RefusedError, all_tensors, tensors_of
from tests.imports import ROOT
from tests.stages.warm import Running

SENTENCES = ["The person is speaking in a hushed, slow voice.", "The person is speaking fast."]


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "params.yaml").touch()
    monkeypatch.chdir(folder)
    return folder


def pickled(checkpoint: Path, folder: Path, change=lambda tensors: tensors, **options: bool) -> Path:
    """A copy of a checkpoint with pickled weights."""
    shutil.copytree(checkpoint, folder)
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(change(OrderedDict(tensors)), folder / "pytorch_model.bin", **options)
    return folder


def test_pickled_weights_give_the_same_features_and_are_converted_once(
    text_checkpoint, tmp_path, project, capsys
):
    folder = pickled(text_checkpoint, tmp_path / "pickled")
    first = TextEncoder.from_pretrained(str(folder), max_tokens=64)
    (kept,) = (project / "cache/converted").iterdir()
    assert capsys.readouterr().err == (
        f"pickled: the tensors of pytorch_model.bin, and nothing else of it, were converted once to "
        f"{Path('cache/converted') / kept.name / 'model.safetensors'}\n"
    )
    again = TextEncoder.from_pretrained(str(folder), max_tokens=64)
    assert capsys.readouterr().err == ""
    wanted = TextEncoder.from_pretrained(str(text_checkpoint), max_tokens=64).encode(SENTENCES)
    assert np.array_equal(first.encode(SENTENCES), wanted)
    assert np.array_equal(again.encode(SENTENCES), wanted)
    assert [path.name for path in kept.iterdir()] == ["model.safetensors"]


@pytest.mark.usefixtures("converting_here")
def test_other_pickled_weights_are_another_checkpoint(text_checkpoint, tmp_path):
    def add(tensors):
        tensors["classifier.dense.bias"] += 1
        return tensors

    one = pickled(text_checkpoint, tmp_path / "one")
    other = pickled(text_checkpoint, tmp_path / "other", add)
    recipes = [TextEncoder.from_pretrained(str(f), max_tokens=64).recipe for f in (one, other)]
    assert recipes[0].revision != recipes[1].revision
    assert len(list(Path("cache/converted").iterdir())) == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors: {"state_dict": tensors},
        lambda tensors: OrderedDict((name, torch.nn.Parameter(t)) for name, t in tensors.items()),
    ],
    ids=["under state_dict", "parameters"],
)
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "older format"])
def test_each_way_of_saving_tensors_loads(text_checkpoint, tmp_path, change, zipped):
    folder = pickled(text_checkpoint, tmp_path / "pickled", change, _use_new_zipfile_serialization=zipped)
    wanted = load_file(text_checkpoint / "model.safetensors")
    found = all_tensors([folder / "pytorch_model.bin"])
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


@pytest.mark.usefixtures("converting_here")
def test_tensors_that_are_tied_or_are_views_are_each_written_whole(tmp_path):
    table = torch.arange(12.0).view(3, 4)
    tensors = {"table": table, "tied": table, "turned": table.T, "row": torch.arange(9.0)[3:6]}
    torch.save(tensors, tmp_path / "weights.bin")
    found = load_file(converted([tmp_path / "weights.bin"], "small"))
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)


@pytest.mark.usefixtures("converting_here")
def test_weights_in_several_pickled_files_load(text_checkpoint, tmp_path):
    folder = tmp_path / "sharded"
    shutil.copytree(text_checkpoint, folder)
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    weight_map = {}
    for part in (0, 1):
        file = f"pytorch_model-0000{part + 1}-of-00002.bin"
        names = sorted(tensors)[part::2]
        torch.save({name: tensors[name] for name in names}, folder / file)
        weight_map |= dict.fromkeys(names, file)
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": weight_map}))
    wanted = TextEncoder.from_pretrained(str(text_checkpoint), max_tokens=64)
    assert np.array_equal(
        TextEncoder.from_pretrained(str(folder), max_tokens=64).encode(SENTENCES), wanted.encode(SENTENCES)
    )


class Harmful:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.mark.usefixtures("converting_in_a_fork")
def test_code_in_pickled_weights_is_never_run(text_checkpoint, tmp_path):
    marker = tmp_path / "ran"
    folder = pickled(text_checkpoint, tmp_path / "pickled", lambda t: t | {"evil": Harmful(marker)})
    with pytest.raises(RuntimeError, match="tensors alone.*pytorch_model.bin asks for .*system, which is no"):
        TextEncoder.from_pretrained(str(folder), max_tokens=64)
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Harmful(marker)))
    with pytest.raises(RuntimeError, match="tensors alone.*pytorch_model.bin ") as error:
        TextEncoder.from_pretrained(str(folder), max_tokens=64)
    assert "\n" not in str(error.value)
    assert not marker.exists()
    assert not list(Path("cache/converted").rglob("model.safetensors"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t | {"epoch": 3}, "holds 'epoch', which is no plain tensor but a int"),
        (lambda t: {"state_dict": t, "epoch": 3}, "holds 'state_dict', which is no plain tensor but a"),
        (lambda t: {"state_dict": {"model": dict(t)}}, "holds 'model', which is no plain tensor but a dict"),
        (lambda t: {1: torch.ones(2)}, "holds 1, which is no plain tensor"),
        (lambda t: {"sparse": torch.eye(2).to_sparse()}, "holds 'sparse', which is no plain tensor"),
        (lambda t: {"wide": torch.ones(1).expand(1 << 40)}, "holds tensors that are larger than the file"),
        (lambda t: [torch.ones(2)], "no tensors by name, but a list"),
        (lambda t: {}, "no tensors by name"),
    ],
)
def test_anything_but_tensors_by_name_is_refused(tmp_path, change, message):
    torch.save(change({"weight": torch.ones(3)}), tmp_path / "weights.bin")
    with pytest.raises(RefusedError, match=message) as error:
        all_tensors([tmp_path / "weights.bin"])
    assert "\n" not in str(error.value)


def test_a_tensor_that_two_files_hold_is_refused(tmp_path):
    for name in ("a.bin", "b.bin"):
        torch.save({"weight": torch.ones(3)}, tmp_path / name)
    with pytest.raises(RefusedError, match="b.bin holds 'weight', as another file does"):
        all_tensors([tmp_path / "a.bin", tmp_path / "b.bin"])


@pytest.mark.usefixtures("converting_here")
def test_a_file_that_is_cut_is_refused_in_one_line(text_checkpoint, tmp_path):
    file = pickled(text_checkpoint, tmp_path / "pickled") / "pytorch_model.bin"
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(RuntimeError, match="cannot be read as tensors alone") as error:
        converted([file], "small")
    assert "\n" not in str(error.value)


def test_a_conversion_that_takes_too_long_is_ended(tmp_path, monkeypatch):
    torch.save({"weight": torch.ones(3)}, tmp_path / "weights.bin")
    monkeypatch.setattr("pipeline.encoders.conversion.seconds_for", lambda size: 0.01)
    with pytest.raises(RuntimeError, match="converting them took more than 0.01 s"):
        converted([tmp_path / "weights.bin"], "small")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count no such memory")
def test_memory_is_limited_by_the_files_size(warm, tmp_path):
    code = (
        "import torch; torch.set_num_threads(1)\n"
        "from pipeline.encoders.unpickling import limit\n"
        "limit(1000)\n"
        "torch.ones(100 * 2**20, dtype=torch.uint8)\n"
        "try: torch.ones(2**30, dtype=torch.uint8)\n"
        "except RuntimeError: print('refused')\n"
    )
    process = Running(tmp_path, code, env=os.environ | {"PYTHONPATH": str(ROOT)}, program="-c")
    out, err = process.communicate()
    assert out == "refused\n", err
    assert resource.getrlimit(resource.RLIMIT_DATA)[0] == resource.RLIM_INFINITY


@pytest.mark.usefixtures("converting_in_a_fork")
def test_tokens_of_the_environment_do_not_reach_the_process_that_unpickles(tmp_path, monkeypatch):
    torch.save({"weight": torch.ones(3)}, tmp_path / "weights.bin")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    passed = []
    run = conversion.subprocess.run
    monkeypatch.setattr(
        conversion.subprocess, "run", lambda *a, **kw: passed.append(kw["env"]) or run(*a, **kw)
    )
    converted([tmp_path / "weights.bin"], "small")
    assert passed
    assert not {"HF_TOKEN", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"} & passed[0].keys()


def test_two_who_convert_at_once_come_to_the_same_file(tmp_path):
    torch.save({"weight": torch.ones(3)}, tmp_path / "weights.bin")
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(converted([tmp_path / "weights.bin"], "small")))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] == found[1]
    assert torch.equal(load_file(found[0])["weight"], torch.ones(3))


@pytest.mark.usefixtures("converting_here")
def test_outside_of_a_project_what_is_converted_goes_to_the_users_cache(project, tmp_path, monkeypatch):
    torch.save({"weight": torch.ones(3)}, tmp_path / "weights.bin")
    (project / "params.yaml").unlink()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    assert converted([tmp_path / "weights.bin"], "small").is_relative_to(tmp_path / "user/emotionrankclap")
    assert not (project / "cache").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not list what is mapped")
def test_weights_are_mapped_and_not_read_where_the_format_allows(tmp_path):
    torch.save({"weight": torch.ones(1000)}, tmp_path / "weights.bin")
    tensors = tensors_of(tmp_path / "weights.bin")
    assert str(tmp_path / "weights.bin") in Path("/proc/self/maps").read_text()
    assert torch.equal(tensors["weight"], torch.ones(1000))


@pytest.mark.usefixtures("converting_here")
def test_a_pickled_speech_checkpoint_loads(speech_checkpoint, tmp_path, noise):
    folder = pickled(speech_checkpoint, tmp_path / "pickled")
    found, wanted = (
        SpeechEncoder.from_pretrained(str(f)).encode([noise(0.5)]) for f in (folder, speech_checkpoint)
    )
    assert np.array_equal(found, wanted)
