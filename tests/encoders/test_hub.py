"""Loading by a hub name, from a server on loopback that answers as the hub does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time

import huggingface_hub
import numpy as np
import pytest

from pipeline.config import Extract
from pipeline.config.encoders import SpeechSettings, TextSettings
from pipeline.encoders import SpeechEncoder, TextEncoder, planned_recipes
from pipeline.encoders.checkpoint import locate
from tests.encoders.conftest import use
from tests.encoders.hubs import (
    REFERENCE,
    REFERENCE_COMMIT,
    SPEECH,
    SPEECH_COMMIT,
    TEXT,
    TEXT_COMMIT,
)

PINNED = [REFERENCE_COMMIT, TEXT_COMMIT]
TOKENIZER = {"tokenizer.json", "tokenizer_config.json"}

PROGRAM = """
import json, os, sys
import torch, tokenizers, safetensors.torch  # once for both, of which each reads its environment
for offline in "01":
    if os.fork() == 0:
        os.environ["HF_HUB_OFFLINE"] = offline
        from pipeline.encoders import SpeechEncoder
        recipe = SpeechEncoder.from_pretrained(sys.argv[1]).recipe
        print(json.dumps([recipe.model, recipe.revision, recipe.feature_size]), flush=True)
        os._exit(0)
    assert os.wait()[1] == 0
"""


def go_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


def settings(revision) -> Extract:
    return Extract(
        compute_dtype="float32",
        speech=SpeechSettings(
            model=SPEECH,
            revision=SPEECH_COMMIT,
            pooling="attentive-mean",
            padding="masked",
            crop_seconds=10.0,
        ),
        text=TextSettings(model=TEXT, revision=revision, max_tokens=512),
    )


def test_in_a_process_of_its_own_a_name_is_fetched_once_and_known_by_its_commit(hub, tmp_path):
    asked: list[str] = []
    hub.hang = asked.append
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM, SPEECH],
        env=os.environ | {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "other")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    said = [json.loads(line) for line in answer.stdout.splitlines() if line.startswith("[")]
    assert said == [[SPEECH, SPEECH_COMMIT, 48]] * 2
    assert sorted(hub.fetched) == ["config.json", "model.safetensors"]
    assert sum(request.startswith("GET /api/models/") for request in asked) == 1  # offline nobody is asked


@pytest.mark.parametrize("revision", [None, SPEECH_COMMIT])
def test_of_the_published_speech_encoder_two_files_are_fetched(hub, revision):
    encoder = SpeechEncoder.from_pretrained(SPEECH, revision=revision)
    assert (encoder.recipe.revision, encoder.recipe.feature_size) == (SPEECH_COMMIT, 48)
    assert sorted(hub.fetched) == ["config.json", "model.safetensors"]


@pytest.mark.parametrize("revision", [REFERENCE, REFERENCE_COMMIT, PINNED])
def test_a_pull_requests_reference_has_safetensors_and_nothing_is_converted(hub, revision, capsys):
    encoder = TextEncoder.from_pretrained(TEXT, revision=revision)
    assert encoder.recipe.revision == REFERENCE_COMMIT
    assert set(hub.fetched) == {"config.json", "model.safetensors"} | TOKENIZER
    assert "converted" not in capsys.readouterr().err


@pytest.mark.usefixtures("converting_in_a_fork")
def test_without_that_reference_the_pickled_weights_of_main_are_converted_to_the_same(
    hub, capsys, monkeypatch, tmp_path
):
    sentences = ["The person is speaking in a hushed, slow voice.", "The person is speaking fast."]
    wanted = TextEncoder.from_pretrained(TEXT, revision=PINNED)
    use(hub, tmp_path / "another", monkeypatch)
    hub.fetched.clear()
    for gone in (REFERENCE, REFERENCE_COMMIT):
        del hub.models[TEXT][gone]
    encoder = TextEncoder.from_pretrained(TEXT, revision=PINNED)
    assert np.array_equal(encoder.encode(sentences), wanted.encode(sentences))
    assert (encoder.recipe.revision, wanted.recipe.revision) == (TEXT_COMMIT, REFERENCE_COMMIT)
    assert set(hub.fetched) == {"config.json", "pytorch_model.bin"} | TOKENIZER
    gone, done = capsys.readouterr().err.splitlines()
    assert gone == (
        f"{TEXT}: the hub did not give revision {REFERENCE_COMMIT}: no such revision; {TEXT_COMMIT} is used"
    )
    assert "the tensors of pytorch_model.bin, and nothing else of it, were converted once" in done


@pytest.mark.usefixtures("converting_here")
def test_what_was_fetched_once_is_kept_to_and_planned(hub, capsys, monkeypatch):
    del hub.models[TEXT][REFERENCE_COMMIT]
    SpeechEncoder.from_pretrained(SPEECH, revision=SPEECH_COMMIT)
    first = TextEncoder.from_pretrained(TEXT, revision=PINNED)
    hub.models[TEXT][REFERENCE_COMMIT] = hub.models[TEXT][REFERENCE]
    capsys.readouterr()
    hub.fetched.clear()
    assert TextEncoder.from_pretrained(TEXT, revision=PINNED).recipe == first.recipe
    assert planned_recipes(settings(PINNED))[1] == first.recipe
    go_offline(monkeypatch)
    assert TextEncoder.from_pretrained(TEXT, revision=PINNED).recipe == first.recipe
    assert hub.fetched == []
    assert capsys.readouterr().err == ""


def test_a_pinned_commit_needs_no_hub_and_no_reference_to_main(hub, tmp_path, monkeypatch):
    for offline in (False, True):
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", offline)
        assert SpeechEncoder.from_pretrained(SPEECH, revision=SPEECH_COMMIT).recipe.revision == SPEECH_COMMIT
        hub.hang = lambda request: True
    assert not (tmp_path / f"home/hub/models--{SPEECH.replace('/', '--')}/refs/main").exists()


def test_a_branch_is_taken_from_the_cache_when_the_hub_is_out_of_reach(hub, monkeypatch):
    assert locate(TEXT).revision == TEXT_COMMIT
    go_offline(monkeypatch)
    assert locate(TEXT).revision == TEXT_COMMIT
    with pytest.raises(ValueError, match="HF_HUB_OFFLINE is set, and it is not whole in the hub's cache"):
        locate(SPEECH)


def test_a_snapshot_that_another_program_left_in_part_is_not_taken_for_whole(hub, monkeypatch):
    huggingface_hub.hf_hub_download(TEXT, "model.safetensors", revision=REFERENCE_COMMIT)
    huggingface_hub.hf_hub_download(TEXT, "config.json", revision=TEXT_COMMIT)
    with pytest.raises(RuntimeError, match="must be a folder, or a hub model that was fetched once"):
        planned_recipes(settings(PINNED))
    assert TextEncoder.from_pretrained(TEXT, revision=PINNED).recipe.revision == REFERENCE_COMMIT


@pytest.mark.parametrize(
    ("name", "revision", "reason"),
    [
        ("nobody/nothing", None, "no such model, or a private one that HF_TOKEN does not open"),
        (SPEECH, "v9", "did not give revision v9: no such revision"),
        (TEXT, ["v8", "v9"], "revision v8: no such revision; the hub did not give revision v9: no such"),
    ],
)
def test_an_unknown_name_or_revision_is_one_line(hub, name, revision, reason):
    with pytest.raises(ValueError, match=f"^'{name}' must be a folder or a hub name: .*{reason}") as error:
        locate(name, revision)
    assert "\n" not in str(error.value)


def test_a_repository_without_weights_is_one_line(hub, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/config.json").write_text("{}")
    hub.models["some/one"] = {"main": ("c" * 40, tmp_path / "empty")}
    with pytest.raises(ValueError, match="has neither model.safetensors nor pytorch_model.bin"):
        locate("some/one")


@pytest.mark.usefixtures("converting_here")
def test_a_token_opens_a_private_model_and_is_never_said(hub, monkeypatch, capfd):
    hub.token = "hf_secret"
    with pytest.raises(ValueError, match="a private one that HF_TOKEN does not open"):
        locate(TEXT)
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(ValueError, match="a private one that HF_TOKEN does not open") as error:
        locate(TEXT)
    monkeypatch.setenv("HF_TOKEN", hub.token)
    hub.tokens.clear()
    TextEncoder.from_pretrained(TEXT, revision=TEXT_COMMIT)
    assert hub.tokens == {"Bearer hf_secret"}
    said = capfd.readouterr()
    assert "hf_" not in said.out + said.err + str(error.value)


@pytest.mark.parametrize("where", ["/api/", "HEAD /3loi", "GET /3loi"])
def test_a_hub_that_hangs_ends_in_one_line_within_a_minute(hub, where, monkeypatch):
    from pipeline.encoders import asking, hub as ours

    # A tenth of the real waits, and so a tenth of a minute.
    monkeypatch.setattr(ours, "SECONDS_FOR_HEADERS", ours.SECONDS_FOR_HEADERS / 10)
    monkeypatch.setattr(asking, "SECONDS_FOR_BYTES", asking.SECONDS_FOR_BYTES / 10)
    monkeypatch.setattr(ours, "SECONDS_FOR_LISTING", ours.SECONDS_FOR_LISTING / 10)
    sleep = time.sleep
    main = threading.current_thread()
    monkeypatch.setattr(time, "sleep", lambda s: sleep(s / 10 if threading.current_thread() is main else s))
    hub.hang = lambda request: where in request
    started = time.monotonic()
    with pytest.raises(ValueError, match=r"no answer within [\d.]+ s$") as error:
        locate(SPEECH, SPEECH_COMMIT)
    assert time.monotonic() - started < 9  # a minute's tenth, and half as much for a machine under load
    assert "\n" not in str(error.value)


def test_a_download_that_is_cut_goes_on_where_it_was(hub, repositories, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "DOWNLOAD_CHUNK_SIZE", 1000)
    _, folder = repositories[SPEECH]["main"]
    half = (folder / "model.safetensors").stat().st_size // 2
    hub.cut = lambda name, start: half if name == "model.safetensors" and not start else None
    found = locate(SPEECH, SPEECH_COMMIT)
    assert hub.fetched.count("model.safetensors") == 2
    for name in ("config.json", "model.safetensors"):
        assert (found.folder / name).read_bytes() == (folder / name).read_bytes()


def test_a_download_that_is_cut_for_good_is_one_line_and_nothing_is_taken_for_whole(hub, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    hub.cut = lambda name, start: 1000 - start if name == "model.safetensors" else None
    with pytest.raises(ValueError, match="revision main: model.safetensors: ") as error:
        locate(SPEECH)
    assert "\n" not in str(error.value)
    go_offline(monkeypatch)
    with pytest.raises(ValueError, match="not whole in the hub's cache"):
        locate(SPEECH)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    hub.cut = lambda name, start: None
    assert SpeechEncoder.from_pretrained(SPEECH).recipe.revision == SPEECH_COMMIT
