"""Models on a hub, by the hub's real client, on a server on loopback."""

from __future__ import annotations

import json
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest

from pipeline.encoders import asking, hub as fetching
from pipeline.use import EmotionRankCLAP, hub as pushing
from tests.use.conftest import make_bank, make_model
from tests.use.hubs import WritableHub

# The hub's client uploads in a way that its own HTTP library advises against.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>' to upload raw bytes:DeprecationWarning")

NAME = "owner/model"
FILES = ["README.md", "captions.json", "captions.safetensors", "config.json", "heads.safetensors"]
NEEDED = {"captions.json", "captions.safetensors", "config.json", "heads.safetensors"}


@pytest.fixture
def hub(writable_hub, tmp_path, monkeypatch) -> WritableHub:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return writable_hub


@pytest.fixture
def there(hub, model) -> WritableHub:
    """With the model on it."""
    model.push_to_hub(NAME)
    hub.asked.clear()
    return hub


def files_on(hub: WritableHub, branch: str = "main") -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in hub.models[NAME][branch][1].iterdir()}


def commit_on(hub: WritableHub, branch: str = "main") -> str:
    return hub.models[NAME][branch][0]


def answer_all(hub: WritableHub) -> None:
    """Answer what was left hanging, so that no thread waits for it beyond the test."""
    hub.hang = lambda request: False
    for thread in threading.enumerate():
        if thread.name == asking.THREAD:
            thread.join()


# Putting one there


def test_what_is_pushed_is_what_is_saved_and_nothing_stays_here(hub, model, model_folder, tmp_path):
    before = sorted(path for path in tmp_path.rglob("*") if "served" not in path.parts)
    address = model.push_to_hub(NAME)
    assert address == f"{hub.url}/{NAME}/commit/{commit_on(hub)}"
    assert sorted(path for path in tmp_path.rglob("*") if "served" not in path.parts) == before
    pushed = files_on(hub)
    assert sorted(pushed) == FILES
    for name in ("captions.json", "captions.safetensors", "heads.safetensors"):
        assert pushed[name] == (model_folder / name).read_bytes()
    assert f'from_pretrained("{NAME}")' in pushed["README.md"].decode()
    assert hub.commits == [("main", "Add EmotionRankCLAP heads")]
    assert len(hub.uploaded) == 2
    fetched = EmotionRankCLAP.from_pretrained(NAME, device="cpu")
    assert fetched.digest == model.digest
    assert np.array_equal(fetched.bank.embeddings, model.bank.embeddings)


def test_a_repository_that_is_there_is_pushed_to_only_when_asked(there, model):
    before = files_on(there)
    with pytest.raises(
        RuntimeError, match=f"^{NAME} could not be pushed to: it is there already: exist_ok=True"
    ):
        model.push_to_hub(NAME)
    assert files_on(there) == before
    bare = EmotionRankCLAP(make_model(1), device="cpu")
    bare.push_to_hub(NAME, exist_ok=True, commit_message="Other heads")
    assert sorted(files_on(there)) == ["README.md", "config.json", "heads.safetensors"]
    assert there.commits[-1] == ("main", "Other heads")
    assert EmotionRankCLAP.from_pretrained(NAME).digest == bare.digest


def test_a_card_that_is_there_is_kept_unless_it_is_to_be_replaced(there, model):
    (there.models[NAME]["main"][1] / "README.md").write_text("# Mine\n")
    made = make_model(1)
    other = EmotionRankCLAP(replace(made, bank=make_bank(made)), device="cpu")
    other.push_to_hub(NAME, exist_ok=True)
    assert files_on(there)["README.md"] == b"# Mine\n"
    other.push_to_hub(NAME, exist_ok=True, replace_model_card=True)
    assert b"# EmotionRankCLAP" in files_on(there)["README.md"]


def test_the_owners_own_card_is_what_is_pushed(hub, model_folder, tmp_path):
    folder = shutil.copytree(model_folder, tmp_path / "copy")
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# Mine\n")
    EmotionRankCLAP.from_pretrained(folder).push_to_hub(NAME)
    assert files_on(hub)["README.md"] == (folder / "README.md").read_bytes()


def test_a_branch_is_made_and_a_proposal_leaves_main_as_it_is(there, model):
    main = files_on(there)
    other = EmotionRankCLAP(make_model(1), device="cpu")
    address = other.push_to_hub(NAME, exist_ok=True, revision="trial")
    assert address.endswith(commit_on(there, "trial"))
    other.push_to_hub(NAME, exist_ok=True, revision="trial")
    there.asked.clear()
    assert other.push_to_hub(NAME, create_pr=True) == f"{there.url}/{NAME}/discussions/1"
    assert not [asked for asked in there.asked if "repos/create" in asked]
    assert files_on(there) == main
    for revision in ("trial", "refs/pr/1"):
        assert EmotionRankCLAP.from_pretrained(NAME, revision=revision).digest == other.digest
    assert EmotionRankCLAP.from_pretrained(NAME).digest == model.digest


def test_a_private_one_is_made_private(hub, model):
    model.push_to_hub(NAME, private=True)
    assert hub.private == {NAME: "private"}


@pytest.mark.parametrize(
    "name", ["model", "owner/", "/model", "a/b/c", "owner/../x", "owner/mo del", "", None, 7, Path("a/b")]
)
def test_a_name_that_no_repository_has_is_refused_before_anything_is_asked(hub, model, name):
    with pytest.raises(ValueError, match="repo_id must be a hub name owner/name, found"):
        model.push_to_hub(name)
    assert hub.asked == []


def test_a_token_is_sent_and_never_said(hub, model, capfd, monkeypatch):
    hub.token = "hf_secret"
    said = []
    for token in (None, "hf_wrong"):
        with pytest.raises(
            RuntimeError, match="could not be pushed to: the hub does not know who asks"
        ) as error:
            model.push_to_hub(NAME, token=token)
        said.append(str(error.value))
    hub.tokens.clear()
    model.push_to_hub(NAME, token="hf_secret")
    assert hub.tokens == {"Bearer hf_secret"}
    for odd in ("hf_wr\x01ong", "hf_wrong\n", "hf_wröng", "hf wrong", "", b"hf_wrong"):
        with pytest.raises(ValueError, match="token must be a word of ASCII characters, found") as error:
            model.push_to_hub(NAME, token=odd)
        said.append(str(error.value))
        with pytest.raises(ValueError, match="token must be a word of ASCII characters, found") as error:
            EmotionRankCLAP.from_pretrained(NAME, token=odd)
        said.append(str(error.value))
    fetched = EmotionRankCLAP.from_pretrained(NAME, token="hf_secret")
    said.append(repr(vars(fetched)))
    monkeypatch.setenv("HF_TOKEN", "hf_wr\x01ong")
    with pytest.raises(RuntimeError, match="could not be pushed to") as error:
        model.push_to_hub(NAME, exist_ok=True)
    said.append(str(error.value))
    out = capfd.readouterr()
    for line in (*said, out.out, out.err):
        assert "hf_" not in line.replace("hf_hub", "")
        assert "ong" not in line or "hf" not in line


@pytest.mark.parametrize(
    ("request_of", "status", "message"),
    [
        ("POST /api/repos/create", 403, "must be of somebody who may write there"),
        ("POST /api/repos/create", 500, "500"),
        ("GET /api/models", 500, "500"),
        ("POST /api/models/owner/model/preupload", 403, "must be of somebody who may write there"),
        ("POST /owner/model.git/info/lfs", 400, "400"),
        ("PUT /lfs", 403, ""),
        ("POST /api/models/owner/model/commit", 412, "412"),
    ],
)
def test_a_hub_that_refuses_is_one_line(hub, model, request_of, status, message):
    hub.refused[request_of] = status
    with pytest.raises(RuntimeError, match=f"^{NAME} could not be pushed to: .*{message}") as error:
        model.push_to_hub(NAME)
    assert "\n" not in str(error.value)
    assert hub.commits == []


@pytest.mark.parametrize("where", ["POST /api/repos", "GET /api/models", "POST /api/models", "PUT /lfs"])
def test_a_hub_that_hangs_while_it_is_pushed_to_is_one_line(hub, model, where, monkeypatch):
    monkeypatch.setattr(pushing, "SECONDS_FOR_ANSWER", 0.2)
    monkeypatch.setattr(pushing, "SLOWEST", 1e9)
    monkeypatch.setattr(fetching, "SECONDS_FOR_LISTING", 0.2)
    hub.hang = lambda request: request.startswith(where)
    with pytest.raises(RuntimeError, match=r"could not be pushed to: no answer within 0\.\d+ s$"):
        model.push_to_hub(NAME)
    answer_all(hub)


def test_offline_nothing_is_pushed(hub, model, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(RuntimeError, match="can only be pushed to where HF_HUB_OFFLINE is not set"):
        model.push_to_hub(NAME)
    assert hub.asked == []


# Fetching one


def test_what_is_needed_is_fetched_and_nothing_else(there, model):
    for name in ("code.py", "pytorch_model.bin", "notes.txt"):
        (there.models[NAME]["main"][1] / name).write_text("raise SystemExit('remote code ran')")
    found = EmotionRankCLAP.from_pretrained(NAME)
    assert found.digest == model.digest
    assert found.name == NAME
    assert set(there.fetched) == NEEDED


def test_a_commit_that_is_whole_here_needs_no_hub(there, model, monkeypatch, tmp_path):
    commit = commit_on(there)
    for revision in (commit, None, commit):
        assert EmotionRankCLAP.from_pretrained(NAME, revision=revision).digest == model.digest
    asked = len(there.asked)
    assert EmotionRankCLAP.from_pretrained(NAME, revision=commit).digest == model.digest
    assert EmotionRankCLAP.from_pretrained(NAME, local_files_only=True).digest == model.digest
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert EmotionRankCLAP.from_pretrained(NAME).digest == model.digest
    assert len(there.asked) == asked
    with pytest.raises(ValueError, match="where local_files_only is set; found neither"):
        EmotionRankCLAP.from_pretrained(NAME, local_files_only=True, cache_folder=tmp_path / "other")


def test_a_copy_that_lacks_a_file_is_not_taken_for_whole(there, model, tmp_path):
    commit, cache = commit_on(there), tmp_path / "cache"
    EmotionRankCLAP.from_pretrained(NAME, revision=commit, cache_folder=cache)
    for name in sorted(NEEDED):
        (gone,) = cache.glob(f"**/{name}")
        gone.unlink()
        there.fetched.clear()
        again = EmotionRankCLAP.from_pretrained(NAME, revision=commit, cache_folder=cache)
        assert again.digest == model.digest
        assert again.bank is not None
    assert list(cache.glob(f"**/{commit}/*"))


def test_a_repository_of_something_else_is_one_line(there):
    folder = there.models[NAME]["main"][1]
    (folder / "heads.safetensors").unlink()
    with pytest.raises(ValueError, match="it has no heads.safetensors, and is no EmotionRankCLAP model"):
        EmotionRankCLAP.from_pretrained(NAME)
    (folder / "heads.safetensors").write_bytes(b"")
    (folder / "config.json").write_text(json.dumps({"model_type": "wavlm"}))
    with pytest.raises(RuntimeError, match="must say model_type 'emotionrankclap', found 'wavlm'"):
        EmotionRankCLAP.from_pretrained(NAME)


@pytest.mark.parametrize(
    ("name", "revision", "message"),
    [
        ("nobody/nothing", None, "no such model, or a private one that HF_TOKEN does not open"),
        (NAME, "v9", "the hub did not give revision v9: no such revision"),
        ("no such folder", None, "a model must be a folder or a hub name owner/name, found 'no such folder'"),
        ("a/b/c", None, "a model must be a folder or a hub name"),
        ("../model", None, "a model must be a folder or a hub name"),
    ],
)
def test_a_name_that_leads_nowhere_is_one_line(there, name, revision, message):
    with pytest.raises(ValueError, match=message) as error:
        EmotionRankCLAP.from_pretrained(name, revision=revision)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("where", ["GET /api/models", "HEAD /owner", "GET /owner"])
def test_a_hub_that_hangs_while_it_is_asked_is_one_line(there, where, monkeypatch):
    monkeypatch.setattr(fetching, "SECONDS_FOR_LISTING", 0.3)
    monkeypatch.setattr(fetching, "SECONDS_FOR_HEADERS", 0.3)
    monkeypatch.setattr(asking, "SECONDS_FOR_BYTES", 0.3)
    sleep, main = time.sleep, threading.current_thread()
    monkeypatch.setattr(time, "sleep", lambda s: sleep(0 if threading.current_thread() is main else s))
    there.hang = lambda request: request.startswith(where)
    with pytest.raises(ValueError, match=r"no answer within 0\.3 s$"):
        EmotionRankCLAP.from_pretrained(NAME)
    answer_all(there)
