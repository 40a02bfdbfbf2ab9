"""`erclap train` by two processes at once, each told what torchrun tells it."""

from __future__ import annotations

import os
import shutil
from contextlib import nullcontext
from pathlib import Path

import pyarrow as pa
import pytest

import pipeline.training
from pipeline.manifest import MANIFEST_FILE, SCHEMA, Manifest
from pipeline.support import Share
from pipeline.training import load_heads, read_history
from pipeline.training.ranks import Ranks
from tests.stages.test_commands import change_params
from tests.training.ranks import at_once, environments, erclap

TRAIN = ("train", "--method", "emotionrankclap")


def test_two_ranks_write_what_one_process_writes_and_the_first_alone_tells(project):
    folder = project / "results/models/emotionrankclap/seed-0"
    change_params(project, train__epochs=1)
    _, told, _ = erclap(project, *TRAIN)
    weights, history = load_heads(folder).state_dict(), read_history(folder)
    first, second = at_once(erclap, environments(2), project, *TRAIN)
    assert second == (0, [], [])
    assert first == (0, [*told[:-1], first[1][-1]], [])  # the last line tells the time
    for name, tensor in load_heads(folder).state_dict().items():
        assert float((tensor - weights[name]).abs().max()) < 1e-5
    for key, value in read_history(folder)[0].items():
        assert value == pytest.approx(history[0][key], abs=1e-5)


def test_an_error_of_all_ranks_is_one_line_and_the_heads_of_before_stay(project):
    heads = project / "results/models/clap-sce/seed-0/heads.safetensors"
    before = heads.read_bytes()
    change_params(project, train__learning_rate=1e38)
    answers = at_once(erclap, environments(2), project, "train", "--method", "clap-sce")
    assert [code for code, _, _ in answers] == [1, 1]
    (line,) = [line for _, _, errors in answers for line in errors]
    assert line.startswith("error: the loss must stay finite")
    assert heads.read_bytes() == before


def erclap_in_own(folders: list[Path], *arguments: str) -> tuple[int, list[str], list[str]]:
    return erclap(folders[int(os.environ["RANK"])], *arguments)


def test_ranks_with_other_clips_of_the_same_labels_are_found_out(project, tmp_path):
    other = shutil.copytree(project, tmp_path / "other")
    table = Manifest.read(other / MANIFEST_FILE).table
    at, hashes = table.schema.get_field_index("sha256"), table.column("sha256").to_pylist()
    turned = table.set_column(at, SCHEMA.field("sha256"), pa.array(hashes[::-1]))
    Manifest(turned).write(other / MANIFEST_FILE)
    answers = at_once(erclap_in_own, environments(2), [project, other], *TRAIN)
    assert [code for code, _, _ in answers] == [1, 1]
    (line,) = [line for _, _, errors in answers for line in errors]
    assert line.startswith("error: all ranks must train on the same clips, features, labels, captions and ")


def test_ranks_cannot_ask_a_cluster(project, monkeypatch):
    monkeypatch.setattr(pipeline.training, "launched_ranks", lambda: nullcontext(Ranks(Share(0, 2))))
    code, told, errors = erclap(project, "train", "--engine", "ray")
    assert (code, told) == (2, [])
    assert errors == ["error: --engine ray must be asked for by one process, found several ranks of torchrun"]
